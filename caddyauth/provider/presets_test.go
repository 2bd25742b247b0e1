package provider

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// fakeWeb answers for hosts that are not there.
type fakeWeb map[string]func(*http.Request) (int, string)

func (w fakeWeb) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := 404, "not found"
	if h := w[r.URL.Host+r.URL.Path]; h != nil {
		status, body = h(r)
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func always(status int, body string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return status, body }
}

func TestGitHub(t *testing.T) {
	const user = `{"login":"octocat","id":583231,"name":"Mona","email":null,"avatar_url":"https://avatars.example/1"}`
	const emails = `[{"email":"old@example.org","primary":false,"verified":true},{"email":"Mona@Example.com","primary":true,"verified":true}]`
	for _, tc := range []struct {
		name, user, emails string
		status             int
		email              Text
		verified           bool
		domain             string
	}{
		{"primary address", user, emails, 200, String("mona@example.com"), true, "example.com"},
		{"primary not verified", user, `[{"email":"m@example.com","primary":true,"verified":false}]`, 200, String("m@example.com"), false, ""},
		{"no primary, the first", user, `[{"email":"a@example.com","verified":true},{"email":"b@example.com","verified":true}]`, 200, String("a@example.com"), true, "example.com"},
		{"public address", strings.Replace(user, "null", `"OLD@example.org"`, 1), emails, 200, String("old@example.org"), true, "example.org"},
		{"public address that is not listed", strings.Replace(user, "null", `"x@example.net"`, 1), emails, 200, String("x@example.net"), false, ""},
		{"without the scope user:email", user, `{"message":"Not Found"}`, 404, Null(), false, ""},
		{"none at all", user, `[]`, 200, Null(), false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var authorization []string
			record := func(status int, body string) func(*http.Request) (int, string) {
				return func(r *http.Request) (int, string) {
					authorization = append(authorization, r.Header.Get("Authorization"))
					if r.Header.Get("User-Agent") == "" {
						return 403, "Request forbidden by administrative rules."
					}
					return status, body
				}
			}
			p := mustNew(t, Config{Preset: "github", ClientID: "id", ClientSecret: "secret"}, Options{HTTP: &http.Client{Transport: fakeWeb{
				"github.com/login/oauth/access_token": always(200, `{"access_token":"gho_x","scope":"read:user,user:email","token_type":"bearer"}`),
				"api.github.com/user":                 record(200, tc.user),
				"api.github.com/user/emails":          record(tc.status, tc.emails),
			}}})
			id, err := p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"code": {"c"}}, RedirectURI: testRedirect, CodeVerifier: "v"})
			if err != nil {
				t.Fatal(err)
			}
			if id.User.ID != "583231" || id.Login != "octocat" || id.User.Name.String() != "Mona" || id.User.Image.String() != "https://avatars.example/1" {
				t.Errorf("%+v", id.User)
			}
			if id.User.Email != tc.email || id.Verified != tc.verified || id.Domain != tc.domain {
				t.Errorf("email %#v, verified %v, domain %q", id.User.Email, id.Verified, id.Domain)
			}
			if id.Account.IDToken != "" || id.Account.ExpiresAt != 0 || id.Account.Scope != "read:user,user:email" {
				t.Errorf("%+v", id.Account)
			}
			if !slices.Equal(authorization, []string{"Bearer gho_x", "Bearer gho_x"}) {
				t.Errorf("%q", authorization)
			}
		})
	}
	t.Run("iss is compared", func(t *testing.T) {
		p := mustNew(t, Config{Preset: "github", ClientID: "id", ClientSecret: "secret"}, Options{HTTP: &http.Client{Transport: fakeWeb{}}})
		for iss, want := range map[string]Reason{"https://evil.example": ReasonIss, "https://github.com/login/oauth": ReasonToken} {
			_, err := p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"code": {"c"}, "iss": {iss}}, CodeVerifier: "v"})
			if ReasonOf(err) != want {
				t.Errorf("%s: %v, want %s", iss, err, want)
			}
		}
	})
	t.Run("name falls back to login", func(t *testing.T) {
		s := &signIn{p: mustNew(t, Config{Preset: "github", ClientID: "i", ClientSecret: "s"}, Options{}).(*oauthProvider), tokens: &tokens{},
			profile: map[string]any{"id": json.Number("1e6"), "login": "octocat", "name": nil}}
		id, err := s.identity()
		if err != nil || id.User.Name.String() != "octocat" || id.User.ID != "1000000" {
			t.Errorf("%+v, %v", id, err)
		}
	})
}

func TestOAuth2(t *testing.T) {
	web := fakeWeb{
		"idp.example/token": always(200, `{"access_token":"a","token_type":"bearer","id_token":"unverified"}`),
		"idp.example/me":    always(200, `{"uid":7,"display":"Somebody","email":"a@example.com","email_verified":true}`),
	}
	cfg := Config{
		Preset: "oauth2", ID: "custom", ClientID: "c", ClientSecret: "s",
		Authorization: &Authorization{URL: "https://idp.example/a"}, Token: "https://idp.example/token", Userinfo: "https://idp.example/me",
		Profile: map[string][]string{"id": {"uid"}, "name": {"display"}},
	}
	p := mustNew(t, cfg, Options{HTTP: &http.Client{Transport: web}})
	id, err := p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"code": {"c"}}, CodeVerifier: "v"})
	if err != nil {
		t.Fatal(err)
	}
	if id.User.ID != "7" || id.User.Name.String() != "Somebody" || id.Verified || id.Account.IDToken != "" {
		t.Errorf("%+v", id)
	}
	if c := p.Checks(); !c.PKCE || !c.State || c.Nonce {
		t.Errorf("%+v", c)
	}
	if _, down := p.(Health).Down(); down {
		t.Error("nothing can be known to be down")
	}
	t.Run("iss without an issuer to compare", func(t *testing.T) {
		_, err := p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"code": {"c"}, "iss": {"https://idp.example"}}, CodeVerifier: "v"})
		if ReasonOf(err) != ReasonIss {
			t.Error(err)
		}
	})
}

func TestInfo(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want Info
	}{
		{Config{Preset: "github"}, Info{ID: "github", Name: "GitHub", Type: TypeOAuth, Logo: "github", Public: true, Issuer: "https://github.com/login/oauth"}},
		{Config{Preset: "google"}, Info{ID: "google", Name: "Google", Type: TypeOIDC, Logo: "google", Public: true, Issuer: "https://accounts.google.com"}},
		{Config{Preset: "keycloak", Issuer: "https://sso.example.com/realms/acme"}, Info{ID: "keycloak", Name: "Keycloak", Type: TypeOIDC, Logo: "keycloak", Issuer: "https://sso.example.com/realms/acme"}},
		{Config{Preset: "oidc", ID: "acme", Issuer: "https://sso.example.com"}, Info{ID: "acme", Name: "sso.example.com", Type: TypeOIDC, Issuer: "https://sso.example.com"}},
		{Config{Preset: "oidc", Name: "ACME", Issuer: "https://sso.example.com"}, Info{ID: "oidc", Name: "ACME", Type: TypeOIDC, Issuer: "https://sso.example.com"}},
		{Config{Preset: "oidc", Issuer: "https://accounts.google.com"}, Info{ID: "oidc", Name: "accounts.google.com", Type: TypeOIDC, Public: true, Issuer: "https://accounts.google.com"}},
		{Config{Preset: "oauth2", Name: "ACME", Authorization: &Authorization{URL: "https://a.example"}, Token: "https://t.example", Userinfo: "https://u.example", Profile: map[string][]string{"id": {"id"}}}, Info{ID: "oauth2", Name: "ACME", Type: TypeOAuth}},
	} {
		tc.cfg.ClientID, tc.cfg.ClientSecret = "c", "s"
		got := mustNew(t, tc.cfg, Options{}).Info()
		if got.FormAction = nil; !equalInfo(got, tc.want) {
			t.Errorf("got %+v, want %+v", got, tc.want)
		}
	}
}

func equalInfo(a, b Info) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Type == b.Type && a.Logo == b.Logo && a.Public == b.Public && a.Issuer == b.Issuer
}
