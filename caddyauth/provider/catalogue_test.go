package provider

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

const (
	walkClient = "the-client"
	walkSecret = "the-secret-of-thirty-two-letters" // the least for HS256 (RFC 7518 3.2)
	walkToken  = "the-token"
	walkFolder = "testdata/catalogue"
)

// catalogueWalk is a sign-in at one service: what it answers, in the shape that
// its documentation gives, and what is to come of it.
type catalogueWalk struct {
	// Config is beside the preset and the client.
	Config Config `json:"config"`
	// Discovery is the document, nil if none may be asked for.
	Discovery map[string]any `json:"discovery"`
	// Callback are parameters of the callback beside code and state.
	Callback map[string]string `json:"callback"`
	// Tokens are members of the token response that are not the usual ones; null
	// leaves a usual one out.
	Tokens map[string]any `json:"tokens"`
	// Claims are those of the ID token, beside iss, aud, iat, exp and nonce.
	Claims map[string]any `json:"claims"`
	// Userinfo answers the userinfo request, and Others further ones by method
	// and address.
	Userinfo json.RawMessage            `json:"userinfo"`
	Others   map[string]json.RawMessage `json:"others"`

	Want walkResult `json:"want"`
}

type walkResult struct {
	// Authorization is where the browser goes, Params what it brings beside what
	// every flow has.
	Authorization string            `json:"authorization"`
	Params        map[string]string `json:"params"`
	Checks        []string          `json:"checks"`
	// Token is the token request: method, address, then how the client says who
	// it is (basic, post) and the form of the body if it is none.
	Token string `json:"token"`
	// Form is what the request has beside code, verifier and redirect_uri, if it
	// is anything else than id and secret.
	Form map[string]string `json:"form"`
	// Userinfo is the request: method and address; Headers are those beside the
	// bearer token.
	Userinfo string            `json:"userinfo"`
	Headers  map[string]string `json:"headers"`

	User     map[string]any `json:"user"`
	Login    string         `json:"login"`
	Verified bool           `json:"verified"`
	Domain   string         `json:"domain"`
	Public   bool           `json:"public"`
}

func TestCatalogue(t *testing.T) {
	files, err := filepath.Glob(walkFolder + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, name := range files {
		id := strings.TrimSuffix(filepath.Base(name), ".json")
		have = append(have, id)
		t.Run(id, func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields()
			w := new(catalogueWalk)
			if err := d.Decode(w); err != nil {
				t.Fatal(err)
			}
			w.run(t, id)
		})
	}
	want := slices.DeleteFunc(Presets(), func(id string) bool { return id == presetOIDC || id == presetOAuth2 })
	if slices.Sort(have); !slices.Equal(have, want) {
		t.Errorf("there are walks for\n%v\nand services\n%v", have, want)
	}
}

func (w *catalogueWalk) run(t *testing.T, id string) {
	cfg := w.Config
	cfg.Preset, cfg.ClientID = id, walkClient
	cfg.ClientSecret = walkSecret
	if id == "apple" {
		cfg.ClientSecret = appleTestPEM(t)
	}
	web := &standIn{t: t, w: w}
	p := mustNew(t, cfg, Options{HTTP: &http.Client{Transport: web}, Now: func() time.Time { return theTime }})
	web.p = p.(*oauthProvider)
	if got := p.Info().Public; got != w.Want.Public {
		t.Errorf("public is %v", got)
	}
	if i := p.Info(); i.ID != id || i.Logo != id || i.Name == "" || i.Name != presets[id].Name {
		t.Errorf("info %+v", i)
	}
	nonce := w.begin(t, p)
	params := url.Values{"code": {"the-code"}, "state": {"the state"}}
	for name, value := range w.Callback {
		params.Set(name, value)
	}
	web.nonce = nonce
	r := CallbackRequest{Params: params, RedirectURI: testRedirect, Nonce: nonce}
	if p.Checks().PKCE {
		r.CodeVerifier = strings.Repeat("v", 43)
	}
	got, err := p.Exchange(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	w.compare(t, got)
	if web.redeemed != 1 {
		t.Errorf("the code was redeemed %d times", web.redeemed)
	}
	if asked := w.Want.Userinfo != ""; asked != web.asked {
		t.Errorf("userinfo was asked: %v", web.asked)
	}
	for call := range w.Others {
		if !slices.Contains(web.others, call) {
			t.Errorf("%s was not asked", call)
		}
	}
}

// begin looks at where the browser is sent.
func (w *catalogueWalk) begin(t *testing.T, p OAuth) (nonce string) {
	t.Helper()
	checks := p.Checks()
	r := AuthorizationRequest{RedirectURI: testRedirect}
	var names []string
	if checks.PKCE {
		r.CodeChallenge, names = "the-challenge", append(names, checkPKCE)
	}
	if checks.State {
		r.State, names = "the state", append(names, checkState)
	}
	if checks.Nonce {
		r.Nonce, names = "the nonce", append(names, checkNonce)
	}
	if !slices.Equal(names, w.Want.Checks) {
		t.Errorf("checks %v", names)
	}
	raw, err := p.AuthorizationURL(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	endpoint, query, _ := strings.Cut(raw, "?")
	if endpoint != w.Want.Authorization {
		t.Errorf("the browser is sent to %s", endpoint)
	}
	query, fragment, _ := strings.Cut(query, "#")
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"client_id": walkClient, "redirect_uri": testRedirect, "response_type": "code"}
	for name, value := range map[string]string{"state": r.State, "nonce": r.Nonce, "code_challenge": r.CodeChallenge} {
		if value != "" {
			want[name] = value
		}
	}
	if r.CodeChallenge != "" {
		want["code_challenge_method"] = "S256"
	}
	if fragment != "" {
		want["#"] = fragment
		q.Set("#", fragment)
	}
	for name, value := range w.Want.Params {
		if want[name] = value; value == "" {
			delete(want, name)
		}
	}
	if got := first(q); !maps.Equal(got, want) {
		t.Errorf("parameters\ngot  %v\nwant %v", got, want)
	}
	return r.Nonce
}

func (w *catalogueWalk) compare(t *testing.T, got *Identity) {
	t.Helper()
	user := map[string]any{"id": got.User.ID}
	for name, text := range map[string]Text{"name": got.User.Name, "email": got.User.Email, "image": got.User.Image} {
		if !text.IsZero() {
			user[name] = text.Any()
		}
	}
	if !reflect.DeepEqual(user, w.Want.User) {
		t.Errorf("user\ngot  %v\nwant %v", user, w.Want.User)
	}
	if got.Login != w.Want.Login || got.Verified != w.Want.Verified || got.Domain != w.Want.Domain {
		t.Errorf("login %q, verified %v, domain %q", got.Login, got.Verified, got.Domain)
	}
	if got.Account.AccessToken != walkToken || !strings.EqualFold(got.Account.TokenType, "bearer") {
		t.Errorf("account %+v", got.Account)
	}
}

// standIn takes the place of a service's hosts.
type standIn struct {
	t     *testing.T
	w     *catalogueWalk
	p     *oauthProvider
	nonce string

	redeemed int
	asked    bool
	others   []string
}

func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	status, kind, body := 200, "application/json", ""
	if r.UserAgent() == "" {
		s.t.Error("no User-Agent")
	}
	address := *r.URL
	address.RawQuery = address.Query().Encode()
	plain := address
	plain.RawQuery = ""
	call := r.Method + " " + address.String()
	tokenMethod, tokenURL, _ := strings.Cut(s.w.Want.Token, " ")
	tokenURL, _, _ = strings.Cut(tokenURL, " ")
	want, err := url.Parse(tokenURL)
	if err != nil {
		return nil, err
	}
	m := s.w.Discovery
	switch {
	case m != nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		body = encode(m)
		if got := strings.TrimSuffix(plain.String(), "/.well-known/openid-configuration"); got != strings.TrimRight(s.p.cfg.Issuer, "/") {
			s.t.Errorf("discovery at %s", plain.String())
		}
	case r.Method == http.MethodGet && s.jwks() != "" && plain.String() == s.jwks():
		body = encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.RSA().Public()}})
	case r.Method == tokenMethod && r.URL.Host == want.Host && r.URL.Path == want.Path:
		s.redeemed++
		s.token(r)
		body = s.tokens()
	case call == s.w.Want.Userinfo:
		s.asked = true
		body = string(s.w.Userinfo)
		if sample := new(string); json.Unmarshal(s.w.Userinfo, sample) == nil && *sample == "signed" {
			kind, body = "application/jwt", s.idToken()
		}
		s.userinfo(r)
	default:
		other, ok := s.w.Others[call]
		if !ok {
			s.t.Errorf("a call that nobody asked for: %s", call)
			status = 404
		}
		s.others = append(s.others, call)
		body = string(other)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (s *standIn) jwks() string {
	if u, ok := s.w.Discovery["jwks_uri"].(string); ok {
		return u
	}
	return s.p.static.jwks
}

// token looks at the token request.
func (s *standIn) token(r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	words := strings.Fields(s.w.Want.Token)[2:]
	form := make(map[string]string)
	switch {
	case r.Method == http.MethodGet:
		form = first(r.URL.Query())
	case slices.Contains(words, "json"):
		if err := json.Unmarshal(body, &form); err != nil || r.Header.Get("Content-Type") != "application/json" {
			s.t.Errorf("the token request is %q", body)
		}
	default:
		q, err := url.ParseQuery(string(body))
		if err != nil {
			s.t.Fatal(err)
		}
		form = first(q)
		want, _ := url.Parse(strings.Fields(s.w.Want.Token)[1])
		if r.URL.RawQuery != want.RawQuery {
			s.t.Errorf("the token endpoint's query is %q", r.URL.RawQuery)
		}
	}
	want := map[string]string{"grant_type": "authorization_code", "code": "the-code", "redirect_uri": testRedirect}
	if s.p.checks.PKCE {
		want["code_verifier"] = strings.Repeat("v", 43)
	}
	id, secret, basic := r.BasicAuth()
	if slices.Contains(words, "basic") != basic || basic && (id != walkClient || secret != walkSecret) {
		s.t.Errorf("basic authentication: %v, as %q", basic, id)
	}
	if slices.Contains(words, "post") {
		want["client_id"], want["client_secret"] = walkClient, walkSecret
	}
	for name, value := range s.w.Want.Form {
		if want[name] = value; value == "" {
			delete(want, name)
		}
	}
	if strings.HasPrefix(want["client_secret"], "signed") {
		checkAppleSecret(s.t, form["client_secret"])
		form["client_secret"] = want["client_secret"]
	}
	if !maps.Equal(form, want) {
		s.t.Errorf("token request\ngot  %v\nwant %v", form, want)
	}
}

func (s *standIn) tokens() string {
	m := map[string]any{"access_token": walkToken, "token_type": "Bearer", "expires_in": 3600}
	if s.w.Claims != nil {
		m["id_token"] = s.idToken()
	}
	maps.Copy(m, s.w.Tokens)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return encode(m)
}

func (s *standIn) idToken() string {
	c := map[string]any{"iss": s.p.cfg.Issuer, "aud": walkClient, "iat": theTime.Unix(), "exp": theTime.Unix() + 300}
	if s.nonce != "" {
		c["nonce"] = s.nonce
	}
	maps.Copy(c, s.w.Claims)
	if slices.Contains(s.p.cfg.IDTokenAlg, hmacAlg) {
		raw, err := signJWT(jose.HS256, []byte(walkSecret), c)
		if err != nil {
			s.t.Fatal(err)
		}
		return raw
	}
	return lyingop.RSA().Sign(encode(c), nil)
}

// userinfo looks at the headers of a userinfo request.
func (s *standIn) userinfo(r *http.Request) {
	want := map[string]string{"Authorization": "Bearer " + walkToken, "Accept": "application/json"}
	if strings.Contains(r.URL.String(), walkToken) {
		delete(want, "Authorization")
	}
	maps.Copy(want, s.w.Want.Headers)
	got := make(map[string]string)
	for name := range r.Header {
		if name != "User-Agent" {
			got[name] = r.Header.Get(name)
		}
	}
	canonical := make(map[string]string)
	for name, value := range want {
		canonical[http.CanonicalHeaderKey(name)] = value
	}
	if !maps.Equal(got, canonical) {
		s.t.Errorf("headers of the userinfo request\ngot  %v\nwant %v", got, canonical)
	}
	if r.Body != nil && r.Body != http.NoBody {
		s.t.Error("the userinfo request has a body")
	}
}

// checkAppleSecret checks a secret as Apple does.
func checkAppleSecret(t *testing.T, secret string) {
	t.Helper()
	jws, err := jose.ParseSigned(secret, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(appleTestKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Iss, Sub, Aud string
		Iat, Exp      int64
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	if c.Iss != "TEAM123456" || c.Sub != walkClient || c.Aud != "https://appleid.apple.com" || jws.Signatures[0].Header.KeyID != "KEY1234567" ||
		c.Iat != theTime.Unix() || c.Exp <= c.Iat || c.Exp-c.Iat > 15777000 {
		t.Errorf("%s, key %q", payload, jws.Signatures[0].Header.KeyID)
	}
	if got := fmt.Sprint(jws.Signatures[0].Header.Algorithm); got != "ES256" {
		t.Error(got)
	}
}

// appleTestKey is a key as Apple lets one download.
var appleTestKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

func appleTestPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(appleTestKey())
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}
