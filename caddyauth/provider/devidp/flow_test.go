package devidp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

type claims struct {
	Sub               string   `json:"sub"`
	PreferredUsername string   `json:"preferred_username"`
	Name              string   `json:"name"`
	Email             string   `json:"email"`
	EmailVerified     *bool    `json:"email_verified"`
	Groups            []string `json:"groups"`
	Roles             []string `json:"roles"`
}

func TestCodeFlow(t *testing.T) {
	for _, p := range defaultPersonas() {
		t.Run(p.Sub, func(t *testing.T) {
			s := newSite(t)
			rp, conf := s.relyingParty()
			verifier := oauth2.GenerateVerifier()
			_, id := s.open(conf.AuthCodeURL("st", oidc.Nonce("no"), oauth2.S256ChallengeOption(verifier)))
			back := s.choose(id, p.Sub)

			if got := back.Scheme + "://" + back.Host + back.Path; got != s.redirectURI() {
				t.Errorf("sent to %s", got)
			}
			q := back.Query()
			if q.Get("state") != "st" || q.Get("iss") != s.issuer {
				t.Errorf("state %q, iss %q", q.Get("state"), q.Get("iss"))
			}

			tok, err := conf.Exchange(context.Background(), q.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := tok.Extra("id_token").(string)
			idToken, err := rp.Verifier(&oidc.Config{ClientID: ClientID}).Verify(context.Background(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if idToken.Nonce != "no" {
				t.Errorf("nonce %q", idToken.Nonce)
			}
			if err := idToken.VerifyAccessToken(tok.AccessToken); err != nil {
				t.Error(err)
			}
			info, err := rp.UserInfo(context.Background(), conf.TokenSource(context.Background(), tok))
			if err != nil {
				t.Fatal(err)
			}
			var fromToken, fromInfo claims
			if err := idToken.Claims(&fromToken); err != nil {
				t.Fatal(err)
			}
			if err := info.Claims(&fromInfo); err != nil {
				t.Fatal(err)
			}
			for from, got := range map[string]claims{"ID token": fromToken, "userinfo": fromInfo} {
				checkClaims(t, from, got, p)
			}
		})
	}
}

func checkClaims(t *testing.T, from string, got claims, p Persona) {
	t.Helper()
	if got.Sub != p.Sub || got.PreferredUsername != p.Sub || got.Name != p.Name || got.Email != p.Email {
		t.Errorf("%s: %+v", from, got)
	}
	if !slices.Equal(got.Groups, p.Groups) || !slices.Equal(got.Roles, p.Roles) {
		t.Errorf("%s: groups %q, roles %q", from, got.Groups, got.Roles)
	}
	// The library leaves a false email_verified out, which means the same.
	if verified := got.EmailVerified != nil && *got.EmailVerified; verified == p.EmailUnverified {
		t.Errorf("%s: email_verified %v", from, verified)
	}
}

func TestScopesLimitClaims(t *testing.T) {
	s := newSite(t)
	_, id := s.open(s.authorizeURL(url.Values{"scope": {"openid"}}))
	code := s.choose(id, "admin").Query().Get("code")
	_, conf := s.relyingParty()
	tok, err := conf.Exchange(context.Background(), code, oauth2.VerifierOption(testVerifier))
	if err != nil {
		t.Fatal(err)
	}
	rp, _ := s.relyingParty()
	info, err := rp.UserInfo(context.Background(), oauth2.StaticTokenSource(tok))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := info.Claims(&all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all["sub"] != "admin" {
		t.Errorf("claims %v for scope openid", all)
	}
}

func TestDiscoveryNamesOnlyWhatIsServed(t *testing.T) {
	s := newSite(t)
	a := s.get(s.issuer + "/.well-known/openid-configuration")
	var doc map[string]any
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		t.Fatal(err)
	}
	if doc["issuer"] != s.issuer || doc["authorization_response_iss_parameter_supported"] != true {
		t.Errorf("issuer %v, iss parameter %v", doc["issuer"], doc["authorization_response_iss_parameter_supported"])
	}
	for name, want := range map[string]string{
		"response_types_supported":              `["code"]`,
		"response_modes_supported":              `["query"]`,
		"grant_types_supported":                 `["authorization_code"]`,
		"code_challenge_methods_supported":      `["S256"]`,
		"token_endpoint_auth_methods_supported": `["client_secret_basic"]`,
		"id_token_signing_alg_values_supported": `["RS256"]`,
		"scopes_supported":                      `["openid","profile","email"]`,
	} {
		if got, _ := json.Marshal(doc[name]); string(got) != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, value := range doc {
		address, ok := value.(string)
		if !ok || name == "issuer" {
			continue
		}
		path, below := strings.CutPrefix(address, s.issuer)
		if _, served := s.idp.routes[path]; !below || !served {
			t.Errorf("%s: %s is not served", name, address)
		}
	}
}

// The request itself is wrong about client or redirect URI: no redirect.
func TestAuthorizeRefusedInPlace(t *testing.T) {
	s := newSite(t)
	cb := s.redirectURI()
	for name, set := range map[string]url.Values{
		"no client":            {"client_id": nil},
		"other client":         {"client_id": {"somebody"}},
		"no redirect_uri":      {"redirect_uri": nil},
		"foreign redirect_uri": {"redirect_uri": {"https://evil.example/api/auth/callback/dev"}},
		"other provider":       {"redirect_uri": {s.server.URL + base + "/callback/github"}},
		"longer path":          {"redirect_uri": {cb + "/x"}},
		"slash at the end":     {"redirect_uri": {cb + "/"}},
		"query":                {"redirect_uri": {cb + "?x=1"}},
		"fragment":             {"redirect_uri": {cb + "#x"}},
		"userinfo":             {"redirect_uri": {strings.Replace(cb, "://", "://u@", 1)}},
		"other case":           {"redirect_uri": {strings.Replace(cb, "callback", "Callback", 1)}},
		"encoded once more":    {"redirect_uri": {url.QueryEscape(cb)}},
		"dot segments":         {"redirect_uri": {strings.Replace(cb, "/callback", "/x/../callback", 1)}},
		"other loopback name":  {"redirect_uri": {strings.Replace(cb, "127.0.0.1", "localhost", 1)}},
		"other port":           {"redirect_uri": {"http://127.0.0.1:1" + base + "/callback/dev"}},
		"repeated":             {"redirect_uri": {cb, cb}},
		"repeated state":       {"state": {"a", "b"}},
		"unreadable max_age":   {"max_age": {"soon"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.get(s.authorizeURL(set))
			if a.StatusCode != http.StatusBadRequest || a.Header.Get("Location") != "" {
				t.Errorf("status %d, location %q", a.StatusCode, a.Header.Get("Location"))
			}
		})
	}
}

// Client and redirect URI are right: the client hears what is wrong.
func TestAuthorizeRefusedAtTheClient(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		set  url.Values
		want string
	}{
		"PKCE missing":       {url.Values{"code_challenge": nil, "code_challenge_method": nil}, "invalid_request"},
		"PKCE-03 plain":      {url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		"PKCE-03 no method":  {url.Values{"code_challenge_method": nil}, "invalid_request"},
		"PKCE too short":     {url.Values{"code_challenge": {"short"}}, "invalid_request"},
		"PKCE no base64url":  {url.Values{"code_challenge": {strings.Repeat("+", 43)}}, "invalid_request"},
		"implicit":           {url.Values{"response_type": {"id_token token"}}, "unauthorized_client"},
		"no response_type":   {url.Values{"response_type": nil}, "invalid_request"},
		"no scope":           {url.Values{"scope": nil}, "invalid_request"},
		"not OpenID Connect": {url.Values{"scope": {"profile"}}, "invalid_scope"},
		"fragment":           {url.Values{"response_mode": {"fragment"}}, "invalid_request"},
		"form_post":          {url.Values{"response_mode": {"form_post"}}, "invalid_request"},
		"prompt none":        {url.Values{"prompt": {"none"}}, "login_required"},
		"request object":     {url.Values{"request": {"e30.e30."}}, "request_not_supported"},
		"request_uri":        {url.Values{"request_uri": {"http://127.0.0.1:1/"}}, "request_not_supported"},
		"id_token_hint":      {url.Values{"id_token_hint": {"e30.e30.e30"}}, "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.get(s.authorizeURL(c.set))
			u := a.location(t)
			q := u.Query()
			if !strings.HasPrefix(u.String(), s.redirectURI()+"?") || q.Get("error") != c.want ||
				q.Get("state") != "the-state" || q.Get("iss") != s.issuer || q.Has("code") {
				t.Errorf("sent to %s", u)
			}
		})
	}
	if n := len(s.idp.storage.requests.items); n != 0 {
		t.Errorf("%d requests are waiting", n)
	}
}

func TestToken(t *testing.T) {
	s := newSite(t)
	good := func(code string) url.Values {
		return url.Values{
			"grant_type": {"authorization_code"}, "code": {code},
			"redirect_uri": {s.redirectURI()}, "code_verifier": {testVerifier},
		}
	}
	for name, c := range map[string]struct {
		change func(form url.Values)
		secret string
		status int
		want   string
	}{
		"right":              {func(url.Values) {}, s.idp.storage.secret, 200, ""},
		"wrong secret":       {func(url.Values) {}, "wrong", 401, "invalid_client"},
		"no secret":          {func(url.Values) {}, "", 401, "invalid_client"},
		"no verifier":        {func(f url.Values) { f.Del("code_verifier") }, s.idp.storage.secret, 400, "invalid_request"},
		"wrong verifier":     {func(f url.Values) { f.Set("code_verifier", strings.Repeat("x", 43)) }, s.idp.storage.secret, 400, "invalid_grant"},
		"no redirect_uri":    {func(f url.Values) { f.Del("redirect_uri") }, s.idp.storage.secret, 400, "invalid_grant"},
		"other redirect_uri": {func(f url.Values) { f.Set("redirect_uri", "http://127.0.0.1/") }, s.idp.storage.secret, 400, "invalid_grant"},
		"no code":            {func(f url.Values) { f.Del("code") }, s.idp.storage.secret, 400, "invalid_request"},
		"other code":         {func(f url.Values) { f.Set("code", "abc") }, s.idp.storage.secret, 400, "invalid_grant"},
		"no grant_type":      {func(f url.Values) { f.Del("grant_type") }, s.idp.storage.secret, 400, "unsupported_grant_type"},
		"client credentials": {func(f url.Values) { f.Set("grant_type", "client_credentials") }, s.idp.storage.secret, 400, "unsupported_grant_type"},
		"JWT bearer": {func(f url.Values) { f.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer") },
			s.idp.storage.secret, 400, "unsupported_grant_type"},
		"JWT client": {func(f url.Values) {
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			f.Set("client_assertion", "e30.e30.e30")
		}, s.idp.storage.secret, 400, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			form := good(s.code("alice"))
			c.change(form)
			a := s.token(form, ClientID, c.secret)
			var got struct {
				Error string `json:"error"`
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Fatal(err)
			}
			if a.StatusCode != c.status || got.Error != c.want || (c.want == "") != (got.Token != "") {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be stored")
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		a := s.post(s.issuer+tokenPath+"?"+good(s.code("alice")).Encode(), nil)
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d: %s", a.StatusCode, a.body)
		}
	})
}

func (s *site) token(form url.Values, id, secret string) answer {
	s.t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.issuer+tokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(id, secret)
	return s.do(req)
}

// A stranger who saw a code can neither redeem nor spend it.
func TestWrongClientDoesNotSpendTheCode(t *testing.T) {
	s := newSite(t)
	code := s.code("alice")
	_, conf := s.relyingParty()
	stranger := *conf
	stranger.ClientSecret = "guess"
	if _, err := stranger.Exchange(context.Background(), code, oauth2.VerifierOption(testVerifier)); err == nil {
		t.Fatal("redeemed with a wrong secret")
	}
	if _, err := conf.Exchange(context.Background(), code, oauth2.VerifierOption(testVerifier)); err != nil {
		t.Error(err)
	}
}

func TestCodeReplay(t *testing.T) {
	s := newSite(t)
	code := s.code("alice")
	rp, conf := s.relyingParty()
	tok, err := conf.Exchange(context.Background(), code, oauth2.VerifierOption(testVerifier))
	if err != nil {
		t.Fatal(err)
	}
	source := oauth2.StaticTokenSource(tok)
	if _, err := rp.UserInfo(context.Background(), source); err != nil {
		t.Fatal(err)
	}
	if _, err := conf.Exchange(context.Background(), code, oauth2.VerifierOption(testVerifier)); err == nil {
		t.Error("a code was redeemed twice")
	}
	if _, err := rp.UserInfo(context.Background(), source); err == nil {
		t.Error("the token of a replayed code still works")
	}
}

func TestLifetimes(t *testing.T) {
	s := newSite(t)
	_, conf := s.relyingParty()
	exchange := func(code string) (*oauth2.Token, error) {
		return conf.Exchange(context.Background(), code, oauth2.VerifierOption(testVerifier))
	}

	code := s.code("alice")
	s.clock.advance(codeLifetime)
	if _, err := exchange(code); err == nil {
		t.Error("an old code was redeemed")
	}

	_, id := s.open(s.authorizeURL(nil))
	s.clock.advance(requestLifetime)
	if a := s.post(s.issuer+loginPath, url.Values{"id": {id}, "sub": {"alice"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("choosing too late: status %d", a.StatusCode)
	}

	tok, err := exchange(s.code("alice"))
	if err != nil {
		t.Fatal(err)
	}
	rp, _ := s.relyingParty()
	s.clock.advance(tokenLifetime)
	// x/oauth2 has a clock of its own.
	tok.Expiry = time.Time{}
	if _, err := rp.UserInfo(context.Background(), oauth2.StaticTokenSource(tok)); err == nil {
		t.Error("an old access token works")
	}
}

func TestUserinfoRefusals(t *testing.T) {
	s := newSite(t)
	for name, header := range map[string]string{
		"none": "", "other scheme": "Basic YTpi", "garbage": "Bearer abc", "empty": "Bearer ",
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, s.issuer+userinfoPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", header)
			if a := s.do(req); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("status %d", a.StatusCode)
			}
		})
	}
	t.Run("in the query", func(t *testing.T) {
		_, conf := s.relyingParty()
		tok, err := conf.Exchange(context.Background(), s.code("alice"), oauth2.VerifierOption(testVerifier))
		if err != nil {
			t.Fatal(err)
		}
		a := s.get(s.issuer + userinfoPath + "?access_token=" + url.QueryEscape(tok.AccessToken))
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("status %d", a.StatusCode)
		}
	})
}

func TestEndSession(t *testing.T) {
	s := newSite(t)
	rp, conf := s.relyingParty()
	tok, err := conf.Exchange(context.Background(), s.code("alice"), oauth2.VerifierOption(testVerifier))
	if err != nil {
		t.Fatal(err)
	}
	hint, _ := tok.Extra("id_token").(string)
	for name, c := range map[string]struct {
		params   url.Values
		status   int
		location string
	}{
		"nothing":          {url.Values{}, 302, s.server.URL + "/"},
		"back to site":     {url.Values{"client_id": {ClientID}, "post_logout_redirect_uri": {s.server.URL + "/"}, "state": {"x"}}, 302, s.server.URL + "/?state=x"},
		"elsewhere":        {url.Values{"client_id": {ClientID}, "post_logout_redirect_uri": {"https://evil.example/"}}, 400, ""},
		"without client":   {url.Values{"post_logout_redirect_uri": {"https://evil.example/"}}, 302, s.server.URL + "/"},
		"stranger":         {url.Values{"client_id": {"x"}}, 401, ""},
		"no ID token":      {url.Values{"id_token_hint": {"e30.e30.e30"}}, 400, ""},
		"no such locale":   {url.Values{"ui_locales": {"\x00"}}, 302, s.server.URL + "/"},
		"with an ID token": {url.Values{"id_token_hint": {hint}}, 302, s.server.URL + "/"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.get(s.issuer + endSessionPath + "?" + c.params.Encode())
			if a.StatusCode != c.status {
				t.Fatalf("status %d: %s", a.StatusCode, a.body)
			}
			if c.location != "" && a.location(t).String() != c.location {
				t.Errorf("sent to %s", a.location(t))
			}
		})
	}
	if _, err := rp.UserInfo(context.Background(), oauth2.StaticTokenSource(tok)); err == nil {
		t.Error("the access token outlived the sign-out")
	}
}

func TestMethodsAndPaths(t *testing.T) {
	s := newSite(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/.well-known/openid-configuration", 405},
		{"HEAD", "/.well-known/openid-configuration", 200},
		{"HEAD", authorizePath, 405},
		{"DELETE", loginPath, 405},
		{"GET", tokenPath, 405},
		{"OPTIONS", tokenPath, 405},
		{"PUT", keysPath, 405},
		{"GET", "", 404},
		{"GET", "/", 404},
		{"GET", "/login/", 404},
		{"GET", "/%6cogin", 404},
		{"GET", "x/login", 404},
		{"GET", "/authorize/callback?id=1", 404},
		{"POST", "/revoke", 404},
		{"POST", "/oauth/introspect", 404},
		{"POST", "/device_authorization", 404},
		{"GET", "/healthz", 404},
		{"GET", keysPath + "?%zz", 400},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			req, err := http.NewRequest(c.method, s.issuer+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			path, query, _ := strings.Cut(c.path, "?")
			req.URL.Opaque, req.URL.RawQuery = "//"+req.URL.Host+base+"/dev"+path, query
			req.Header.Set("Origin", "https://evil.example")
			a := s.do(req)
			if a.StatusCode != c.status {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("header %s", name)
				}
			}
			if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", a.Header)
			}
		})
	}
	t.Run("body too long", func(t *testing.T) {
		a := s.post(s.issuer+tokenPath, url.Values{"code": {strings.Repeat("x", maxBody+1)}})
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", a.StatusCode)
		}
	})
}
