package caddyauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// adminAPI is the admin endpoint of a running Caddy.
type adminAPI struct {
	t testing.TB
	// Address is where it listens.
	Address string
}

// startAdmin is start with an admin endpoint.
func startAdmin(t testing.TB, config string) (*server, adminAPI) {
	t.Helper()
	return startAdminWith(t, adminAPI{t, "127.0.0.1:" + testport.Free(t)}, "", config)
}

// startAdminWith is startAdmin with further global options.
func startAdminWith(t testing.TB, a adminAPI, global, config string) (*server, adminAPI) {
	t.Helper()
	s := startWith(t, a.global()+"\n"+global, config)
	t.Cleanup(a.end)
	return s, a
}

// end closes the endpoint, which stopping Caddy leaves where it is.
func (a adminAPI) end() {
	if err := caddy.Load([]byte(`{"admin": {"disabled": true, "config": {"persist": false}}}`), true); err != nil {
		a.t.Error(err)
	}
}

// global is the global option that turns it on.
func (a adminAPI) global() string { return "admin " + a.Address }

// call sends a request and returns status and body. A body that is no string is
// sent as JSON.
func (a adminAPI) call(method, path string, body any) (int, string) {
	a.t.Helper()
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		payload = strings.NewReader(b)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			a.t.Fatal(err)
		}
		payload = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, "http://"+a.Address+path, payload)
	if err != nil {
		a.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// want is call for an answer of a certain status, which it returns decoded.
func (a adminAPI) want(status int, method, path string, body any) map[string]any {
	a.t.Helper()
	got, text := a.call(method, path, body)
	if got != status {
		a.t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
	}
	if text == "" {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		a.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return v
}

// list returns the members of a list.
func (a adminAPI) list(path string) []map[string]any {
	a.t.Helper()
	v := a.want(http.StatusOK, http.MethodGet, path, nil)
	items, ok := v[strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '?' })[1]].([]any)
	if !ok {
		a.t.Fatalf("%s: no list in %v", path, v)
	}
	found := []map[string]any{}
	for _, item := range items {
		found = append(found, item.(map[string]any))
	}
	return found
}

// keeping is a site with the development provider, a users file and a store.
func keeping(t testing.TB, port, words string) string {
	t.Helper()
	return `
http://localhost:` + port + ` {
	caddyauth {
		secret ` + secret + `
		provider dev
		users ` + usersFile(t) + `
		allow any
		` + words + `
	}
	respond "in with {http.auth.user.claims.caddyauth.sid}"
}
`
}

// signedIn is a browser with a session.
func (s *server) signedIn(person string) *browser {
	s.t.Helper()
	b := s.browser()
	b.persona(person, s.Base+"/")
	if a := b.get("/"); a.StatusCode != http.StatusOK {
		s.t.Fatalf("%s is not in: %s", person, a.Status)
	}
	return b
}

// in reports whether a browser has a session that counts.
func (b *browser) in() bool {
	b.t.Helper()
	a := b.get("/")
	switch a.StatusCode {
	case http.StatusOK:
		return true
	case http.StatusFound:
		return false
	}
	b.t.Fatalf("neither in nor out: %s", a.Status)
	return false
}

func TestAdminSessions(t *testing.T) {
	for _, tc := range []struct{ kind, strategy string }{{"memory", "jwt"}, {"bolt", "database"}} {
		t.Run(tc.kind+" "+tc.strategy, func(t *testing.T) {
			words := "store " + tc.kind
			if tc.kind == "bolt" {
				words += " " + filepath.Join(t.TempDir(), "store.db")
			}
			s, admin := startAdmin(t, keeping(t, "{PORT}", words+"\nsession {\nstrategy "+tc.strategy+"\n}"))
			alice, phone, bob := s.signedIn("alice"), s.signedIn("alice"), s.browser()
			bob.password("bob", "bob", "/")

			all := admin.list("/caddyauth/sessions")
			if len(all) != 3 {
				t.Fatalf("%d sessions: %v", len(all), all)
			}
			for _, v := range all {
				if v["strategy"] != tc.strategy || v["store"] != tc.kind || v["ip"] != "127.0.0.1" && v["ip"] != "::1" || !strings.HasPrefix(v["user_agent"].(string), "Go-http-client") {
					t.Errorf("session %v", v)
				}
				created, err := time.Parse(time.RFC3339, v["created"].(string))
				if err != nil || time.Since(created) > time.Minute {
					t.Errorf("created %v", v["created"])
				}
			}
			_, text := admin.call(http.MethodGet, "/caddyauth/sessions", nil)
			for _, b := range []*browser{alice, phone, bob} {
				for _, c := range strings.Split(b.cookieHeader(), "; ") {
					if _, value, _ := strings.Cut(c, "="); strings.Contains(text, value) {
						t.Errorf("the list has the cookie %s", c)
					}
				}
			}
			for _, hidden := range []string{"realm", "auth_time", "since", "token", "verified", "sid"} {
				if strings.Contains(text, `"`+hidden+`"`) {
					t.Errorf("the list has %q: %s", hidden, text)
				}
			}

			// Filters.
			byEmail := admin.list("/caddyauth/sessions?email=Alice%40Example.com&provider=dev")
			if len(byEmail) != 2 {
				t.Fatalf("alice has %v", byEmail)
			}
			user := byEmail[0]["user"].(map[string]any)
			if user["email"] != "alice@example.com" || byEmail[0]["provider"] != "dev" || byEmail[0]["login"] != "alice" {
				t.Errorf("alice's session %v", byEmail[0])
			}
			id := user["id"].(string)
			if got := admin.list("/caddyauth/sessions?user=" + url.QueryEscape(id)); len(got) != 2 {
				t.Errorf("by user: %v", got)
			}
			for _, none := range []string{"user=nobody", "email=nobody@example.com", "provider=credentials&email=alice@example.com"} {
				if got := admin.list("/caddyauth/sessions?" + none); len(got) != 0 {
					t.Errorf("%s: %v", none, got)
				}
			}

			// One at a time, to the end.
			var ids []string
			next := ""
			for range len(all) + 1 {
				page := admin.want(http.StatusOK, http.MethodGet, "/caddyauth/sessions?limit=1&after="+url.QueryEscape(next), nil)
				ids = append(ids, page["sessions"].([]any)[0].(map[string]any)["id"].(string))
				if next, _ = page["next"].(string); next == "" {
					break
				}
			}
			if len(ids) != 3 || ids[0] != all[0]["id"] || ids[2] != all[2]["id"] {
				t.Errorf("page by page: %v", ids)
			}

			// One is ended, the other lives.
			one := byEmail[0]["id"].(string)
			admin.want(http.StatusNoContent, http.MethodDelete, "/caddyauth/sessions/"+one, nil)
			if alice.in() == phone.in() {
				t.Error("not exactly one of two sessions was ended")
			}
			admin.want(http.StatusNotFound, http.MethodDelete, "/caddyauth/sessions/"+one, nil)
			if got := admin.list("/caddyauth/sessions?user=" + id); len(got) != 1 || got[0]["id"] == one {
				t.Errorf("left: %v", got)
			}

			// All of a user's are, and nobody else's.
			tablet := s.signedIn("alice")
			if got := admin.want(http.StatusOK, http.MethodDelete, "/caddyauth/sessions?user="+id, nil); got["ended"] != 2.0 {
				t.Errorf("ended %v", got)
			}
			if alice.in() || phone.in() || tablet.in() || !bob.in() {
				t.Error("after ending all of a user's sessions")
			}
			if got := admin.want(http.StatusOK, http.MethodDelete, "/caddyauth/sessions?user="+id, nil); got["ended"] != 0.0 {
				t.Errorf("once more: %v", got)
			}
			if s.signedIn("alice"); len(admin.list("/caddyauth/sessions")) != 2 {
				t.Error("signing in anew")
			}
		})
	}
}

// TestAdminSeveralStores: sites with one store are one list, and several stores
// are walked one after the other.
func TestAdminSeveralStores(t *testing.T) {
	second, third := testport.Free(t), testport.Free(t)
	file := filepath.Join(t.TempDir(), "store.db")
	// Sites of one store have one users file.
	first := keeping(t, "{PORT}", "store memory")
	s, admin := startAdmin(t, first+strings.Replace(first, "{PORT}", second, 1)+keeping(t, third, "store bolt "+file))
	for _, port := range []string{s.Port, second, third} {
		for _, person := range []string{"alice", "admin"} {
			b := s.browser()
			b.base = "http://localhost:" + port
			b.persona(person, b.base+"/")
		}
	}
	all := admin.list("/caddyauth/sessions")
	if len(all) != 6 {
		t.Fatalf("%d sessions: %v", len(all), all)
	}
	kinds, seen, next := 0, map[any]bool{}, ""
	for i, v := range all {
		if i > 0 && all[i-1]["store"] != v["store"] {
			kinds++
		}
	}
	if kinds != 1 {
		t.Errorf("the stores are mixed: %v", all)
	}
	for range 10 {
		page := admin.want(http.StatusOK, http.MethodGet, "/caddyauth/sessions?limit=2&after="+url.QueryEscape(next), nil)
		for _, v := range page["sessions"].([]any) {
			seen[v.(map[string]any)["id"]] = true
		}
		if next, _ = page["next"].(string); next == "" {
			break
		}
	}
	if len(seen) != 6 || next != "" {
		t.Errorf("page by page: %d sessions, then %q", len(seen), next)
	}
	// An end is found wherever it is.
	for _, v := range all {
		admin.want(http.StatusNoContent, http.MethodDelete, "/caddyauth/sessions/"+v["id"].(string), nil)
	}
	if got := admin.list("/caddyauth/sessions"); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// TestAdminWithoutStore ends sessions that only browsers know.
func TestAdminWithoutStore(t *testing.T) {
	s, admin := startAdmin(t, keeping(t, "{PORT}", "")+"\n")
	alice, bob := s.signedIn("alice"), s.signedIn("admin")
	if got := admin.want(http.StatusNotFound, http.MethodGet, "/caddyauth/sessions", nil); !strings.Contains(got["error"].(string), "no site keeps") {
		t.Errorf("the list: %v", got)
	}
	admin.want(http.StatusNotFound, http.MethodPost, "/caddyauth/tokens", map[string]any{"user": "x"})
	sid := strings.TrimPrefix(bob.get("/").body, "in with ")
	if len(sid) != 32 {
		t.Fatalf("sid %q", sid)
	}
	got := admin.want(http.StatusNotFound, http.MethodDelete, "/caddyauth/sessions/"+sid, nil)
	if !strings.Contains(got["error"].(string), "sites without a store refuse it") || !alice.in() || bob.in() {
		t.Errorf("%v, alice %v, bob %v", got, alice.in(), bob.in())
	}
	admin.want(http.StatusOK, http.MethodDelete, "/caddyauth/sessions?user=dev:alice", nil)
	if alice.in() {
		t.Error("a user's sessions were not ended")
	}
	if again := s.signedIn("alice"); !again.in() {
		t.Error("signing in anew")
	}
}

func TestAdminRefuses(t *testing.T) {
	_, admin := startAdmin(t, keeping(t, "{PORT}", "store memory\ntokens"))
	long := strings.Repeat("x", 600)
	for _, tc := range []struct {
		method, path string
		body         any
		want         int
		says         string
	}{
		{"DELETE", "/caddyauth/sessions", nil, 400, "?user=<id>"},
		{"DELETE", "/caddyauth/sessions?user=", nil, 400, "?user=<id>"},
		{"DELETE", "/caddyauth/sessions?email=a@example.com", nil, 400, "unknown parameter"},
		{"DELETE", "/caddyauth/tokens", nil, 400, "?user=<id>"},
		{"DELETE", "/caddyauth/sessions/", nil, 400, "no id"},
		{"DELETE", "/caddyauth/sessions/a%2Fb", nil, 400, "no id"},
		{"DELETE", "/caddyauth/sessions/a%00b", nil, 400, "no id"},
		{"DELETE", "/caddyauth/sessions/a%20b", nil, 400, "no id"},
		{"DELETE", "/caddyauth/sessions/" + long, nil, 400, "no id"},
		{"DELETE", "/caddyauth/sessions/abc?user=x", nil, 400, "unknown parameter"},
		{"DELETE", "/caddyauth/sessions/abc", nil, 404, "no store knows"},
		{"DELETE", "/caddyauth/tokens/abc", nil, 404, "no store knows"},
		{"GET", "/caddyauth/sessions?usr=x", nil, 400, "unknown parameter \"usr\""},
		{"GET", "/caddyauth/sessions?user=a&user=b", nil, 400, "comes 2 times"},
		{"GET", "/caddyauth/sessions?user=%ff", nil, 400, "too long or has characters"},
		{"GET", "/caddyauth/sessions?user=a%0ab", nil, 400, "too long or has characters"},
		{"GET", "/caddyauth/sessions?email=" + long, nil, 400, "too long or has characters"},
		{"GET", "/caddyauth/sessions?a;b", nil, 400, "cannot be read"},
		{"GET", "/caddyauth/sessions?limit=0", nil, 400, "from 1 to 500"},
		{"GET", "/caddyauth/sessions?limit=501", nil, 400, "from 1 to 500"},
		{"GET", "/caddyauth/sessions?limit=-1", nil, 400, "from 1 to 500"},
		{"GET", "/caddyauth/sessions?limit=1e1", nil, 400, "from 1 to 500"},
		{"GET", "/caddyauth/sessions?after=x", nil, 400, "no place in a list"},
		{"GET", "/caddyauth/sessions?after=x.y", nil, 400, "no place in a list"},
		{"GET", "/caddyauth/tokens?provider=dev", nil, 400, "unknown parameter"},
		{"PUT", "/caddyauth/sessions", nil, 405, "method PUT"},
		{"GET", "/caddyauth/sessions/abc", nil, 405, "method GET"},
		{"GET", "/caddyauth/secret/rotate", nil, 405, "method GET"},
		{"GET", "/caddyauth/secret", nil, 404, "there is no"},
		{"GET", "/caddyauth/", nil, 404, "there is no"},
		{"GET", "/caddyauth/users", nil, 404, "there is no"},
		{"POST", "/caddyauth/secret/rotate", nil, 409, "secret new old"},
		{"POST", "/caddyauth/tokens", nil, 400, "no JSON object"},
		{"POST", "/caddyauth/tokens", "null", 400, "say whose"},
		{"POST", "/caddyauth/tokens", "{}", 400, "say whose"},
		{"POST", "/caddyauth/tokens", "{} {}", 400, "no JSON object"},
		{"POST", "/caddyauth/tokens", "[1]", 400, "no JSON object"},
		{"POST", "/caddyauth/tokens", `{"user":"x","paths":"/a"}`, 400, "no JSON object"},
		{"POST", "/caddyauth/tokens", `{"user":"x","admin":true}`, 400, "admin"},
		{"POST", "/caddyauth/tokens", `{"user":"x"} ` + strings.Repeat(" ", 70<<10), 413, "bytes"},
		{"POST", "/caddyauth/tokens", `{"user":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "bytes"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": long}, 400, "too long"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "name": "a\x1b[2Jb"}, 400, "name"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "name": long}, 400, "name"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "paths": []string{"app"}}, 400, "slash"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "paths": []string{""}}, 400, "slash"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "paths": []string{"/{env.X}"}}, 400, "placeholders"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "paths": []string{"/[a"}}, 400, "pattern"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "paths": make([]string, 21)}, 400, "20 paths"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "methods": []string{"GE T"}}, 400, "method"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "methods": make([]string, 21)}, 400, "20 methods"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "expires": "2001-01-01T00:00:00Z"}, 400, "over already"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x", "expires": "tomorrow"}, 400, "no JSON object"},
		{"POST", "/caddyauth/tokens", map[string]any{"user": "x"}, 404, "no store has that user"},
		{"POST", "/caddyauth/tokens", map[string]any{"email": "x@example.com"}, 404, "no store has that user"},
	} {
		status, text := admin.call(tc.method, tc.path, tc.body)
		var v struct{ Error string }
		err := json.Unmarshal([]byte(text), &v)
		if err != nil || status != tc.want || !strings.Contains(v.Error, tc.says) || len(v.Error) > 400 {
			t.Errorf("%s %.80s %.60v: %d %s, want %d with %q", tc.method, tc.path, tc.body, status, text, tc.want, tc.says)
		}
	}
}

// TestAdminStoreDown asks for what cannot be had: that is told apart from there
// being nothing.
func TestAdminStoreDown(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "store.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, admin := startAdmin(t, keeping(t, "{PORT}", "store bolt "+filepath.Join(dir, "store.db")+"\ntokens"))
	for _, request := range [][2]string{
		{"GET", "sessions"}, {"DELETE", "sessions/abc"}, {"DELETE", "sessions?user=abc"},
		{"GET", "tokens"}, {"DELETE", "tokens/abc"}, {"DELETE", "tokens?user=abc"}, {"POST", "tokens"},
	} {
		var body any
		if request[0] == "POST" {
			body = map[string]any{"email": "alice@example.com"}
		}
		if got := admin.want(http.StatusServiceUnavailable, request[0], "/caddyauth/"+request[1], body); got["error"] != "the store does not answer: try again" {
			t.Errorf("%v: %v", request, got)
		}
	}
}

// TestAdminFollowsReloads: the endpoint answers for the configuration that runs,
// and there is none after a failed reload but the one before.
func TestAdminFollowsReloads(t *testing.T) {
	s, admin := startAdmin(t, keeping(t, "{PORT}", "store memory"))
	global := admin.global()
	alice := s.signedIn("alice")
	if got := admin.list("/caddyauth/sessions"); len(got) != 1 {
		t.Fatalf("%v", got)
	}
	if err := s.load(global, keeping(t, "{PORT}", "store memory")+"\n# again\n"); err != nil {
		t.Fatal(err)
	}
	if got := admin.list("/caddyauth/sessions"); len(got) != 1 || !alice.in() {
		t.Errorf("after a reload: %v", got)
	}
	// It fails when the apps start.
	if err := s.load(global, "http://localhost:{PORT} {\nroute {\nrespond early\ncaddyauth {\nprovider dev\n}\n}\n}\n"); err == nil {
		t.Fatal("an answer before caddyauth was accepted")
	}
	if got := admin.list("/caddyauth/sessions"); len(got) != 1 || !alice.in() {
		t.Errorf("after a failed start: %v", got)
	}
	if err := s.load(global, "http://localhost:{PORT} {\nrespond open\n}\n"); err != nil {
		t.Fatal(err)
	}
	if got := admin.want(http.StatusNotFound, http.MethodGet, "/caddyauth/sessions", nil); !strings.Contains(fmt.Sprint(got["error"]), "no site of the running configuration") {
		t.Errorf("without caddyauth: %v", got)
	}
}
