package authapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/internal/limit"
	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// closedCodes are all codes that a callback of a provider can end with, by dialect.
var closedCodes = map[dialect.Dialect][]string{
	dialect.V4: {codeOAuthCallback, codeCallback},
	dialect.V5: {codeConfiguration, "OAuthCallbackError"},
}

// hosts is a transport that remembers where requests went.
type hosts struct {
	mu   sync.Mutex
	seen map[string]int
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.seen[r.URL.Host]++
	h.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// callbackWorld is a site with the provider "op" of package lyingop.
type callbackWorld struct {
	*world
	op   *lyingop.OP
	went *hosts
}

func newCallbackWorld(t testing.TB, change ...func(*Options)) *callbackWorld {
	c := &callbackWorld{op: lyingop.New(t), went: &hosts{seen: make(map[string]int)}}
	p := c.provider(t)
	c.world = newWorld(t, append(change, func(o *Options) {
		o.Providers = []provider.Provider{p}
		o.Limits.Client, o.Limits.ClientLog = limit.New(limit.Rate{}, 1, nil), limit.New(limit.Rate{}, 1, nil) // none
	})...)
	c.clock.t = time.Now()
	return c
}

// provider is the OP's client, which knows nothing yet.
func (c *callbackWorld) provider(t testing.TB) provider.OAuth {
	t.Helper()
	p, err := provider.New(provider.Config{
		Preset: "oidc", ID: "op", Issuer: c.op.URL, ClientID: c.op.ClientID, ClientSecret: c.op.ClientSecret,
		Userinfo: "on", Timeout: provider.Duration(2 * time.Second),
	}, provider.Options{HTTP: &http.Client{Transport: c.went}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// toCallback begins a flow and returns what the OP gives the browser to bring back.
// What the OP was asked before is forgotten.
func (c *callbackWorld) toCallback(b *browser) url.Values {
	b.t.Helper()
	c.op.Forget()
	start := b.post("/signin/op")
	w := httptest.NewRecorder()
	c.op.ServeHTTP(w, httptest.NewRequest("GET", start.location(), nil))
	back, err := url.Parse(w.Header().Get("Location"))
	if err != nil || !back.Query().Has("code") {
		b.t.Fatalf("not at the provider: %d %q\n%s", start.status, start.location(), w.Body)
	}
	return back.Query()
}

// sent are the codes that the OP was asked to redeem.
func (c *callbackWorld) sent() (codes []string) {
	for _, s := range c.op.Seen(lyingop.Token) {
		codes = append(codes, s.Form.Get("code"))
	}
	return codes
}

// ended fails unless a callback ended as all have to: with a session or with one of
// the codes, with a line in the log that has a reason, and without an address or
// a value of the provider's.
func (c *callbackWorld) ended(t *testing.T, b *browser, r reply, genuine url.Values) {
	t.Helper()
	d := c.api.opts.Dialect
	lines := append(c.logs.FilterMessage("sign-in failed").All(), c.logs.FilterMessage("sign-in refused").All()...)
	if r.status == http.StatusBadRequest || r.status == http.StatusRequestEntityTooLarge {
		if r.location() != "" || b.session() != nil {
			t.Errorf("%d to %q", r.status, r.location())
		}
		return // a body that cannot be read
	}
	to, err := url.Parse(r.location())
	if err != nil || r.status != http.StatusFound || to.Scheme+"://"+to.Host != testOrigin {
		t.Fatalf("%d to %q\n%.200s", r.status, r.location(), r.body)
	}
	for _, secret := range []string{genuine.Get("code"), genuine.Get("state")} {
		if strings.Contains(r.location(), secret) {
			t.Errorf("leads to %q", r.location())
		}
		if strings.Contains(c.logText(t), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	code := to.Query().Get("error")
	if b.session() != nil {
		if code != "" {
			t.Errorf("a session, and the code %q", code)
		}
		return
	}
	switch {
	case strings.HasSuffix(to.Path, "/signin") && code == "" && len(lines) == 1 && lines[0].ContextMap()["reason"] == "profile_invalid":
	case !slices.Contains(closedCodes[d], code):
		t.Errorf("the code %q", code)
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines in the log\n%s", len(lines), c.logText(t))
	}
	if reason, _ := lines[0].ContextMap()["reason"].(string); !slices.Contains(Reasons(), provider.Reason(reason)) {
		t.Errorf("the reason %q", reason)
	}
}

// FuzzCallback sends anything to the callback of a flow that is under way. In a
// query and a body, CODE, STATE and ISSUER stand for what is right.
func FuzzCallback(f *testing.F) {
	for _, s := range []struct {
		post                     bool
		query, contentType, body string
	}{
		{false, "code=CODE&state=STATE", "", ""},
		{false, "code=CODE&state=STATE&iss=ISSUER", "", ""},
		{false, "code=CODE&state=STATE&iss=ISSUER1", "", ""},
		{false, "code=CODE&code=CODE&state=STATE", "", ""},
		{false, "code=CODE1&state=STATE", "", ""},
		{false, "code=CODE&state=STATE1", "", ""},
		{false, "code=CODE&state=", "", ""},
		{false, "state=STATE", "", ""},
		{false, "code=CODE&state=STATE&error=access_denied", "", ""},
		{false, "error=%3Cscript%3E&error_description=%0d%0aSet-Cookie:x&state=STATE", "", ""},
		{false, "code=CODE&state=STATE&id_token=eyJ&access_token=x&response=eyJ", "", ""},
		{false, "code=CODE&state=STATE&callbackUrl=https://evil.example", "", ""},
		{true, "", "application/x-www-form-urlencoded", "code=CODE&state=STATE"},
		{true, "code=CODE", "application/x-www-form-urlencoded", "state=STATE"},
		{true, "code=CODE&state=STATE", "application/json", `{"code":["CODE"],"state":{}}`},
		{true, "", "application/json", `{"code":"CODE","state":"STATE"}`},
		{true, "", "text/plain", "code=CODE&state=STATE"},
		{false, "code=%00&state=STATE&%ff=%", "", ""},
	} {
		f.Add(s.post, s.query, s.contentType, s.body)
	}
	worlds := []*callbackWorld{newCallbackWorld(f), newCallbackWorld(f, func(o *Options) { o.Dialect = dialect.V5 })}
	f.Fuzz(func(t *testing.T, post bool, query, contentType, body string) {
		for _, c := range worlds {
			c.logs.TakeAll()
			b := c.browser(t)
			genuine := c.toCallback(b)
			right := strings.NewReplacer("CODE", genuine.Get("code"), "STATE", genuine.Get("state"), "ISSUER", c.op.URL)
			method, target, sent := "GET", "/callback/op?"+right.Replace(query), ""
			if post {
				method, sent = "POST", right.Replace(body)
			}
			r := b.do(method, target, sent, "Content-Type", contentType)
			c.ended(t, b, r, genuine)
			signedIn := b.session() != nil
			if codes := c.sent(); len(codes) > 1 || signedIn && (len(codes) != 1 || codes[0] != genuine.Get("code")) {
				t.Errorf("signed in: %v, redeemed: %q", signedIn, codes)
			}
			if !signedIn && query == "code=CODE&state=STATE" && !post {
				t.Errorf("not signed in\n%s", c.logText(t))
			}
			if signedIn && !strings.Contains(query+body, "STATE") {
				t.Errorf("signed in without the state")
			}
			// The same again, and from elsewhere: nothing is sent any more.
			after := len(c.sent())
			b.do(method, target, sent, "Content-Type", contentType)
			if codes := c.sent()[after:]; len(codes) != 0 {
				t.Errorf("redeemed again: %q", codes)
			}
			stranger := c.browser(t)
			stranger.do(method, target, sent, "Content-Type", contentType)
			if codes := c.sent()[after:]; len(codes) != 0 || stranger.session() != nil {
				t.Errorf("redeemed in another browser: %q, session %v", codes, stranger.session())
			}
			c.onlyTheOP(t)
		}
	})
}

// onlyTheOP fails if a request went anywhere else.
func (c *callbackWorld) onlyTheOP(t *testing.T) {
	t.Helper()
	c.went.mu.Lock()
	defer c.went.mu.Unlock()
	for host := range c.went.seen {
		if "http://"+host != c.op.URL {
			t.Errorf("a request went to %s", host)
		}
	}
	clear(c.went.seen)
}

// FuzzProviderAnswer has the provider answer anything at one of its endpoints.
func FuzzProviderAnswer(f *testing.F) {
	endpoints := []string{lyingop.Token, lyingop.Userinfo, lyingop.JWKS}
	for i := range endpoints {
		for _, body := range []string{
			"", "{}", "null", "[]", "{", `{"error":"invalid_grant"}`, `{"sub":"subject"}`, `{"SUB":"subject"}`, `{"keys":[{}]}`,
			`{"access_token":"a","token_type":"bearer","id_token":"eyJhbGciOiJub25lIn0.e30."}`, "\x00\xff", `{"access_token":1e999}`,
			`{"sub":"subject","email":["a"],"name":{},"picture":1}`, "access_token=a&token_type=bearer",
		} {
			f.Add(uint8(i), uint16(200), "application/json", body)
			f.Add(uint8(i), uint16(200), "application/x-www-form-urlencoded", body)
		}
		f.Add(uint8(i), uint16(302), "text/html", "http://evil.example/")
		f.Add(uint8(i), uint16(307), "text/html", "http://evil.example/")
		f.Add(uint8(i), uint16(500), "text/html", "<script>")
		f.Add(uint8(i), uint16(401), "application/jwt", "a.b.c")
	}
	c := newCallbackWorld(f)
	f.Fuzz(func(t *testing.T, endpoint uint8, status uint16, contentType, body string) {
		c.logs.TakeAll()
		path := endpoints[int(endpoint)%len(endpoints)]
		c.api.providers["op"] = c.provider(t)
		b := c.browser(t)
		genuine := c.toCallback(b)
		c.op.Replace(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			if status = 200 + status%400; status/100 == 3 {
				w.Header().Set("Location", "http://evil.example/"+url.PathEscape(body))
			}
			w.WriteHeader(int(status))
			_, _ = io.WriteString(w, body)
		})
		defer c.op.Replace(path, nil)
		r := b.get("/callback/op?" + genuine.Encode())
		c.ended(t, b, r, genuine)
		if s := b.session(); s != nil && (path != lyingop.Userinfo || s.AccountID() != lyingop.Subject) {
			t.Errorf("%s made a session of %q", path, s.AccountID())
		}
		if codes := c.sent(); len(codes) != 1 {
			t.Errorf("redeemed %q", codes)
		}
		b.get("/callback/op?" + genuine.Encode())
		if codes := c.sent(); len(codes) != 1 {
			t.Errorf("redeemed again: %q", codes)
		}
		c.onlyTheOP(t)
	})
}

// endless is a body without an end, which counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	e.read += len(p)
	return len(p), nil
}

// TestEndlessCallback sends a body without an end to the callback, and has the
// provider answer without one.
func TestEndlessCallback(t *testing.T) {
	for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
		for _, contentType := range []string{"application/x-www-form-urlencoded", "application/json", "text/plain"} {
			c := newCallbackWorld(t, func(o *Options) { o.Dialect = d })
			body := new(endless)
			r := httptest.NewRequest("POST", "http://x/", body)
			r.Header.Set("Content-Type", contentType)
			site := c.site
			site.Path = testBase + "/callback/op"
			c.send(t, r, site)
			if body.read > maxBody+64<<10 {
				t.Errorf("%v %s: %d bytes were read", d, contentType, body.read)
			}
			if n := len(c.sent()); n != 0 {
				t.Errorf("%d codes were redeemed", n)
			}
		}
	}
	for _, path := range []string{lyingop.Token, lyingop.JWKS, lyingop.Userinfo} {
		t.Run(path, func(t *testing.T) {
			c := newCallbackWorld(t)
			b := c.browser(t)
			genuine := c.toCallback(b)
			var sent int64
			stopped := make(chan struct{})
			c.op.Replace(path, func(w http.ResponseWriter, r *http.Request) {
				defer close(stopped)
				w.Header().Set("Content-Type", "application/json")
				sent, _ = io.Copy(w, io.LimitReader(new(endless), 1<<30))
			})
			began := time.Now()
			r := b.get("/callback/op?" + genuine.Encode())
			c.ended(t, b, r, genuine)
			<-stopped
			if sent > 16<<20 || time.Since(began) > 10*time.Second {
				t.Errorf("%d bytes were taken in %v", sent, time.Since(began))
			}
			if b.session() != nil {
				t.Error("signed in")
			}
		})
	}
}
