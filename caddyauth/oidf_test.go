package caddyauth_test

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// stage is how far a sign-in gets.
type stage int

const (
	done       stage = iota // there is a session
	atStart                 // the browser is not sent to the provider
	atDeclined              // the provider says no
	atCallback              // the code is not redeemed
	atToken                 // what it was redeemed for is not used
	atUserinfo              // what userinfo says is not believed
)

// oidfModule is one module of the OpenID Foundation's conformance suite for
// clients: what the provider does is in package lyingop under the same name, and
// here is what becomes of the sign-in.
type oidfModule struct {
	name string
	// lines are further ones of the provider's block, site of the directive's.
	lines, site string
	ends        stage
	// reason is what the log has to say.
	reason string
	// more is what the module goes on with after the sign-in.
	more func(r *oidfRun)
}

const (
	oidcc = lyingop.OIDCC
	fapi2 = lyingop.FAPI2
)

var oidfModules = []oidfModule{
	{name: oidcc, more: (*oidfRun).person},
	{name: oidcc + "-client-secret-basic"},
	{name: oidcc + "-discovery-issuer-mismatch", ends: atStart, reason: "issuer_mismatch"},
	{name: oidcc + "-discovery-jwks-uri-keys", more: func(r *oidfRun) { r.asked(r.op.JWKSPath, 1) }},
	{name: oidcc + "-discovery-openid-config", more: func(r *oidfRun) { r.asked(lyingop.Discovery, 1) }},
	{name: oidcc + "-form-post-error", lines: "response_mode form_post\nparam max_age 0\nparam prompt none", ends: atDeclined, reason: "provider_error"},
	{name: oidcc + "-idtoken-sig-none", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-idtoken-sig-rs256"},
	{name: oidcc + "-invalid-athash", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-invalid-aud", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-invalid-iss", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-invalid-sig-es256", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-invalid-sig-hs256", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-invalid-sig-rs256", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-kid-absent-multiple-jwks"},
	{name: oidcc + "-kid-absent-single-jwks"},
	{name: oidcc + "-missing-aud", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-missing-iat", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-missing-sub", ends: atToken, reason: "id_token_invalid"},
	{name: oidcc + "-nonce-invalid", ends: atToken, reason: "nonce_mismatch"},
	{name: oidcc + "-refresh-token", site: "access_token", more: func(r *oidfRun) { r.refreshed(1) }},
	{name: oidcc + "-refresh-token-invalid-issuer", site: "access_token", more: (*oidfRun).refreshRefused},
	{name: oidcc + "-refresh-token-invalid-sub", site: "access_token", more: (*oidfRun).refreshRefused},
	{name: oidcc + "-scope-userinfo-claims", more: (*oidfRun).person},
	{name: oidcc + "-signing-key-rotation", more: (*oidfRun).again},
	{name: oidcc + "-signing-key-rotation-just-before-signing", more: (*oidfRun).again},
	{name: oidcc + "-userinfo-bearer-header", more: (*oidfRun).bearerInHeader},
	{name: oidcc + "-userinfo-invalid-sub", ends: atUserinfo, reason: "userinfo_failed"},
	{name: oidcc + "-userinfo-signed", more: (*oidfRun).person},

	{name: oidcc + "-3rd-party-init-login", site: "initiate_login", more: (*oidfRun).login},
	backchannel("", http.StatusOK),
	backchannel("-alg-none", http.StatusBadRequest),
	backchannel("-no-event", http.StatusBadRequest),
	backchannel("-with-nonce", http.StatusBadRequest),
	backchannel("-wrong-alg", http.StatusBadRequest),
	backchannel("-wrong-aud", http.StatusBadRequest),
	backchannel("-wrong-event", http.StatusBadRequest),
	backchannel("-wrong-iss", http.StatusBadRequest),
	{name: oidcc + "-rp-frontchannel-opinitlogout", site: "logout {\nfrontchannel\n}", more: (*oidfRun).frontchannel},
	{name: oidcc + "-rp-frontchannel-rpinitlogout", site: "logout {\nfrontchannel\n}", more: func(r *oidfRun) {
		before := r.b.cookieHeader()
		r.signOut("/open")
		r.frontchannel() // which the provider's page does before it sends the browser back
		if body := r.s.browser().get("/api/auth/session", "Cookie", before).body; body != "{}" && body != "null" {
			r.Errorf("session %s", body)
		}
	}},
	{name: oidcc + "-rp-init-logout", site: "logout", more: func(r *oidfRun) { r.signOut("/open") }},
	{name: oidcc + "-rp-init-logout-no-state", site: "logout", more: func(r *oidfRun) { r.signOut("") }},
	{name: oidcc + "-rp-init-logout-other-state", site: "logout", more: func(r *oidfRun) { r.signOut("") }},

	{name: fapi2 + "test-happy-path", more: (*oidfRun).pushed},
	{name: fapi2 + "test-discovery-issuer-mismatch", ends: atStart, reason: "issuer_mismatch"},
	{name: fapi2 + "test-invalid-iss", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-aud", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-secondary-aud", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-null-alg", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-alternate-alg", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-expired-exp", ends: atToken, reason: "clock_skew"},
	{name: fapi2 + "test-invalid-missing-exp", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-missing-aud", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-invalid-missing-iss", ends: atToken, reason: "id_token_invalid"},
	{name: fapi2 + "test-valid-aud-as-array"},
	{name: fapi2 + "test-invalid-nonce", ends: atToken, reason: "nonce_mismatch"},
	{name: fapi2 + "test-invalid-missing-nonce", ends: atToken, reason: "nonce_mismatch"},
	{name: fapi2 + "test-invalid-authorization-response-iss", ends: atCallback, reason: "iss_mismatch"},
	{name: fapi2 + "test-remove-authorization-response-iss", ends: atCallback, reason: "iss_mismatch"},
	{name: fapi2 + "test-ensure-authorization-response-with-invalid-state-fails", ends: atCallback, reason: "state_mismatch"},
	{name: fapi2 + "test-ensure-authorization-response-with-invalid-missing-state-fails", ends: atCallback, reason: "state_missing"},
	{name: fapi2 + "test-token-endpoint-response-without-expires_in"},
	{name: fapi2 + "test-token-type-case-insensitivity"},
	{name: fapi2 + "refresh-token-test", site: "access_token", more: func(r *oidfRun) { r.refreshed(2) }},
}

// oidfDialect is what differs from one dialect to the other: the codes that a
// sign-in ends with.
type oidfDialect struct {
	name, line string
	codes      map[stage]string
}

var oidfDialects = []oidfDialect{
	{"v4", "", map[stage]string{atStart: "OAuthSignin", atDeclined: "Callback", atCallback: "OAuthCallback", atToken: "OAuthCallback", atUserinfo: "OAuthCallback"}},
	{"v5", "compat v5", map[stage]string{atStart: "Configuration", atDeclined: "OAuthCallbackError", atCallback: "Configuration", atToken: "Configuration", atUserinfo: "Configuration"}},
}

// TestConformanceModules runs the modules through a whole site.
func TestConformanceModules(t *testing.T) {
	for _, m := range oidfModules {
		t.Run(m.name, func(t *testing.T) {
			for _, d := range oidfDialects {
				t.Run(d.name, func(t *testing.T) { m.run(t, d) })
			}
		})
	}
}

// oidfRun is a module under way.
type oidfRun struct {
	*testing.T
	s  *server
	op *lyingop.OP
	up *upstream
	b  *browser
}

func (m oidfModule) run(t *testing.T, d oidfDialect) {
	r := &oidfRun{T: t, op: lyingop.New(t, m.name)}
	// What is behind the site uses the token that it gets, as a client of the
	// provider's resource.
	r.up = newUpstream(t, func(w http.ResponseWriter, req *http.Request) {
		if token := req.Header.Get(forwardedToken); token != "" {
			r.resource(w, token)
		}
	})
	lines := m.lines + "\nclient_secret {env.CADDYAUTH_TEST_CLIENT_SECRET}"
	switch {
	case strings.HasPrefix(m.name, fapi2):
		lines = m.lines + "\n" + fapiClient(t, r.op)
	case strings.Contains(m.name, "es256"), strings.Contains(m.name, "just-before"):
		lines += "\nid_token_alg ES256"
	}
	t.Setenv("CADDYAUTH_TEST_CLIENT_SECRET", lyingop.ClientSecret)
	r.s = start(t, `
http://localhost:{PORT} {
	log
	caddyauth {
		secret `+secret+`
		provider oidc `+r.op.URL+` as op {
			client_id `+lyingop.ClientID+`
			userinfo on
			`+lines+`
		}
		allow any
		headers
		`+d.line+`
		`+m.site+`
	}
	reverse_proxy `+r.up.addr()+`
}
`)
	r.b = r.browser()
	a := r.signIn()
	r.requests(m.ends)
	if m.ends == done {
		r.signedIn(a)
		if m.more != nil {
			m.more(r)
		}
	} else {
		r.refused(a, d.codes[m.ends], m.reason)
	}
	r.s.noTokensLogged()
	if cookies := r.b.cookieHeader(); strings.Contains(cookies, lyingop.Leak) {
		t.Errorf("a secret is in a cookie: %s", cookies)
	}
}

// fapiClient makes an OP one that takes pushed requests and client assertions only,
// and returns the lines of its client.
func fapiClient(t *testing.T, op *lyingop.OP) string {
	key := lyingop.NewEC("client")
	der, err := x509.MarshalPKCS8PrivateKey(key.Signer)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	op.Pushed(key)
	return "id_token_alg ES256\npushed_authorization required\nclient_auth private_key_jwt {file." + file + "}"
}

func (r *oidfRun) browser() *browser { return r.s.strict() }

// signIn sends the browser to the provider and back, and returns what the site
// answers then.
func (r *oidfRun) signIn() answer {
	r.Helper()
	a := r.b.do(http.MethodPost, "/api/auth/signin/op", url.Values{"csrfToken": {r.b.csrf()}, "callbackUrl": {"/private"}})
	to, err := a.Location()
	if err != nil {
		r.Fatalf("%s\n%s", a.Status, a.body)
	}
	if !strings.HasPrefix(to.String(), r.op.URL+"/") {
		return a
	}
	return r.b.submit(r.b.get(to.String()))
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)">`)
	formField  = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

// submit goes back from a provider: by its redirect, or by its form as a browser
// does, from another site.
func (b *browser) submit(a answer) answer {
	b.t.Helper()
	if back, err := a.Location(); err == nil {
		return b.get(back.String(), "Sec-Fetch-Site", "cross-site")
	}
	action := formAction.FindStringSubmatch(a.body)
	if action == nil {
		b.t.Fatalf("the provider says %s\n%s", a.Status, a.body)
	}
	form := url.Values{}
	for _, field := range formField.FindAllStringSubmatch(a.body, -1) {
		form.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	// Cookies that are SameSite=Lax stay behind, and the site asks for those.
	a = b.crossPost(html.UnescapeString(action[1]), form)
	on, err := a.Location()
	if err != nil || on.Query().Has("error") {
		return a
	}
	return b.get(on.String(), "Sec-Fetch-Site", "cross-site")
}

// requests checks how often the provider was asked what, which is how the suite
// finds out whether a client has noticed.
func (r *oidfRun) requests(ends stage) {
	r.Helper()
	for path, from := range map[string]stage{lyingop.Authorization: atDeclined, lyingop.Token: atToken, lyingop.Userinfo: atUserinfo} {
		want := 0
		if ends == done || ends >= from {
			want = 1
		}
		r.asked(path, want)
	}
}

func (r *oidfRun) asked(path string, want int) {
	r.Helper()
	if n := r.op.Count(path); n != want {
		r.Errorf("%d requests for %s, want %d", n, path, want)
	}
}

// signedIn fails unless the sign-in led to a session.
func (r *oidfRun) signedIn(a answer) {
	r.Helper()
	if got := a.Header.Get("Location"); got != r.s.Base+"/private" {
		r.Fatalf("%s to %q\n%s", a.Status, got, r.s.failures())
	}
	if body := r.b.get("/api/auth/session").body; !strings.Contains(body, `"user"`) {
		r.Errorf("session %s", body)
	}
}

// refused fails unless it led to the error page with the code, there is a line in
// the log with the reason, and no session.
func (r *oidfRun) refused(a answer, code, reason string) {
	r.Helper()
	to, err := a.Location()
	if err != nil || to.Host != "localhost:"+r.s.Port || to.Query().Get("error") != code {
		r.Errorf("%s to %v, want the code %s", a.Status, to, code)
	}
	for _, name := range []string{"code", "state", "error_description"} {
		if to != nil && to.Query().Has(name) {
			r.Errorf("%s is in %v", name, to)
		}
	}
	if body := r.b.get("/api/auth/session").body; body != "{}" && body != "null" {
		r.Errorf("session %s", body)
	}
	if a := r.b.get("/private"); a.StatusCode != http.StatusFound || len(r.up.take()) != 0 {
		r.Errorf("a private page: %s", a.Status)
	}
	lines := r.s.failures()
	if len(lines) != 1 || lines[0]["reason"] != reason || lines[0]["error_code"] != code {
		r.Errorf("log %v, want reason %s and code %s", lines, reason, code)
	}
	// Auth.js has the status 500 for what it calls Configuration.
	if page := r.b.follow(a); page.StatusCode > 500 || !strings.Contains(page.Header.Get("Content-Type"), "text/html") {
		r.Errorf("the page: %s", page.Status)
	}
}

// failures are the lines of the log about sign-ins that failed.
func (s *server) failures() []map[string]any {
	s.t.Helper()
	return slices.DeleteFunc(s.logged(), func(line map[string]any) bool { return line["msg"] != "sign-in failed" })
}

// person checks that the session has what userinfo says.
func (r *oidfRun) person() {
	r.Helper()
	body := r.b.get("/api/auth/session").body
	for _, want := range []string{lyingop.Name, lyingop.Email} {
		if !strings.Contains(body, want) {
			r.Errorf("session %s without %s", body, want)
		}
	}
	asked := r.op.Seen(lyingop.Authorization)[0].Query
	if asked.Has("request_uri") {
		asked = r.op.Seen(lyingop.PushedRequest)[0].Form
	}
	scope := strings.Fields(asked.Get("scope"))
	for _, want := range []string{"openid", "profile", "email"} {
		if !slices.Contains(scope, want) {
			r.Errorf("scope %q was not asked for", want)
		}
	}
}

// again signs in a second time, after the provider has changed its keys.
func (r *oidfRun) again() {
	r.Helper()
	r.b = r.browser()
	r.signedIn(r.signIn())
	r.asked(lyingop.Userinfo, 2)
	r.asked(lyingop.JWKS, 2)
}

// pushed checks that the browser had no part in what was asked for.
func (r *oidfRun) pushed() {
	r.Helper()
	r.person()
	r.asked(lyingop.PushedRequest, 1)
	if q := r.op.Seen(lyingop.Authorization)[0].Query; len(q) != 2 || !q.Has("client_id") || !q.Has("request_uri") {
		r.Errorf("the browser brought %v", q)
	}
}

func (r *oidfRun) bearerInHeader() {
	r.Helper()
	seen := r.op.Seen(lyingop.Userinfo)[0]
	if !strings.HasPrefix(seen.Header.Get("Authorization"), "Bearer "+lyingop.Leak) || len(seen.Query)+len(seen.Form) != 0 {
		r.Errorf("%+v", seen)
	}
}

// resource asks userinfo with an access token, as what it is good for.
func (r *oidfRun) resource(w http.ResponseWriter, token string) {
	req, err := http.NewRequest(http.MethodGet, r.op.URL+lyingop.Userinfo, nil)
	if err != nil {
		r.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Error(err)
		return
	}
	resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
}

// refreshed makes requests that each need a new access token, with the refresh
// token that came with the last one.
func (r *oidfRun) refreshed(times int) {
	r.Helper()
	r.op.Change(func() { r.op.Lifetime = time.Second })
	for i := range times {
		if i > 0 {
			time.Sleep(1200 * time.Millisecond) // until it has expired
		}
		if a := r.b.get("/private"); a.StatusCode != http.StatusOK {
			r.Fatalf("the resource says %s", a.Status)
		}
	}
	r.asked(lyingop.Userinfo, 1+times)
	if n := r.op.Grants("refresh_token"); n != times {
		r.Errorf("%d refreshes", n)
	}
	used := make(map[string]bool)
	for _, s := range r.op.Seen(lyingop.Token) {
		used[s.Form.Get("refresh_token")] = true
	}
	if len(used) != times+1 {
		r.Errorf("%d refresh tokens were used for %d refreshes", len(used)-1, times)
	}
}

// refreshRefused makes a request whose refresh brings a wrong ID token: the new
// access token is not used, and the session is over.
func (r *oidfRun) refreshRefused() {
	r.Helper()
	if a := r.b.get("/private"); a.StatusCode != http.StatusFound || !strings.Contains(a.Header.Get("Location"), "/api/auth/signin") {
		r.Errorf("%s to %q", a.Status, a.Header.Get("Location"))
	}
	if n := len(r.up.take()); n != 0 {
		r.Errorf("the upstream got %d requests", n)
	}
	r.asked(lyingop.Userinfo, 1)
	if n := r.op.Grants("refresh_token"); n != 1 {
		r.Errorf("%d refreshes", n)
	}
	if body := r.b.get("/api/auth/session").body; body != "{}" && body != "null" {
		r.Errorf("session %s", body)
	}
	if !strings.Contains(r.s.logText(), `"ended":"refresh_refused"`) {
		r.Error("the log does not say why")
	}
}

// signOut signs out here and at the provider, and checks where that ends.
func (r *oidfRun) signOut(ends string) {
	r.Helper()
	a := r.b.leave("/open")
	to, err := a.Location()
	if err != nil || !strings.HasPrefix(to.String(), r.op.URL+lyingop.EndSession+"?") {
		r.Fatalf("%s to %v", a.Status, to)
	}
	q := to.Query()
	if strings.Count(q.Get("id_token_hint"), ".") != 2 || q.Get("client_id") != lyingop.ClientID ||
		q.Get("post_logout_redirect_uri") != r.s.Base+"/api/auth/signed-out" || q.Get("state") == "" {
		r.Errorf("the provider is told %v", q)
	}
	back, err := r.b.get(to.String()).Location()
	if err != nil {
		r.Fatal(err)
	}
	if a := r.b.get(back.String()); a.Header.Get("Location") != r.s.Base+ends {
		r.Errorf("%s to %q", a.Status, a.Header.Get("Location"))
	}
	r.gone()
}

// gone fails if there still is a session.
func (r *oidfRun) gone() {
	r.Helper()
	if body := r.b.get("/api/auth/session").body; body != "{}" && body != "null" {
		r.Errorf("session %s", body)
	}
}

// backchannel posts the module's logout token, as the provider does.
func backchannel(name string, status int) oidfModule {
	name = oidcc + "-rp-backchannel-rpinitlogout" + name
	return oidfModule{name: name, site: "logout {\nbackchannel\n}", more: func(r *oidfRun) {
		a := r.s.backchannel(r.op.LogoutToken(name))
		if a.StatusCode != status || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
			r.Errorf("%s, %v", a.Status, a.Header)
		}
		if status == http.StatusOK {
			r.gone()
		} else if body := r.b.get("/api/auth/session").body; !strings.Contains(body, lyingop.Email) {
			r.Errorf("session %s", body)
		}
		r.signedOutElsewhere(status == http.StatusOK)
	}}
}

// signedOutElsewhere fails unless the log says that the provider has, or has not,
// signed somebody out.
func (r *oidfRun) signedOutElsewhere(want bool) {
	r.Helper()
	if n := len(r.s.linesOf("signed out by the provider")); (n == 1) != want {
		r.Errorf("%d lines about a logout at the provider", n)
	}
}

// frontchannel loads the address that a page of the provider's has in a frame,
// without our cookies.
func (r *oidfRun) frontchannel() {
	r.Helper()
	q := url.Values{"iss": {r.op.URL}, "sid": {lyingop.Session}}
	a := r.s.browser().get("/api/auth/frontchannel-logout/op?"+q.Encode(), "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site")
	if a.StatusCode != http.StatusOK || !strings.HasSuffix(a.Header.Get("Content-Security-Policy"), "frame-ancestors "+r.op.URL) || a.Header.Get("X-Frame-Options") != "" {
		r.Errorf("%s, %v", a.Status, a.Header)
	}
	r.gone()
	r.signedOutElsewhere(true)
}

// login comes from another site, which sends somebody here to sign in.
func (r *oidfRun) login() {
	r.Helper()
	r.b = r.browser()
	q := url.Values{"iss": {r.op.URL}, "target_link_uri": {r.s.Base + "/private"}}
	to, err := r.b.get("/api/auth/login/op?"+q.Encode(), "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "cross-site").Location()
	if err != nil || !strings.HasPrefix(to.String(), r.op.URL+lyingop.Authorization+"?") {
		r.Fatalf("to %v, %v", to, err)
	}
	r.signedIn(r.b.submit(r.b.get(to.String())))
	r.asked(lyingop.Userinfo, 2)
}

// TestConformanceModulesAreCovered holds the list of modules against the tests:
// each is run once, and by a provider that knows it.
func TestConformanceModulesAreCovered(t *testing.T) {
	list, err := os.Open("../testdata/oidf/modules.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	var listed, run []string
	for lines := bufio.NewScanner(list); lines.Scan(); {
		if scope, module, ok := strings.Cut(lines.Text(), " "); ok && scope != "#" {
			listed = append(listed, module)
		}
	}
	for _, m := range oidfModules {
		run = append(run, m.name)
	}
	slices.Sort(listed)
	if slices.Sort(run); !slices.Equal(run, listed) {
		t.Errorf("run are\n%q\nand listed\n%q", run, listed)
	}
	if known := lyingop.Behaviors(); !slices.Equal(known, listed) {
		t.Errorf("the provider knows\n%q\nand listed are\n%q", known, listed)
	}
	if len(listed) != 64 {
		t.Errorf("%d modules", len(listed))
	}
}
