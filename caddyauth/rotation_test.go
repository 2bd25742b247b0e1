package caddyauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth"
	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// underWay is what people have begun with one secret and finish with another.
type underWay struct {
	t    testing.TB
	s    *server
	mail *testsmtp.Server
	to   string

	in      *browser // signed in
	halfway *browser // at the identity provider
	page    string   // and what it shows
	form    *browser // a form is open
	csrf    string   // with this token
	asked   *browser // a link was asked for
}

// begin begins everything; name makes the address another one.
func begin(t testing.TB, s *server, mail *testsmtp.Server, name string) *underWay {
	t.Helper()
	u := &underWay{t: t, s: s, mail: mail, to: name + "@example.net"}
	u.in = s.signedIn("alice")
	u.halfway = s.browser()
	a := u.halfway.do(http.MethodPost, "/api/auth/signin/dev", url.Values{"csrfToken": {u.halfway.csrf()}, "callbackUrl": {s.Base + "/"}})
	u.page = u.halfway.follow(a).body
	u.form = s.browser()
	u.csrf = u.form.csrf()
	u.asked = s.browser()
	a = u.asked.do(http.MethodPost, "/api/auth/signin/email", url.Values{"csrfToken": {u.asked.csrf()}, "email": {u.to}, "callbackUrl": {s.Base + "/"}})
	if location := a.Header.Get("Location"); !strings.Contains(location, "verify-request") {
		t.Fatalf("asking for a link: %s %s", a.Status, location)
	}
	return u
}

// finish finishes everything, as if nothing had happened.
func (u *underWay) finish(step string) {
	u.t.Helper()
	if !u.in.in() {
		u.t.Errorf("%s: signed out", step)
	}
	id := hiddenID.FindStringSubmatch(u.page)
	if id == nil {
		u.t.Fatalf("%s: no persona page: %s", step, u.page)
	}
	u.halfway.follow(u.halfway.do(http.MethodPost, "/api/auth/dev/login", url.Values{"id": {id[1]}, "sub": {"admin"}}))
	if !u.halfway.in() {
		u.t.Errorf("%s: the flow under way did not arrive", step)
	}
	a := u.form.do(http.MethodPost, "/api/auth/callback/credentials", url.Values{
		"csrfToken": {u.csrf}, "username": {"bob"}, "password": {"bob"}, "callbackUrl": {u.s.Base + "/"},
	})
	if !u.form.in() {
		u.t.Errorf("%s: the open form is refused: %s %s", step, a.Status, a.Header.Get("Location"))
	}
	// Asked for in this browser, so that a GET suffices if what ties the two
	// together still holds.
	u.asked.follow(u.asked.get(u.mail.Link(u.t, u.to)))
	if !u.asked.in() {
		u.t.Errorf("%s: the mailed link does not sign in", step)
	}
}

// cookieToken is the session token that a browser has.
func (b *browser) cookieToken(d dialect.Dialect) string {
	b.t.Helper()
	u, _ := url.Parse(b.base)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == sessionName(d) {
			return c.Value
		}
	}
	b.t.Fatalf("no session in %s", b.cookieHeader())
	return ""
}

func sessionName(d dialect.Dialect) string {
	return cookie.NewNames(d, d.CookiePrefix(), false).Session
}

// ring has the keys that a secret makes for session tokens over http.
func ring(t testing.TB, d dialect.Dialect, secret string) *jwt.Ring {
	t.Helper()
	salt := ""
	if d == dialect.V5 {
		salt = sessionName(d)
	}
	r, err := jwt.NewRing(d, []string{secret}, salt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// storedSecrets are the generated secrets in a storage.
func storedSecrets(t testing.TB, dir string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "caddyauth", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if raw[0] != '{' {
		return []string{string(raw)}
	}
	var stored struct{ Secrets []struct{ Secret string } }
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, s := range stored.Secrets {
		list = append(list, s.Secret)
	}
	return list
}

// rotatingSite is a site with all that a secret is used for.
func rotatingSite(t testing.TB, mail *testsmtp.Server, words string) string {
	return `
http://localhost:{PORT} {
	caddyauth {
		` + words + `
		provider dev
		users ` + usersFile(t) + `
		email login@example.com ` + mail.URL + ` {
			tls off
		}
		store memory
		limit off
		allow any
	}
	respond "in with {http.auth.user.claims.caddyauth.sid}"
}
`
}

// TestRotation rotates the generated secret while people use the site.
func TestRotation(t *testing.T) {
	t.Cleanup(caddyauth.SetRotation(700*time.Millisecond, 100*time.Millisecond, time.Minute))
	for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
		for _, strategy := range []string{"jwt", "database"} {
			t.Run(d.String()+" "+strategy, func(t *testing.T) {
				mail := testsmtp.Start(t, testsmtp.Options{})
				dir := t.TempDir()
				config := rotatingSite(t, mail, "compat "+d.String()+"\nsession {\nstrategy "+strategy+"\n}")
				a := adminAPI{t, "127.0.0.1:" + testport.Free(t)}
				s, admin := startAdminWith(t, a, "storage file_system "+dir, config)
				rotate(t, s, admin, mail, dir, d, strategy)
			})
		}
	}
}

func rotate(t *testing.T, s *server, admin adminAPI, mail *testsmtp.Server, dir string, d dialect.Dialect, strategy string) {
	old := storedSecrets(t, dir)[0]
	before := begin(t, s, mail, "before")
	sealedBefore := before.in.cookieToken(d)
	stop := hammer(t, s, s.signedIn("admin").cookieHeader())

	// On a slow machine, the time before the new secret seals may be too short to
	// do anything in it.
	var (
		pending        *underWay
		sealing, fresh string
		seals          time.Time
	)
	for try := 0; ; try++ {
		sealing, fresh, seals = rotateOnce(t, admin, dir)
		pending = begin(t, s, mail, fmt.Sprint("pending", try))
		token := pending.in.cookieToken(d)
		if time.Now().Before(seals) {
			if strategy == "jwt" && !opens(t, d, sealing, token) {
				t.Error("the new secret seals before its time")
			}
			break
		}
		if try == 4 {
			t.Fatal("nothing could be begun in time")
		}
	}
	if got := admin.want(http.StatusConflict, http.MethodPost, "/caddyauth/secret/rotate", nil); !strings.Contains(got["error"].(string), "under way") {
		t.Errorf("a rotation during another: %v", got)
	}
	if !before.in.in() {
		t.Error("signed out right after")
	}

	time.Sleep(time.Until(seals) + 300*time.Millisecond)
	after := begin(t, s, mail, "after")
	if strategy == "jwt" {
		if token := after.in.cookieToken(d); !opens(t, d, fresh, token) || opens(t, d, sealing, token) {
			t.Error("the new secret does not seal at its time")
		}
		if !opens(t, d, old, sealedBefore) {
			t.Error("the first session was not sealed with the old secret")
		}
	}
	before.finish("begun before")
	pending.finish("begun while the new secret only opened")
	after.finish("begun after")
	if n := stop(); n < 20 {
		t.Errorf("only %d requests meanwhile", n)
	}

	// What was ended stays ended: by either secret, the session is the same.
	sid := strings.TrimPrefix(before.in.get("/").body, "in with ")
	admin.want(http.StatusNoContent, http.MethodDelete, "/caddyauth/sessions/"+sid, nil)
	admin.want(http.StatusOK, http.MethodPost, "/caddyauth/secret/rotate", nil)
	if before.in.in() || !after.in.in() {
		t.Error("after another rotation, an ended session is back, or one that was not is gone")
	}
	if text := s.logText(); strings.Contains(text, old) || strings.Contains(text, fresh) {
		t.Error("the log has a secret")
	}
}

// rotateOnce begins a rotation, and returns the secret that seals until a time and
// the one that seals from then on.
func rotateOnce(t testing.TB, admin adminAPI, dir string) (sealing, fresh string, seals time.Time) {
	t.Helper()
	had, begun := len(storedSecrets(t, dir)), time.Now()
	done := admin.want(http.StatusOK, http.MethodPost, "/caddyauth/secret/rotate", nil)
	seals, err1 := time.Parse(time.RFC3339, done["seals_from"].(string))
	retires, err2 := time.Parse(time.RFC3339, done["retires_at"].(string))
	if err1 != nil || err2 != nil || seals.Before(begun.Add(700*time.Millisecond)) || !retires.Equal(seals.Add(30*24*time.Hour+time.Minute)) {
		t.Errorf("announced %v", done)
	}
	stored := storedSecrets(t, dir)
	if len(stored) != had+1 {
		t.Fatalf("%d secrets are stored", len(stored))
	}
	return stored[had-1], stored[had], seals
}

// hammer asks for a page with a session all the time, and returns what ends that
// and tells how often it was.
func hammer(t testing.TB, s *server, cookies string) (stop func() int) {
	done, n := make(chan struct{}), 0
	var wg sync.WaitGroup
	wg.Go(func() {
		b := s.browser()
		b.Jar = nil
		for {
			select {
			case <-done:
				return
			default:
			}
			r, _ := http.NewRequest(http.MethodGet, s.Base+"/", nil)
			r.Header.Set("Cookie", cookies)
			resp, err := b.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if n++; resp.StatusCode != http.StatusOK {
				t.Errorf("request %d: %s", n, resp.Status)
				return
			}
		}
	})
	return func() int {
		close(done)
		wg.Wait()
		return n
	}
}

func opens(t testing.TB, d dialect.Dialect, secret, token string) bool {
	t.Helper()
	_, err := ring(t, d, secret).OpenString(token)
	return err == nil
}

// TestRotationRetires waits for the old secret to go.
func TestRotationRetires(t *testing.T) {
	t.Cleanup(caddyauth.SetRotation(200*time.Millisecond, 100*time.Millisecond, 0))
	dir := t.TempDir()
	a := adminAPI{t, "127.0.0.1:" + testport.Free(t)}
	s, admin := startAdminWith(t, a, "storage file_system "+dir, `
http://localhost:{PORT} {
	caddyauth {
		provider dev
		session {
			max_age 4s
		}
	}
	respond "in"
}
`)
	// A token that outlives every session, as only somebody with the secret could
	// make it.
	forged := func(secret string) *browser {
		token, err := jwt.SealClaims(ring(t, dialect.V4, secret), map[string]any{"sub": "x", "email": "x@example.com"}, time.Now(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		b := s.browser()
		u, _ := url.Parse(s.Base)
		b.Jar.SetCookies(u, []*http.Cookie{{Name: plainName, Value: token, Path: "/"}})
		return b
	}
	old := storedSecrets(t, dir)[0]
	if !forged(old).in() {
		t.Fatal("the test makes no good tokens")
	}
	done := admin.want(http.StatusOK, http.MethodPost, "/caddyauth/secret/rotate", nil)
	retires, err := time.Parse(time.RFC3339, done["retires_at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	fresh := storedSecrets(t, dir)[1]
	time.Sleep(time.Until(retires) - 2*time.Second)
	if !forged(old).in() || !forged(fresh).in() {
		t.Error("before its time, the old secret is gone, or the new one not there")
	}
	time.Sleep(time.Until(retires) + 300*time.Millisecond)
	if forged(old).in() || !forged(fresh).in() {
		t.Error("at its time, the old secret is not gone, or the new one is")
	}
	// It is in the storage until somebody rotates again.
	admin.want(http.StatusOK, http.MethodPost, "/caddyauth/secret/rotate", nil)
	if got := storedSecrets(t, dir); len(got) != 2 || got[0] != fresh {
		t.Errorf("after another rotation, %d secrets are stored", len(got))
	}
}

// TestRotationKeepsLimits: whoever has tried too often has done so with any secret.
func TestRotationKeepsLimits(t *testing.T) {
	t.Cleanup(caddyauth.SetRotation(time.Millisecond, 50*time.Millisecond, time.Minute))
	dir := t.TempDir()
	s, admin := startAdminWith(t, adminAPI{t, "127.0.0.1:" + testport.Free(t)}, "storage file_system "+dir, `
http://localhost:{PORT} {
	caddyauth {
		users `+usersFile(t)+`
		limit {
			sign_in 2/1h
		}
	}
	respond "in"
}
`)
	b := s.browser()
	for range 3 {
		b.password("alice", "wrong", "/")
	}
	done := admin.want(http.StatusOK, http.MethodPost, "/caddyauth/secret/rotate", nil)
	seals, err := time.Parse(time.RFC3339, done["seals_from"].(string))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(seals) + 200*time.Millisecond)
	if b.password("alice", "alice", "/"); b.in() {
		t.Error("a rotation forgave failed attempts")
	}
	if b.password("bob", "bob", "/"); !b.in() || !opens(t, dialect.V4, storedSecrets(t, dir)[1], b.cookieToken(dialect.V4)) {
		t.Error("somebody else is not in, or the new secret does not seal")
	}
}

// TestRotationConfigured rotates a secret in the configuration.
func TestRotationConfigured(t *testing.T) {
	const next = "another-secret-0123456789abcdefghijkl"
	for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
		for _, strategy := range []string{"jwt", "database"} {
			t.Run(d.String()+" "+strategy, func(t *testing.T) {
				mail := testsmtp.Start(t, testsmtp.Options{})
				site := func(secrets string) string {
					return rotatingSite(t, mail, "compat "+d.String()+"\nsession {\nstrategy "+strategy+"\nmax_age 5d\n}\nsecret "+secrets)
				}
				users := site(secret) // one users file for all: it is the realm
				config := func(secrets string) string { return strings.Replace(users, "secret "+secret, "secret "+secrets, 1) }
				s := start(t, config(secret))
				before := begin(t, s, mail, "before")
				if strings.Contains(s.logText(), "several secrets") {
					t.Error("one secret is said to be several")
				}
				if err := s.load("", config(next+" "+secret)); err != nil {
					t.Fatal(err)
				}
				if strategy == "jwt" && !opens(t, d, next, s.signedIn("admin").cookieToken(d)) {
					t.Error("the first secret does not seal")
				}
				before.finish("after a secret was added")
				after := s.signedIn("admin")

				var said []time.Time
				for _, line := range s.logged() {
					if message, _ := line["msg"].(string); strings.Contains(message, "several secrets are configured") {
						until, _ := line["until"].(float64)
						said = append(said, time.UnixMilli(int64(until*1000)))
					}
				}
				if want := time.Now().Add(5 * 24 * time.Hour); len(said) != 1 || said[0].Sub(want).Abs() > time.Minute {
					t.Errorf("until when the old secret stays was said %d times: %v, want %v", len(said), said, want)
				}
				if err := s.load("", config(next)); err != nil {
					t.Fatal(err)
				}
				if !after.in() {
					t.Error("signed out after the old secret was removed")
				}
			})
		}
	}
}
