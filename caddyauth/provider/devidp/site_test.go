package devidp

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const base = "/api/auth"

// site is a web site on loopback that serves a development provider, and a
// client of it that knows nothing of this package: x/oauth2 and go-oidc.
type site struct {
	t        *testing.T
	server   *httptest.Server
	idp      *server
	provider *embedded
	issuer   string
	clock    *clock
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

func newSite(t *testing.T, personas ...Persona) *site {
	t.Helper()
	s := &site{t: t, clock: &clock{time.Now()}}
	idp, err := newServer(s.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	idp.storage.keys = testKeys(t)
	if personas == nil {
		personas = defaultPersonas()
	}
	s.idp = idp
	s.provider = newProvider(idp, "dev", "Development", personas, provider.Options{})
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.provider.ServeIdP(w, r, "http://"+r.Host+base+"/"+s.provider.Mount())
	}))
	t.Cleanup(s.server.Close)
	s.issuer = s.server.URL + base + "/dev"
	return s
}

// testKeys shares the signing key of the tests: making one takes a while.
func testKeys(t *testing.T) *keyring {
	t.Helper()
	if err := sharedTestKeys.load(); err != nil {
		t.Fatal(err)
	}
	return sharedTestKeys
}

var sharedTestKeys = new(keyring)

func (s *site) redirectURI() string { return s.server.URL + base + "/callback/dev" }

// browser keeps redirects to itself.
func (s *site) browser() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// relyingParty discovers the provider the way any client does.
func (s *site) relyingParty() (*oidc.Provider, *oauth2.Config) {
	s.t.Helper()
	p, err := oidc.NewProvider(context.Background(), s.issuer)
	if err != nil {
		s.t.Fatal(err)
	}
	return p, &oauth2.Config{
		ClientID:     ClientID,
		ClientSecret: s.idp.storage.secret,
		Endpoint:     p.Endpoint(),
		RedirectURL:  s.redirectURI(),
		Scopes:       []string{"openid", "profile", "email"},
	}
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

func (a answer) location(t *testing.T) *url.URL {
	t.Helper()
	u, err := a.Location()
	if err != nil {
		t.Fatalf("status %d, no location: %s", a.StatusCode, a.body)
	}
	return u
}

func (s *site) do(req *http.Request) answer {
	s.t.Helper()
	resp, err := s.browser().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp, string(b)}
}

func (s *site) get(address string) answer {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(req)
}

func (s *site) post(address string, form url.Values, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.do(req)
}

// authorizeURL is a right authorization request; set changes parameters, and
// removes those whose value is empty.
func (s *site) authorizeURL(set url.Values) string {
	v := url.Values{
		"client_id": {ClientID}, "redirect_uri": {s.redirectURI()}, "response_type": {"code"},
		"scope": {"openid profile email"}, "state": {"the-state"}, "nonce": {"the-nonce"},
		"code_challenge":        {oauth2.S256ChallengeFromVerifier(testVerifier)},
		"code_challenge_method": {"S256"},
	}
	for name, values := range set {
		if v[name] = values; len(values) == 0 {
			v.Del(name)
		}
	}
	return s.issuer + authorizePath + "?" + v.Encode()
}

const testVerifier = "a-verifier-of-at-least-forty-three-characters-0"

var idPattern = regexp.MustCompile(`name="id" value="([^"]+)"`)

// open goes to the page of personas and returns it with the request's id.
func (s *site) open(authorize string) (page answer, id string) {
	s.t.Helper()
	first := s.get(authorize)
	if first.StatusCode != http.StatusFound {
		s.t.Fatalf("authorize: status %d: %s", first.StatusCode, first.body)
	}
	page = s.get(first.location(s.t).String())
	match := idPattern.FindStringSubmatch(page.body)
	if page.StatusCode != http.StatusOK || match == nil {
		s.t.Fatalf("page of personas: status %d: %s", page.StatusCode, page.body)
	}
	return page, match[1]
}

// choose presses a persona's button and returns where the browser is sent.
func (s *site) choose(id, sub string) *url.URL {
	s.t.Helper()
	a := s.post(s.issuer+loginPath, url.Values{"id": {id}, "sub": {sub}})
	if a.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("choosing %s: status %d: %s", sub, a.StatusCode, a.body)
	}
	return a.location(s.t)
}

// code goes through the whole front channel.
func (s *site) code(sub string) string {
	s.t.Helper()
	_, id := s.open(s.authorizeURL(nil))
	code := s.choose(id, sub).Query().Get("code")
	if code == "" {
		s.t.Fatal("no code")
	}
	return code
}
