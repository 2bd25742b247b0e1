package caddyauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// certified is a site in front of one of the two providers that the OpenID
// Foundation has certified: zitadel's and npm's oidc-provider.
type certified struct {
	*testing.T
	s  *server
	up *upstream
	op *testop.OP
	b  *browser
	// node says which of the two it is.
	node  bool
	lines string
}

// certifiedSite is what a test needs of both sides.
type certifiedSite struct {
	// lines are further ones of the provider's block, site of the directive's.
	lines, site string
	// node are the settings of oidc-provider. What its client is registered with
	// may have {base} for where the gateway's endpoints are.
	node testop.NodeOptions
	// zitadel changes the other one. Without it, it takes no part in the test.
	zitadel func(*testop.OP)
}

// asItIs is for tests that zitadel's provider needs no change for.
func asItIs(*testop.OP) {}

// run runs a test with each provider that can do what it is about.
func (c certifiedSite) run(t *testing.T, test func(*certified)) {
	t.Helper()
	t.Run("oidc-provider", func(t *testing.T) { test(c.start(t, true)) })
	if c.zitadel != nil {
		t.Run("zitadel", func(t *testing.T) { test(c.start(t, false)) })
	}
}

func (c certifiedSite) start(t *testing.T, node bool) *certified {
	t.Helper()
	s := &server{t: t, Port: testport.Free(t), Log: filepath.Join(t.TempDir(), "caddy.log")}
	s.Base = "http://localhost:" + s.Port
	r := &certified{T: t, s: s, up: newUpstream(t, nil), node: node, lines: c.lines}
	auth := s.Base + "/api/auth"
	if node {
		client := map[string]any{"post_logout_redirect_uris": []string{auth + "/signed-out"}}
		for name, value := range c.node.Client {
			if text, ok := value.(string); ok {
				value = strings.ReplaceAll(text, "{base}", auth)
			}
			client[name] = value
		}
		c.node.Client = client
		r.op = testop.StartNode(t, c.node, auth+"/callback/op")
	} else {
		r.op = testop.Start(t, auth+"/callback/op")
		c.zitadel(r.op)
	}
	r.load(c.lines, c.site)
	t.Cleanup(func() { stopCaddy(t) })
	r.b = s.strict()
	return r
}

// load loads the gateway's configuration.
func (r *certified) load(lines, site string) {
	r.Helper()
	r.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", r.op.ClientSecret)
	if !strings.Contains(lines, "private_key_jwt") {
		lines += "\nclient_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}"
	}
	if err := r.s.load("", `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+r.op.URL+` as op {
			client_id `+r.op.ClientID+`
			`+lines+`
		}
		public /open
		allow any
		headers
		`+site+`
	}
	reverse_proxy `+r.up.addr()+`
}
`); err != nil {
		r.Fatal(err)
	}
}

// begin is where the provider's pages begin for a browser that signs in.
func (r *certified) begin(b *browser, callbackURL string) string {
	r.Helper()
	a := b.do(http.MethodPost, "/api/auth/signin/op", url.Values{"csrfToken": {b.csrf()}, "callbackUrl": {callbackURL}})
	to := a.Header.Get("Location")
	if !strings.HasPrefix(to, r.op.URL+"/") {
		r.Fatalf("%s to %q\n%s", a.Status, to, a.body)
	}
	return to
}

// arrive goes where the provider sends a browser, and where it is sent from there.
func (b *browser) arrive(v testop.Visit) answer {
	b.t.Helper()
	if v.Form == nil {
		return b.follow(b.get(v.URL.String(), "Sec-Fetch-Site", "cross-site"))
	}
	return b.follow(b.crossPost(v.URL.String(), v.Form))
}

// signIn signs alice in, makes sure of it, and returns how she went.
func (r *certified) signIn(b *browser) testop.Visit {
	r.Helper()
	r.up.take()
	v := r.op.Walk(r, b.Jar, r.begin(b, "/private?x=1"), testop.Credentials("alice"))
	a := b.arrive(v)
	got := r.up.take()
	if a.StatusCode != http.StatusOK || a.Request.URL.String() != r.s.Base+"/private?x=1" || len(got) != 1 {
		r.Fatalf("ends at %s: %s\n%v", a.Request.URL, a.Status, r.s.failures())
	}
	if user := got[0].Header.Get("Remote-User"); user != "alice" || !b.signedIn() {
		r.Fatalf("signed in as %q: %s", user, b.get("/api/auth/session").body)
	}
	return v
}

func newRSA(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// zitadel's provider takes no pushed requests.
func TestCertifiedPushedRequests(t *testing.T) {
	certifiedSite{
		lines: "pushed_authorization required", node: testop.NodeOptions{RequirePAR: true},
	}.run(t, func(r *certified) {
		to, err := url.Parse(r.begin(r.b, "/"))
		if q := to.Query(); err != nil || len(q) != 2 || q.Get("client_id") != r.op.ClientID || !strings.HasPrefix(q.Get("request_uri"), "urn:ietf:params:oauth:request_uri:") {
			r.Errorf("the browser brings %v", q)
		}
		r.signIn(r.b)
		if n := len(r.op.Events(r, testop.Pushed)); n != 2 {
			r.Errorf("%d requests were pushed", n)
		}

		// It does insist on that.
		r.load("pushed_authorization off", "")
		b := r.s.strict()
		a := b.get(r.begin(b, "/"))
		back, err := a.Location()
		if err != nil || back.Query().Get("error") != "invalid_request" || back.Query().Has("code") {
			r.Errorf("%s to %v", a.Status, back)
		}
		b.arrive(testop.Visit{URL: back})
		if b.signedIn() {
			r.Error("signed in")
		}
	})
}

// The provider gets the client's public key where the gateway publishes it. zitadel's
// has no way to be told where that is, and verifies no EdDSA.
func TestCertifiedPrivateKeyJWT(t *testing.T) {
	for alg, key := range map[string]crypto.Signer{"RS256": newRSA(t), "ES256": newEC(t), "EdDSA": signingKey(t)} {
		t.Run(alg, func(t *testing.T) {
			file, _ := keyFile(t, key)
			site := certifiedSite{
				lines: "client_auth private_key_jwt {file." + file + "} k1\nscope openid profile email offline_access\nparam prompt consent",
				site:  "access_token",
				node: testop.NodeOptions{Lifetimes: []int{1, 3600}, Client: map[string]any{
					"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": alg, "jwks_uri": "{base}/jwks/op",
				}},
			}
			if alg != "EdDSA" {
				site.zitadel = func(op *testop.OP) {
					op.UseLifetimes(time.Second, time.Hour)
					op.UseKey(jose.JSONWebKey{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: alg})
				}
			}
			site.run(t, func(r *certified) {
				r.signIn(r.b) // which has the token renewed: it is due
				if n := len(r.op.Refreshes(r)); n != 1 {
					r.Errorf("%d refreshes", n)
				}
				// Another key does not do.
				other, _ := keyFile(r, newEC(r))
				r.load("client_auth private_key_jwt {file."+other+"} k2\npushed_authorization off", "")
				b := r.s.strict()
				v := r.op.Walk(r, b.Jar, r.begin(b, "/"), testop.Credentials("alice"))
				if b.arrive(v); b.signedIn() {
					r.Error("another key does")
				}
				reason := map[bool]string{true: "client_rejected", false: "token_endpoint_error"}[r.node]
				if lines := r.s.failures(); len(lines) != 1 || lines[0]["reason"] != reason {
					r.Errorf("%v", lines)
				}
			})
		})
	}
}

func TestCertifiedFormPost(t *testing.T) {
	for dialect, line := range map[string]string{"v4": "", "v5": "compat v5"} {
		t.Run(dialect, func(t *testing.T) {
			certifiedSite{lines: "response_mode form_post", site: line, zitadel: asItIs}.run(t, func(r *certified) {
				v := r.signIn(r.b)
				if v.Form.Get("code") == "" || v.Form.Get("state") == "" || v.URL.RawQuery != "" {
					r.Errorf("the provider posts %v to %s", v.Form, v.URL)
				}
				// The cookies of the flow go along with the form, and no others.
				for name, goes := range r.b.Jar.(*strictJar).goes {
					_, last, _ := strings.Cut(name, ".")
					if want := slices.Contains([]string{"state", "nonce", "pkce.code_verifier"}, last); goes != want {
						r.Errorf("%s goes along: %v", name, goes)
					}
				}
				// Who did not begin has no cookies that go along.
				other := r.s.strict()
				if other.arrive(r.op.Walk(r, r.s.strict().Jar, r.begin(r.s.strict(), "/"), testop.Credentials("alice"))); other.signedIn() {
					r.Error("another browser is signed in")
				}
				for _, name := range []string{"code", "state"} {
					if strings.Contains(r.s.logText(), v.Form.Get(name)) {
						r.Errorf("%s is in the log", name)
					}
				}
			})
		})
	}
}

// zitadel's provider encrypts nothing.
func TestCertifiedEncryption(t *testing.T) {
	rsaFile, _ := keyFile(t, newRSA(t))
	ecFile, _ := keyFile(t, newEC(t))
	for _, tc := range []struct {
		name, lines string
		conform     bool
		client      map[string]any
	}{
		{"ID token RSA-OAEP", "id_token_key {file." + rsaFile + "} enc1", false, map[string]any{"id_token_encrypted_response_alg": "RSA-OAEP"}},
		{"ID token RSA-OAEP-256 A256GCM", "id_token_key {file." + rsaFile + "}", false, map[string]any{
			"id_token_encrypted_response_alg": "RSA-OAEP-256", "id_token_encrypted_response_enc": "A256GCM",
		}},
		{"ID token ECDH-ES", "id_token_key {file." + ecFile + "} enc1", false, map[string]any{"id_token_encrypted_response_alg": "ECDH-ES"}},
		{"userinfo signed", "userinfo on", true, map[string]any{"userinfo_signed_response_alg": "RS256"}},
		{"userinfo signed and encrypted", "userinfo on\nid_token_key {file." + ecFile + "} enc1", true, map[string]any{
			"id_token_encrypted_response_alg": "ECDH-ES", "userinfo_signed_response_alg": "RS256", "userinfo_encrypted_response_alg": "ECDH-ES",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.Contains(tc.lines, "id_token_key") {
				tc.client["jwks_uri"] = "{base}/jwks/op"
			}
			certifiedSite{
				lines: tc.lines, site: "logout", node: testop.NodeOptions{ConformIDToken: tc.conform, Client: tc.client},
			}.run(t, func(r *certified) {
				r.signIn(r.b)
				// The hint is the token as the provider signed it: it could not open the other.
				v := r.op.Walk(r, r.b.Jar, r.b.leave("/open?x").Header.Get("Location"), url.Values{"logout": {"yes"}})
				if a := r.b.arrive(v); a.Request.URL.String() != r.s.Base+"/open?x" {
					r.Errorf("signing out ends at %s: %s", a.Request.URL, a.Status)
				}
				// Without the key, nobody is signed in.
				if !strings.Contains(tc.lines, "id_token_key") {
					return
				}
				r.load("", "")
				b := r.s.strict()
				if b.arrive(r.op.Walk(r, b.Jar, r.begin(b, "/"), testop.Credentials("alice"))); b.signedIn() {
					r.Error("signed in without the key")
				}
			})
		})
	}
}

// endpoint is where the provider says that one of its endpoints is.
func (r *certified) endpoint(name string) string {
	r.Helper()
	resp, err := http.Get(r.op.URL + "/.well-known/openid-configuration")
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	var metadata map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&metadata); err != nil {
		r.Fatal(err)
	}
	endpoint, _ := metadata[name].(string)
	return endpoint
}

// userinfo says whether an access token is good.
func (r *certified) userinfo(token string) bool {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, r.endpoint("userinfo_endpoint"), nil)
	if err != nil {
		r.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// token is the access token that a request has for the upstream.
func (r *certified) token() string {
	r.Helper()
	r.up.take()
	r.b.get("/private")
	got := r.up.take()
	if len(got) != 1 || got[0].Header.Get(forwardedToken) == "" {
		r.Fatalf("the upstream got %v", got)
	}
	return got[0].Header.Get(forwardedToken)
}

func TestCertifiedRPInitiatedLogout(t *testing.T) {
	for name, words := range logoutStrategies {
		t.Run(name, func(t *testing.T) {
			certifiedSite{
				site:    "logout {\nprovider on\nbackchannel\n}\naccess_token\n" + words,
				node:    testop.NodeOptions{Client: map[string]any{"backchannel_logout_uri": "{base}/backchannel-logout/op", "backchannel_logout_session_required": true}},
				zitadel: asItIs,
			}.run(t, func(r *certified) {
				r.signIn(r.b)
				token := r.token()
				if !r.userinfo(token) {
					r.Fatal("the access token is no good")
				}
				// oidc-provider has a session of its own. zitadel's leaves that to its pages.
				if again := r.signIn(r.b).Pages; r.node && again != 0 {
					r.Fatalf("the provider asks again: %d pages", again)
				}
				token = r.token()
				a := r.b.leave("/open?x")
				to, err := a.Location()
				if err != nil || strings.Count(to.Query().Get("id_token_hint"), ".") != 2 || !strings.HasPrefix(to.String(), r.op.URL+"/") {
					r.Fatalf("%s to %v", a.Status, to)
				}
				if r.b.signedIn() {
					r.Error("still signed in here")
				}
				v := r.op.Walk(r, r.b.Jar, to.String(), url.Values{"logout": {"yes"}})
				if want := map[bool]int{true: 1}[r.node]; v.Pages != want {
					r.Errorf("%d pages, want %d", v.Pages, want)
				}
				// The return is this browser's only.
				if a := r.s.strict().arrive(v); a.Request.URL.Path == "/open" {
					r.Errorf("another browser ends at %s", a.Request.URL)
				}
				if a := r.b.arrive(v); a.Request.URL.String() != r.s.Base+"/open?x" || a.StatusCode != http.StatusOK {
					r.Errorf("ends at %s: %s", a.Request.URL, a.Status)
				}
				if r.userinfo(token) {
					r.Error("the access token is still good at the provider")
				}
				if strings.Contains(r.s.logText(), to.Query().Get("id_token_hint")) {
					r.Error("the ID token is in the log")
				}
				// oidc-provider tells the client about it as well, whose session has ended:
				// what begins a moment later is not part of it.
				if r.node {
					r.told(1)
				}
				if again := r.signIn(r.b); again.Pages == 0 {
					r.Error("there is still a session at the provider")
				}
			})
		})
	}
}

// told fails unless the provider has sent so many logout tokens, all taken.
func (r *certified) told(n int) {
	r.Helper()
	sent, failed := r.op.Events(r, testop.LoggedOut), r.op.Events(r, testop.NotLoggedOut)
	if len(sent) != n || len(failed) != 0 {
		r.Errorf("%d logout tokens were taken, %v", len(sent), failed)
	}
}

// Somebody says "no" at the provider, and has signed out of the site only.
func TestCertifiedLogoutDeclined(t *testing.T) {
	certifiedSite{site: "logout"}.run(t, func(r *certified) {
		r.signIn(r.b)
		v := r.op.Walk(r, r.b.Jar, r.b.leave("/open").Header.Get("Location"), nil)
		if a := r.b.arrive(v); a.Request.URL.Path != "/open" || r.b.signedIn() {
			r.Errorf("ends at %s, signed in: %v", a.Request.URL, r.b.signedIn())
		}
		if again := r.signIn(r.b).Pages; again != 0 {
			r.Errorf("the provider asks again: %d pages", again)
		}
	})
}

// The session at the provider ends by the provider's own page, and it tells the
// gateway. zitadel's provider sends no logout tokens.
func TestCertifiedBackchannelLogout(t *testing.T) {
	for _, tc := range []struct {
		by    string
		sid   bool
		stays bool // the same person's other browser
		words string
	}{
		{"sid", true, true, ""},
		{"sid", true, true, "compat v5"},
		{"sid", true, true, "store memory\nsession {\nstrategy database\n}"},
		{"sub", false, false, ""},
		{"sub", false, false, "store memory\nsession {\nstrategy database\n}"},
	} {
		t.Run(tc.by+" "+tc.words, func(t *testing.T) {
			certifiedSite{
				site: "logout {\nbackchannel\n}\n" + tc.words,
				node: testop.NodeOptions{Client: map[string]any{"backchannel_logout_uri": "{base}/backchannel-logout/op", "backchannel_logout_session_required": tc.sid}},
			}.run(t, func(r *certified) {
				other := r.s.strict()
				r.signIn(r.b)
				r.signIn(other)
				v := r.op.Walk(r, r.b.Jar, r.endpoint("end_session_endpoint"), url.Values{"logout": {"yes"}})
				if v.URL.Path != "/session/end/success" {
					r.Fatalf("ends at %s", v.URL)
				}
				r.told(1)
				if a := r.b.get("/private"); r.b.signedIn() || a.StatusCode != http.StatusFound {
					r.Errorf("still signed in: %s", a.Status)
				}
				if got := other.signedIn(); got != tc.stays {
					r.Errorf("the other browser is signed in: %v", got)
				}
				if lines := r.s.linesOf("signed out by the provider"); len(lines) != 1 || lines[0]["by"] != tc.by || lines[0]["channel"] != "back" {
					r.Errorf("%v", lines)
				}
				r.signIn(r.b)
			})
		})
	}
}

// offline asks for refresh tokens.
const offline = "scope openid profile email offline_access\nparam prompt consent"

func TestCertifiedRefreshRotation(t *testing.T) {
	for _, strategy := range []string{"cookie", "v5", "database"} {
		t.Run(strategy, func(t *testing.T) {
			certifiedSite{
				lines: offline, site: "access_token\n" + tokenStrategies[strategy],
				node:    testop.NodeOptions{Lifetimes: []int{1, 1, 3600}},
				zitadel: func(op *testop.OP) { op.UseLifetimes(time.Second, time.Second, time.Hour) },
			}.run(t, func(r *certified) {
				r.signIn(r.b) // which has the token renewed: it is due
				if n := len(r.op.Refreshes(r)); n != 1 {
					r.Fatalf("%d refreshes", n)
				}
				time.Sleep(1100 * time.Millisecond) // the next one has expired
				r.up.take()
				crowd(r, 20, r.b.cookieHeader(), r.s.Base)
				got := r.up.take()
				token := got[0].Header.Get(forwardedToken)
				if !r.userinfo(token) {
					r.Errorf("the new access token %q is no good", token)
				}
				for _, request := range got {
					if request.Header.Get(forwardedToken) != token {
						r.Errorf("several tokens for %d requests", len(got))
						break
					}
				}
				used := r.op.Refreshes(r)
				if len(used) != 2 || used[0] == used[1] {
					r.Errorf("refresh tokens %q were taken", used)
				}
				if r.token() != token || !r.b.signedIn() {
					r.Error("the browser has another token, or no session")
				}
				for _, secret := range append(used, token) {
					if strings.Contains(r.b.cookieHeader(), secret) || r.logs(secret) {
						r.Error("a token is in a cookie or in the log")
					}
				}
			})
		})
	}
}

// logs reports whether a token is in the log, but for what Caddy's reverse_proxy
// writes at level DEBUG.
func (r *certified) logs(token string) bool {
	r.Helper()
	for line := range strings.SplitSeq(r.s.logText(), "\n") {
		if strings.Contains(line, token) && !strings.Contains(line, `"logger":"http.handlers.reverse_proxy"`) {
			return true
		}
	}
	return false
}

// A refresh token that comes twice is a theft: both providers refuse it, and
// oidc-provider takes back everything that came of it, which ends the session.
func TestCertifiedRefreshTokenStolen(t *testing.T) {
	certifiedSite{
		lines: offline, site: "access_token", node: testop.NodeOptions{Lifetimes: []int{1}},
		zitadel: func(op *testop.OP) { op.UseLifetimes(time.Second) },
	}.run(t, func(r *certified) {
		r.signIn(r.b)
		used := r.op.Refreshes(r)
		if len(used) != 1 {
			r.Fatalf("%d refreshes", len(used))
		}
		req, err := http.NewRequest(http.MethodPost, r.endpoint("token_endpoint"), strings.NewReader(url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": used,
		}.Encode()))
		if err != nil {
			r.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(url.QueryEscape(r.op.ClientID), url.QueryEscape(r.op.ClientSecret))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			r.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "invalid_grant") {
			r.Errorf("the old refresh token: %s %s", resp.Status, body)
		}
		time.Sleep(1100 * time.Millisecond)
		a := r.b.get("/private")
		switch refused := strings.Contains(r.s.logText(), `"ended":"refresh_refused"`); {
		case r.node && (a.StatusCode != http.StatusFound || !refused || r.b.signedIn()):
			r.Errorf("%s, signed in: %v", a.Status, r.b.signedIn())
		case !r.node && (a.StatusCode != http.StatusOK || refused):
			r.Errorf("%s, refused: %v", a.Status, refused)
		}
	})
}
