package authapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/limit"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

const (
	testSecret = "oracle-secret-0123456789abcdef0123456789"
	testOrigin = "https://app.example.com"
	testBase   = "/api/auth"
	idpURL     = "https://idp.example.net/authorize"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// scripted is an OAuth provider that answers as told and remembers what it was
// asked.
type scripted struct {
	info     provider.Info
	checks   provider.Checks
	startErr error
	exchange func(provider.CallbackRequest) (*provider.Identity, error)

	mu        sync.Mutex
	started   []provider.AuthorizationRequest
	exchanged []provider.CallbackRequest
}

func (s *scripted) Info() provider.Info     { return s.info }
func (s *scripted) Checks() provider.Checks { return s.checks }

func (s *scripted) AuthorizationURL(_ context.Context, r provider.AuthorizationRequest) (string, error) {
	s.mu.Lock()
	s.started = append(s.started, r)
	s.mu.Unlock()
	if s.startErr != nil {
		return "", s.startErr
	}
	v := url.Values{"client_id": {"client"}, "redirect_uri": {r.RedirectURI}}
	for name, value := range map[string]string{"state": r.State, "nonce": r.Nonce, "code_challenge": r.CodeChallenge} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, values := range r.Extra {
		v[name] = values
	}
	return idpURL + "?" + v.Encode(), nil
}

func (s *scripted) CheckIssuer(_ context.Context, r provider.CallbackRequest) error {
	if iss := r.Params.Get("iss"); iss != "" && iss != "https://op.example.com" {
		return &provider.Error{Reason: provider.ReasonIss}
	}
	return nil
}

func (s *scripted) Exchange(_ context.Context, r provider.CallbackRequest) (*provider.Identity, error) {
	s.mu.Lock()
	s.exchanged = append(s.exchanged, r)
	s.mu.Unlock()
	if s.exchange != nil {
		return s.exchange(r)
	}
	if r.Params.Get("code") == "" {
		return nil, &provider.Error{Reason: provider.ReasonCode, Err: errors.New("no code")}
	}
	return alice(), nil
}

func alice() *provider.Identity {
	return &provider.Identity{
		User: provider.User{
			ID: "alice-id", Name: provider.String("Alice"),
			Email: provider.String("alice@example.com"), Image: provider.Null(),
		},
		Account:  provider.Account{Type: provider.TypeOAuth, ProviderAccountID: "alice-id", AccessToken: "access-token-of-alice"},
		Profile:  map[string]any{"sub": "alice-id", "groups": []any{"staff"}, "roles": []any{"reader"}},
		Login:    "alice",
		Verified: true,
		Domain:   "example.com",
	}
}

// passwords is a credentials provider.
type passwords struct {
	info  provider.Info
	users map[string]string
	asked int
	err   error
	// person changes what is known of whoever signs in, as editing a file does.
	person func(*provider.Identity)
}

func (p *passwords) Info() provider.Info { return p.info }

func (p *passwords) Fields() []provider.Field {
	return []provider.Field{{Name: "username", Type: "text"}, {Name: "password", Type: "password"}}
}

func (p *passwords) Authorize(_ context.Context, f url.Values) (*provider.Identity, error) {
	p.asked++
	if p.err != nil {
		return nil, p.err
	}
	want, ok := p.users[f.Get("username")]
	if !ok || want != f.Get("password") {
		return nil, provider.ErrCredentials
	}
	id := &provider.Identity{
		User:    provider.User{ID: f.Get("username"), Name: provider.String("Bob")},
		Account: provider.Account{Type: provider.TypeCredentials, ProviderAccountID: f.Get("username")},
		Login:   f.Get("username"),
		Groups:  []string{"paper"},
	}
	if p.person != nil {
		p.person(id)
	}
	return id, nil
}

// world is a site with its providers, and what it logged.
type world struct {
	*testing.T
	api   *API
	clock *clock
	op    *scripted // with state, PKCE and nonce
	gh    *scripted // with state and PKCE
	pw    *passwords
	logs  *observer.ObservedLogs
	site  Site
	sess  *session.Manager

	// What a library has besides.
	shelf   *shelf
	postman *postman
}

// pages are the pages of all worlds, as reading the templates takes longer than most
// tests. Nothing may go wrong with them.
var pages = sync.OnceValues(func() (*page.Renderer, error) {
	core, _ := observer.New(zapcore.DebugLevel)
	return page.New(page.Options{Log: zap.New(core, zap.Hooks(func(e zapcore.Entry) error { panic("pages: " + e.Message) }))})
})

// newWorld makes the site; change edits its options first.
func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{
		clock: &clock{t: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)},
		op:    &scripted{info: provider.Info{ID: "op", Name: "The <OP> & Co", Type: "oauth"}, checks: provider.Checks{State: true, PKCE: true, Nonce: true}},
		gh:    &scripted{info: provider.Info{ID: "github", Name: "GitHub", Type: "oauth"}, checks: provider.Checks{State: true, PKCE: true}},
		pw:    &passwords{info: provider.Info{ID: "credentials", Name: "Credentials", Type: "credentials"}, users: map[string]string{"bob": "hunter2-hunter2"}},
		site:  Site{Origin: testOrigin, BasePath: testBase, ClientIP: netip.MustParseAddr("192.0.2.7")},
	}
	w.T, _ = t.(*testing.T)
	core, logs := observer.New(zapcore.DebugLevel)
	w.logs = logs
	opts := Options{
		Providers: []provider.Provider{w.op, w.gh, w.pw},
		Secrets:   []string{testSecret},
		Now:       w.clock.now,
		Log:       zap.New(core),
	}
	opts.Limits = smallLimits(w.clock.now)
	var err error
	if opts.Page, err = pages(); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&opts)
	}
	if opts.Sessions == nil {
		opts.Sessions, err = session.New(sessionOptions(t, opts.Now, opts.Dialect, opts.Secrets))
		if err != nil {
			t.Fatal(err)
		}
	}
	w.sess = opts.Sessions
	w.api, err = New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// inV5 is a change for newWorld.
func inV5(o *Options) {
	o.Dialect = dialect.V5
	for _, p := range o.Providers {
		if op, ok := p.(*scripted); ok && op.checks.Nonce {
			op.info.Type = provider.TypeOIDC
		}
	}
}

// sessionOptions has the keys of a dialect: in v5 the cookie's name is their
// salt.
func sessionOptions(t testing.TB, now func() time.Time, d dialect.Dialect, secrets []string) session.Options {
	t.Helper()
	o := session.Options{Now: now}
	for secure, ring := range map[bool]**jwt.Ring{false: &o.Ring, true: &o.SecureRing} {
		salt := ""
		if d == dialect.V5 {
			salt = cookie.NewNames(d, "", secure).Session
		}
		var err error
		if *ring, err = jwt.NewRing(d, secrets, salt); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// name is the full name of a cookie at the test's origin.
func (w *world) name(name string) string {
	prefix := "__Secure-"
	if name == "csrf-token" || name == "handoff" {
		prefix = "__Host-"
	}
	return prefix + w.api.opts.Dialect.CookiePrefix() + "." + name
}

// names are the full names of cookies.
func (w *world) cookieNames(short ...string) []string {
	full := []string{}
	for _, name := range short {
		full = append(full, w.name(name))
	}
	return full
}

// smallLimits are the default limits, in less memory.
func smallLimits(now func() time.Time) Limits {
	of := func(n int, per time.Duration) *limit.Limiter {
		return limit.New(limit.Rate{N: n, Per: per}, 4096, now)
	}
	return Limits{
		SignIn: of(10, time.Minute), Account: of(100, time.Minute), Client: of(60, time.Minute), ClientLog: of(10, time.Minute),
		Mail: of(5, 15*time.Minute), MailAccount: of(20, 15*time.Minute), MailClient: of(20, 15*time.Minute),
	}
}

// reply is a response, taken apart.
type reply struct {
	t       testing.TB
	status  int
	header  http.Header
	body    string
	cookies []setCookie
}

type setCookie struct{ name, value, attributes string }

func (r reply) location() string { return r.header.Get("Location") }

// param is a query parameter of the location.
func (r reply) param(name string) string {
	u, err := url.Parse(r.location())
	if err != nil {
		r.t.Fatal(err)
	}
	return u.Query().Get(name)
}

// names are the names of the cookies set, in order.
func (r reply) names() []string {
	names := []string{}
	for _, c := range r.cookies {
		names = append(names, c.name)
	}
	return names
}

func (r reply) cookie(name string) (setCookie, bool) {
	i := slices.IndexFunc(r.cookies, func(c setCookie) bool { return c.name == name })
	if i < 0 {
		return setCookie{}, false
	}
	return r.cookies[i], true
}

// send serves a request that the test has made up.
func (w *world) send(t testing.TB, r *http.Request, site Site) reply {
	t.Helper()
	rec := httptest.NewRecorder()
	w.api.Serve(rec, r, site)
	out := reply{t: t, status: rec.Code, header: rec.Header(), body: rec.Body.String()}
	for _, line := range rec.Header().Values("Set-Cookie") {
		pair, attributes, _ := strings.Cut(line, "; ")
		name, value, _ := strings.Cut(pair, "=")
		out.cookies = append(out.cookies, setCookie{name, value, attributes})
	}
	if got := rec.Header().Get("Cache-Control"); got != "private, no-cache, no-store" {
		t.Errorf("CACHE-01 %s %s: Cache-Control %q", r.Method, site.Path, got)
	}
	return out
}

// browser keeps cookies, and nothing else that browsers do.
type browser struct {
	*world
	t   testing.TB
	jar []setCookie
}

func (w *world) browser(t testing.TB) *browser { return &browser{world: w, t: t} }

// do sends a request below the base path with the browser's cookies.
func (b *browser) do(method, target, body string, header ...string) reply {
	b.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	site := b.site
	site.Path, site.Query = site.BasePath+path, query
	// What Serve must not look at is wrong on purpose.
	r := httptest.NewRequest(method, "http://wrong.example/rewritten?error=wrong&callbackUrl=%2Fwrong", strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if len(b.jar) > 0 {
		var pairs []string
		for _, c := range b.jar {
			pairs = append(pairs, c.name+"="+c.value)
		}
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	out := b.send(b.t, r, site)
	for _, c := range out.cookies {
		b.keep(c)
	}
	return out
}

func (b *browser) keep(c setCookie) {
	b.jar = slices.DeleteFunc(b.jar, func(old setCookie) bool { return old.name == c.name })
	if !strings.Contains(c.attributes, "Max-Age=0;") {
		b.jar = append(b.jar, c)
	}
}

func (b *browser) drop(name string) {
	b.jar = slices.DeleteFunc(b.jar, func(old setCookie) bool { return old.name == name })
}

func (b *browser) has(name string) bool {
	return slices.ContainsFunc(b.jar, func(c setCookie) bool { return c.name == name })
}

func (b *browser) get(target string, header ...string) reply {
	b.t.Helper()
	return b.do("GET", target, "", header...)
}

// csrf fetches the token.
func (b *browser) csrf() string {
	b.t.Helper()
	body := b.get("/csrf").body
	token := strings.TrimSuffix(strings.TrimPrefix(body, `{"csrfToken":"`), `"}`)
	if len(token) != 64 {
		b.t.Fatalf("no CSRF token in %q", body)
	}
	return token
}

// post sends a form with the CSRF token and more fields, name and value in
// turns.
func (b *browser) post(target string, more ...string) reply {
	b.t.Helper()
	v := url.Values{"csrfToken": {b.csrf()}}
	for i := 0; i+1 < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return b.do("POST", target, v.Encode())
}

// start begins a flow and returns its state.
func (b *browser) start(id string, more ...string) string {
	b.t.Helper()
	r := b.post("/signin/"+id, more...)
	if r.status != 302 || !strings.HasPrefix(r.location(), idpURL) {
		b.t.Fatalf("flow not started: %d %s", r.status, r.location())
	}
	return r.param("state")
}

// signIn goes the whole way.
func (b *browser) signIn(id string) reply {
	b.t.Helper()
	state := b.start(id)
	r := b.get("/callback/" + id + "?code=the-code&state=" + state)
	if r.status != 302 || strings.Contains(r.location(), "error") {
		b.t.Fatalf("not signed in: %d %s", r.status, r.location())
	}
	return r
}

// session returns the browser's session, nil if it has none.
func (b *browser) session() *session.Session {
	h := http.Header{}
	for _, c := range b.jar {
		h.Add("Cookie", c.name+"="+c.value)
	}
	s, err := b.sess.Read(context.Background(), h, b.api.Names(b.site.Origin))
	if err != nil {
		return nil
	}
	return s
}

// seal makes a check cookie the way NextAuth does.
func (w *world) seal(t testing.TB, name, value, providerID string, age time.Duration) setCookie {
	t.Helper()
	ring, err := jwt.NewRing(w.api.opts.Dialect, []string{testSecret}, name)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.SealClaims(ring, map[string]any{"value": value, "provider": providerID}, w.clock.now(), age)
	if err != nil {
		t.Fatal(err)
	}
	return setCookie{name: name, value: token}
}

func secure(name string) string {
	if name == "csrf-token" {
		return "__Host-next-auth." + name
	}
	return "__Secure-next-auth." + name
}

func wantError(t testing.TB, r reply, code string) {
	t.Helper()
	if want := testOrigin + testBase + "/error?error=" + code; r.status != 302 || r.location() != want {
		t.Errorf("got %d %q, want a redirect to %q", r.status, r.location(), want)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func ring(t testing.TB) *jwt.Ring {
	t.Helper()
	r, err := jwt.NewRing(dialect.V4, []string{testSecret}, "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}
