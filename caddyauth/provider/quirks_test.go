package provider

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

const (
	tenantA = "11111111-2222-4333-8444-555555555555"
	tenantB = "66666666-2222-4333-8444-555555555555"
	msHost  = "https://login.microsoftonline.com/"
)

// microsoft is Microsoft's side of a sign-in, which states an issuer and sends an
// ID token with these claims.
func microsoft(t *testing.T, stated string, claims map[string]any) (web fakeWeb, asked *[]string) {
	t.Helper()
	asked = new([]string)
	c := map[string]any{"aud": "c", "sub": "s", "iat": theTime.Unix(), "exp": theTime.Unix() + 300, "nonce": evilNonce, "preferred_username": "alice@acme.example"}
	for name, v := range claims {
		c[name] = v
	}
	handler := func(r *http.Request) (int, string) {
		*asked = append(*asked, r.URL.String())
		switch {
		case strings.HasSuffix(r.URL.Path, "openid-configuration"):
			return 200, encode(map[string]any{"issuer": stated, "authorization_endpoint": msHost + "a", "token_endpoint": msHost + "t", "jwks_uri": msHost + "k"})
		case r.URL.Path == "/t":
			return 200, encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": lyingop.RSA().Sign(encode(c), nil)})
		case r.URL.Path == "/k":
			return 200, encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{lyingop.RSA().Public()}})
		}
		return 404, ""
	}
	return fakeWeb{"": handler}, asked
}

// anywhere answers for all hosts alike.
type anywhere func(*http.Request) (int, string)

func (a anywhere) RoundTrip(r *http.Request) (*http.Response, error) {
	return fakeWeb{r.URL.Host + r.URL.Path: a}.RoundTrip(r)
}

func TestMicrosoftTenants(t *testing.T) {
	const template = msHost + "{tenantid}/v2.0"
	iss := func(tenant string) string { return msHost + tenant + "/v2.0" }
	token := func(issuer, tid any) map[string]any { return map[string]any{"iss": issuer, "tid": tid} }
	for _, tc := range []struct {
		name, configured, stated string
		claims                   map[string]any
		reason                   Reason
		login                    string
	}{
		{"any tenant", "common", template, token(iss(tenantA), tenantA), "", ""},
		{"any tenant, a private account", "common", template, token(iss(microsoftConsumers), microsoftConsumers), "", ""},
		{"organizations", "organizations", template, token(iss(tenantA), tenantA), "", ""},
		{"organizations, a private account", "organizations", template, token(iss(microsoftConsumers), microsoftConsumers), ReasonIDToken, ""},
		{"consumers", "consumers", iss(microsoftConsumers), token(iss(microsoftConsumers), microsoftConsumers), "", ""},
		{"consumers, an organization", "consumers", iss(microsoftConsumers), token(iss(tenantA), tenantA), ReasonIDToken, ""},
		{"consumers, and a template", "consumers", template, token(iss(tenantA), tenantA), ReasonIssuer, ""},
		{"one tenant", tenantA, iss(tenantA), token(iss(tenantA), tenantA), "", "alice@acme.example"},
		{"one tenant by its domain", "acme.example", iss(tenantA), token(iss(tenantA), tenantA), "", "alice@acme.example"},
		{"one tenant, the token of another", tenantA, iss(tenantA), token(iss(tenantB), tenantB), ReasonIDToken, ""},
		{"one tenant, the document of another", tenantA, iss(tenantB), token(iss(tenantB), tenantB), ReasonIssuer, ""},
		{"one tenant, a template", tenantA, template, token(iss(tenantB), tenantB), ReasonIssuer, ""},
		{"one tenant by its domain, a template", "acme.example", template, token(iss(tenantB), tenantB), ReasonIssuer, ""},
		{"another host", "common", "https://evil.example/{tenantid}/v2.0", token("https://evil.example/"+tenantA+"/v2.0", tenantA), ReasonIssuer, ""},
		{"TOKEN-23 Entra tid a path", "common", template, token(iss("../evil"), "../evil"), ReasonIDToken, ""},
		{"TOKEN-23 Entra tid missing", "common", template, map[string]any{"iss": iss(tenantA)}, ReasonIDToken, ""},
		{"TOKEN-23 Entra tid a list", "common", template, token(iss(tenantA), []string{tenantA}), ReasonIDToken, ""},
		{"TOKEN-23 Entra tid the template", "common", template, token(template, "{tenantid}"), ReasonIDToken, ""},
		{"TOKEN-23 Entra tid common", "common", template, token(iss("common"), "common"), ReasonIDToken, ""},
		{"TOKEN-23 Entra tid of another than iss", "common", template, token(iss(tenantA), tenantB), ReasonIDToken, ""},
		{"TOKEN-23 Entra tid with a line behind", "common", template, token(iss(tenantA), tenantA+"\n"), ReasonIDToken, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			web, asked := microsoft(t, tc.stated, tc.claims)
			p := mustNew(t, Config{Preset: "microsoft-entra-id", Issuer: iss(tc.configured), ClientID: "c", ClientSecret: "s"},
				Options{HTTP: &http.Client{Transport: anywhere(web[""])}, Now: func() time.Time { return theTime }})
			id, err := p.Exchange(t.Context(), evilCallback())
			if ReasonOf(err) != tc.reason {
				t.Fatalf("%v, want %q", err, tc.reason)
			}
			if err == nil && id.Login != tc.login {
				t.Errorf("login %q", id.Login)
			}
			for _, u := range *asked {
				if !slices.Contains([]string{iss(tc.configured) + "/.well-known/openid-configuration", msHost + "t", msHost + "k"}, u) {
					t.Errorf("%s was asked", u)
				}
			}
		})
	}
	t.Run("what one preset takes, another does not", func(t *testing.T) {
		web, _ := microsoft(t, template, token(iss(tenantA), tenantA))
		opt := Options{HTTP: &http.Client{Transport: anywhere(web[""])}, Now: func() time.Time { return theTime }, Cache: NewCache()}
		for preset, want := range map[string]Reason{"microsoft-entra-id": "", "azure-ad": "", "oidc": ReasonIssuer} {
			p := mustNew(t, Config{Preset: preset, Issuer: iss("common"), ClientID: "c", ClientSecret: "s"}, opt)
			if _, err := p.Exchange(t.Context(), evilCallback()); ReasonOf(err) != want {
				t.Errorf("%s: %v", preset, err)
			}
		}
	})
	t.Run("iss of the callback", func(t *testing.T) {
		p := mustNew(t, Config{Preset: "microsoft-entra-id", ClientID: "c", ClientSecret: "s"}, Options{})
		for name, want := range map[string]bool{iss(tenantA): true, "https://evil.example/" + tenantA + "/v2.0": false, iss("x"): false} {
			if got := p.(*oauthProvider).checkIss([]string{name}); (got == nil) != want {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
}

func TestMicrosoftAddresses(t *testing.T) {
	for edov, want := range map[any]bool{nil: false, false: false, "1": false, true: true} {
		s := &signIn{p: mustNew(t, Config{Preset: "microsoft-entra-id", ClientID: "c", ClientSecret: "s"}, Options{}).(*oauthProvider), tokens: new(tokens),
			profile: map[string]any{"sub": "s", "email": "boss@victim.example", "email_verified": true, "xms_edov": edov}}
		id, err := s.identity()
		if err != nil || id.Verified != want || (id.Domain != "") != want {
			t.Errorf("xms_edov %v: %+v, %v", edov, id, err)
		}
	}
}

func TestB2CIssuer(t *testing.T) {
	const configured = "https://acme.b2clogin.com/acme.onmicrosoft.com/B2C_1/v2.0"
	for stated, want := range map[string]bool{
		configured: true,
		"https://acme.b2clogin.com/" + tenantA + "/v2.0/":      true,
		"https://acme.b2clogin.com/" + tenantA + "/v2.0":       false,
		"https://evil.b2clogin.com/" + tenantA + "/v2.0/":      false,
		"http://acme.b2clogin.com/" + tenantA + "/v2.0/":       false,
		"https://acme.b2clogin.com/evil/v2.0/":                 false,
		"https://acme.b2clogin.com/" + tenantA + "/x/v2.0/":    false,
		"https://acme.b2clogin.com/" + tenantA + "/v2.0/?x":    false,
		"https://u@acme.b2clogin.com/" + tenantA + "/v2.0/":    false,
		"https://acme.b2clogin.com/" + tenantA + "/v2.0/#evil": false,
		"": false,
	} {
		if got := b2cIssuer(configured, stated); got != want {
			t.Errorf("%s: %v", stated, got)
		}
	}
}

func TestAppleSecret(t *testing.T) {
	good := map[string]string{"team_id": "TEAM123456", "key_id": "KEY1234567"}
	rsaPEM := "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
	for _, tc := range []struct {
		name, secret string
		settings     map[string]string
		want         []string
	}{
		{"a key", appleTestPEM(t), good, nil},
		{"a key in one line", strings.ReplaceAll(appleTestPEM(t), "\n", `\n`), good, nil},
		{"a JWT", "eyJh.eyJi.c2ln", nil, nil},
		{"a key without ids", appleTestPEM(t), nil, []string{"AUTH_APPLE_TEAM_ID is not set", "AUTH_APPLE_KEY_ID is not set"}},
		{"neither", "topsecret", good, []string{"neither the key from Apple"}},
		{"a broken key", rsaPEM, good, []string{"neither the key from Apple"}},
		{"a setting that goes nowhere", appleTestPEM(t), map[string]string{"team_id": "T", "key_id": "K", "team": "x"}, []string{"setting team: unknown, known are key_id, team_id"}},
		{"a setting with a line in it", appleTestPEM(t), map[string]string{"team_id": "T\nx", "key_id": "K"}, []string{"setting team_id: it has letters"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(Config{Preset: "apple", ClientID: "com.example.web", ClientSecret: tc.secret, Settings: tc.settings}, Options{})
			if (err == nil) != (len(tc.want) == 0) {
				t.Fatal(err)
			}
			if err == nil {
				return
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tc.want) {
				t.Errorf("%d problems: %v", len(lines), err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "topsecret") || strings.Contains(err.Error(), "AAAA") {
				t.Error("the secret is in the error")
			}
		})
	}
	t.Run("a JWT is sent as it is", func(t *testing.T) {
		p := mustNew(t, Config{Preset: "apple", ClientID: "c", ClientSecret: "eyJh.eyJi.c2ln"}, Options{}).(*oauthProvider)
		form := url.Values{"client_secret": {"eyJh.eyJi.c2ln"}}
		if err := appleSecret(p, form); err != nil || form.Get("client_secret") != "eyJh.eyJi.c2ln" {
			t.Error(form, err)
		}
	})
}

// What the browser says beside Apple's token is a name and nothing else.
func TestAppleName(t *testing.T) {
	p := mustNew(t, Config{Preset: "apple", ClientID: "c", ClientSecret: "eyJh.eyJi.c2ln"}, Options{}).(*oauthProvider)
	for user, want := range map[string]string{
		"": "alice@example.com",
		`{"name":{"firstName":"Alice","lastName":"Example"},"email":"boss@victim.example","sub":"other"}`: "Alice Example",
		`{"name":{"firstName":"Alice"}}`:   "Alice",
		`{"name":"Alice"}`:                 "alice@example.com",
		`{"name":{"firstName":["Alice"]}}`: "alice@example.com",
		`[]`:                               "alice@example.com",
		`{`:                                "alice@example.com",
		`{"name":{"firstName":"` + strings.Repeat("a", maxAppleUser) + `"}}`:        "alice@example.com",
		`{"name":{"firstName":"A","lastName":"` + strings.Repeat("b", 2000) + `"}}`: "A",
	} {
		s := &signIn{p: p, tokens: new(tokens), params: url.Values{"user": {user}}, profile: map[string]any{"sub": "s", "email": "alice@example.com", "email_verified": "true"}}
		if err := appleName(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		id, err := s.identity()
		if err != nil || id.User.Name.String() != want || id.User.ID != "s" || id.User.Email.String() != "alice@example.com" {
			t.Errorf("%.60s: %+v, %v", user, id.User, err)
		}
	}
}

func TestDiscordAvatar(t *testing.T) {
	const cdn = "https://cdn.discordapp.com/"
	for _, tc := range []struct {
		id, avatar, discriminator any
		want                      any
	}{
		{"80351110224678912", "83427", "0", cdn + "avatars/80351110224678912/83427.png"},
		{"80351110224678912", "a_83427", "0", cdn + "avatars/80351110224678912/a_83427.gif"},
		{"80351110224678912", "../../evil", "0", cdn + "avatars/80351110224678912/..%2F..%2Fevil.png"},
		{"80351110224678912", nil, "1337", cdn + "embed/avatars/2.png"},
		{"80351110224678912", nil, "0", cdn + "embed/avatars/5.png"},
		{"no number", nil, "0", nil},
	} {
		s := &signIn{profile: map[string]any{"id": tc.id, "avatar": tc.avatar, "discriminator": tc.discriminator}}
		if err := discordAvatar(t.Context(), s); err != nil || s.profile["image_url"] != tc.want {
			t.Errorf("%+v: %v, %v", tc, s.profile["image_url"], err)
		}
	}
}

// signInAt signs in at a service that answers so.
func signInAt(t *testing.T, cfg Config, web fakeWeb, orgs bool) (*Identity, error) {
	t.Helper()
	cfg.ClientID, cfg.ClientSecret = walkClient, walkSecret
	p := mustNew(t, cfg, Options{HTTP: &http.Client{Transport: web}, Orgs: orgs})
	return p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"code": {"the-code"}}, RedirectURI: testRedirect, CodeVerifier: "v"})
}

func TestServicesThatSayNo(t *testing.T) {
	const ok = `{"access_token":"the-token","token_type":"bearer","openid":"o"}`
	for _, tc := range []struct {
		name, preset string
		web          fakeWeb
		reason       Reason
	}{
		{"WeChat, a used code", "wechat", fakeWeb{"api.weixin.qq.com/sns/oauth2/access_token": always(200, `{"errcode":40163,"errmsg":"code been used"}`)}, ReasonToken},
		{"WeChat, a wrong secret", "wechat", fakeWeb{"api.weixin.qq.com/sns/oauth2/access_token": always(200, `{"errcode":40125,"errmsg":"invalid appsecret"}`)}, ReasonClientRejected},
		{"WeChat, an error instead of a profile", "wechat", fakeWeb{
			"api.weixin.qq.com/sns/oauth2/access_token": always(200, ok),
			"api.weixin.qq.com/sns/userinfo":            always(200, `{"errcode":40003,"openid":"o","errmsg":"invalid openid"}`)}, ReasonUserinfo},
		{"WeChat, no openid", "wechat", fakeWeb{"api.weixin.qq.com/sns/oauth2/access_token": always(200, `{"access_token":"the-token"}`)}, ReasonUserinfo},
		{"HubSpot, a token in the path", "hubspot", fakeWeb{"api.hubapi.com/oauth/v1/token": always(200, ok)}, ReasonUserinfo},
		{"Notion, nobody", "notion", fakeWeb{"api.notion.com/v1/oauth/token": always(200, `{"access_token":"the-token","owner":{"type":"workspace","workspace":true}}`)}, ReasonUserinfo},
		{"VK, nobody", "vk", fakeWeb{"oauth.vk.com/access_token": always(200, ok), "api.vk.com/method/users.get": always(200, `{"error":{"error_code":5}}`)}, ReasonUserinfo},
		{"a token of another type", "spotify", fakeWeb{"accounts.spotify.com/api/token": always(200, `{"access_token":"the-token","token_type":"DPoP"}`)}, ReasonTokenResponse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := signInAt(t, Config{Preset: tc.preset}, tc.web, false)
			if ReasonOf(err) != tc.reason {
				t.Fatalf("%v, want %s", err, tc.reason)
			}
			for _, secret := range []string{walkToken, walkSecret, "the-code"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("a secret is in %q", err)
				}
			}
		})
	}
}

// A token that has to be in the address must not come out of it again.
func TestTokensInAddressesStayThere(t *testing.T) {
	for _, preset := range []string{"hubspot", "vk", "foursquare", "mailru"} {
		web := roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.String(), walkToken) {
				return nil, errors.New("the line is dead")
			}
			return fakeWeb{r.URL.Host + r.URL.Path: always(200, `{"access_token":"the-token","token_type":"bearer"}`)}.RoundTrip(r)
		})
		p := mustNew(t, Config{Preset: preset, ClientID: "c", ClientSecret: "s"}, Options{HTTP: &http.Client{Transport: web}})
		_, err := p.Exchange(t.Context(), CallbackRequest{Params: url.Values{"code": {"c"}}, CodeVerifier: "v"})
		if err == nil || strings.Contains(err.Error(), walkToken) || !strings.Contains(err.Error(), "the line is dead") {
			t.Errorf("%s: %v", preset, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestGitLab(t *testing.T) {
	const user = `{"id":1,"username":"alice","email":"alice@example.com","confirmed_at":"2012-05-23T09:05:22Z"}`
	web := func(user string, userinfo func(*http.Request) (int, string)) fakeWeb {
		return fakeWeb{
			"git.example.com/oauth/token":    always(200, `{"access_token":"a","token_type":"Bearer"}`),
			"git.example.com/api/v4/user":    always(200, user),
			"git.example.com/oauth/userinfo": userinfo,
		}
	}
	cfg := Config{Preset: "gitlab", Issuer: "https://git.example.com"}
	groups := always(200, `{"sub":"1","groups":["acme","acme/backend"]}`)
	id, err := signInAt(t, cfg, web(user, groups), true)
	if err != nil || !id.Verified || !slices.Equal(id.Orgs, []string{"acme", "acme/backend"}) {
		t.Errorf("%+v, %v", id, err)
	}
	if id, err := signInAt(t, cfg, web(strings.Replace(user, `"2012-05-23T09:05:22Z"`, "null", 1), groups), false); err != nil || id.Verified || id.Orgs != nil {
		t.Errorf("not confirmed: %+v, %v", id, err)
	}
	for name, answer := range map[string]func(*http.Request) (int, string){
		"the scope was taken out": always(403, `{"error":"insufficient_scope"}`), "no groups": always(200, `{"sub":"1"}`),
	} {
		if _, err := signInAt(t, cfg, web(user, answer), true); ReasonOf(err) != ReasonUserinfo {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := mustNew(t, Config{Preset: "gitlab", Issuer: "https://git.example.com/", ClientID: "c", ClientSecret: "s"}, Options{Orgs: true})
	if u := authorizationURL(t, p, nil); u.Host != "git.example.com" || u.Path != "/oauth/authorize" || u.Query().Get("scope") != "read_user openid" {
		t.Error(u)
	}
	if p.Info().Public {
		t.Error("a GitLab of one's own is public")
	}
}

func TestTwitterAddress(t *testing.T) {
	for _, tc := range []struct {
		name     string
		scope    []string
		user     string
		fields   string
		email    Text
		verified bool
	}{
		{"without the scope", nil, `{"data":{"id":"1","name":"A","email":"a@example.com"}}`, "profile_image_url", String("a@example.com"), false},
		{"with it", []string{"users.read", "users.email"}, `{"data":{"id":"1","name":"A","confirmed_email":"A@example.com"}}`, "profile_image_url,confirmed_email", String("a@example.com"), true},
		{"with it, and no address", []string{"users.read", "users.email"}, `{"data":{"id":"1","name":"A"}}`, "profile_image_url,confirmed_email", Null(), false},
	} {
		var fields string
		id, err := signInAt(t, Config{Preset: "twitter", Scope: tc.scope}, fakeWeb{
			"api.x.com/2/oauth2/token": always(200, `{"access_token":"a","token_type":"bearer"}`),
			"api.x.com/2/users/me": func(r *http.Request) (int, string) {
				fields = r.URL.Query().Get("user.fields")
				return 200, tc.user
			},
		}, false)
		if err != nil || fields != tc.fields || id.User.Email != tc.email || id.Verified != tc.verified {
			t.Errorf("%s: fields %q, %+v, %v", tc.name, fields, id, err)
		}
	}
}

// LINE's tokens are signed with the secret; nobody else's may be.
func TestSecretAsSigningKey(t *testing.T) {
	claims := map[string]any{"iss": "https://access.line.me", "aud": walkClient, "sub": "U1", "iat": theTime.Unix(), "exp": theTime.Unix() + 300, "nonce": evilNonce}
	mac := func(key string) string {
		raw, err := signJWT(jose.HS256, []byte(key), claims)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, tc := range []struct {
		name, token string
		reason      Reason
	}{
		{"with the secret", mac(walkSecret), ""},
		{"with another", mac(strings.Repeat("x", 32)), ReasonIDToken},
		{"with an RSA key", lyingop.RSA().Sign(encode(claims), nil), ReasonIDToken},
		{"not at all", lyingop.Base64(`{"alg":"none"}`) + "." + lyingop.Base64(encode(claims)) + ".", ReasonIDToken},
	} {
		p := mustNew(t, Config{Preset: "line", ClientID: walkClient, ClientSecret: walkSecret}, Options{
			HTTP: &http.Client{Transport: fakeWeb{"api.line.me/oauth2/v2.1/token": always(200, encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": tc.token}))}},
			Now:  func() time.Time { return theTime },
		})
		if _, err := p.Exchange(t.Context(), evilCallback()); ReasonOf(err) != tc.reason {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if _, err := New(Config{Preset: "oidc", Issuer: "https://op.example", ClientID: "c", ClientSecret: "s", IDTokenAlg: []string{"HS256"}}, Options{}); err == nil {
		t.Error("HS256 can be configured")
	}
}

func TestTableIsStrict(t *testing.T) {
	const good = `{"id":"a","name":"A","type":"oauth","profile":{"id":["id"]}}`
	for table, want := range map[string]string{
		"[" + good + "]": "",
		"[" + good + "," + strings.Replace(good, `"a"`, `"b"`, 1) + "]":     "",
		"[" + strings.Replace(good, `"name"`, `"nmae":"x","name"`, 1) + "]": "unknown field",
		"[" + good + "," + good + "]":                                       "out of order",
		"[" + strings.Replace(good, `"a"`, `"A!"`, 1) + "]":                 "no id",
		"[" + strings.Replace(good, `"oauth"`, `"saml"`, 1) + "]":           "of type",
		"[" + strings.Replace(good, `"id":["id"]`, ``, 1) + "]":             "no name or no id",
		"[" + good + "][]": "more than one",
		"{":                "unexpected EOF",
	} {
		if _, err := readPresets([]byte(table), nil); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", table, err)
		}
	}
	if _, err := readPresets([]byte("["+good+"]"), map[string]quirks{"b": {}}); err == nil {
		t.Error("a quirk of nobody")
	}
}

// What stands in the table makes sense.
func TestTable(t *testing.T) {
	host := regexp.MustCompile(`^https://[A-Za-z0-9.-]+(/|$)|^\{issuer\}/|^https://\{settings\.[a-z_]+\}\.`)
	for id, p := range presets {
		if id == presetOIDC || id == presetOAuth2 {
			continue
		}
		if p.Docs == "" {
			t.Errorf("%s: nobody knows where to register", id)
		}
		for name, endpoint := range map[string]string{"authorization": p.Authorization, "token": p.Token, "userinfo": p.Userinfo, "jwks": p.JWKS} {
			if endpoint != "" && !host.MatchString(endpoint) {
				t.Errorf("%s: %s: the host of %s is not fixed", id, name, endpoint)
			}
		}
		if p.Issuer != "" {
			if _, err := endpointURL(p.Issuer); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		if !p.oidc && (p.Authorization == "" || p.Token == "" || p.Userinfo == "" && p.Source == "" && !p.TakesUserinfo) {
			t.Errorf("%s lacks an endpoint", id)
		}
		for field := range p.Profile {
			if !slices.Contains(profileFields, field) {
				t.Errorf("%s: profile field %s", id, field)
			}
		}
		if len(p.Checks) > 0 && !slices.Contains(p.Checks, checkPKCE) && p.Note == "" {
			t.Errorf("%s: no PKCE, and no word why", id)
		}
		if len(p.Checks) > 0 && !slices.Contains(p.Checks, checkState) {
			t.Errorf("%s: no state", id)
		}
		if !p.oidc && slices.Contains(p.Checks, checkNonce) {
			t.Errorf("%s: a nonce, and nothing that has it", id)
		}
		if len(p.IDTokenAlg) > 0 && id != "line" {
			t.Errorf("%s: ID tokens by %v", id, p.IDTokenAlg)
		}
		for name := range p.Params {
			if Reserved(name) {
				t.Errorf("%s: the parameter %s is the flow's own", id, name)
			}
		}
		c := Config{Preset: id, ClientID: "c", ClientSecret: "eyJh.eyJi.c2ln", Settings: map[string]string{}}
		for _, name := range p.required() {
			c.Settings[name] = "x"
		}
		if p.Issuer == "" && p.ownIssuer() {
			c.Issuer = "https://id.example.com"
		}
		if p.TakesUserinfo {
			c.Userinfo = "https://id.example.com/me"
		}
		if _, err := New(c, Options{}); err != nil {
			t.Error(err)
		}
	}
}

// The table is written for people: one entry is one object, one member a line.
func TestTableIsReadable(t *testing.T) {
	for i, line := range strings.Split(strings.TrimSpace(string(catalogue)), "\n") {
		switch line {
		case "[", "  {", "  },", "  }", "]":
			continue
		}
		if !strings.HasPrefix(line, `    "`) || !json.Valid([]byte("{"+strings.TrimSuffix(strings.TrimSpace(line), ",")+"}")) {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
}

// Whatever the services are said to have, no walk holds a real secret.
func TestWalksHoldNoSecrets(t *testing.T) {
	files, _ := filepath.Glob(walkFolder + "/*.json")
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "PRIVATE KEY") || strings.Contains(string(raw), "eyJ") {
			t.Errorf("%s has a key or a token in it", name)
		}
	}
}

func TestCatalogueList(t *testing.T) {
	list := Catalogue()
	if len(list) != len(presets)-2 || !slices.IsSortedFunc(list, func(a, b Service) int { return strings.Compare(a.ID, b.ID) }) {
		t.Fatalf("%d services", len(list))
	}
	want := map[string]Service{
		"github":     {Type: TypeOAuth, Public: PublicAnybody, Environment: []string{"AUTH_GITHUB_ID", "AUTH_GITHUB_SECRET"}},
		"apple":      {Type: TypeOIDC, Public: PublicAnybody, Issuer: "https://appleid.apple.com", Environment: []string{"AUTH_APPLE_ID", "AUTH_APPLE_SECRET"}, Optional: []string{"AUTH_APPLE_KEY_ID", "AUTH_APPLE_TEAM_ID"}},
		"bungie":     {Type: TypeOAuth, Public: PublicAnybody, Environment: []string{"AUTH_BUNGIE_ID", "AUTH_BUNGIE_SECRET", "AUTH_BUNGIE_API_KEY"}},
		"gitlab":     {Type: TypeOAuth, Public: PublicByDefault, Issuer: "https://gitlab.com", Environment: []string{"AUTH_GITLAB_ID", "AUTH_GITLAB_SECRET"}, Optional: []string{"AUTH_GITLAB_ISSUER"}},
		"mattermost": {Type: TypeOAuth, Environment: []string{"AUTH_MATTERMOST_ID", "AUTH_MATTERMOST_SECRET", "AUTH_MATTERMOST_ISSUER"}},
		"azure-ad":   {Type: TypeOIDC, Public: PublicByDefault, Issuer: msHost + "common/v2.0", Environment: []string{"AUTH_AZURE_AD_ID", "AUTH_AZURE_AD_SECRET"}, Optional: []string{"AUTH_AZURE_AD_ISSUER"}},
	}
	for _, s := range list {
		w, ok := want[s.ID]
		if !ok {
			continue
		}
		w.ID, w.Name, w.Docs, w.Note = s.ID, s.Name, s.Docs, s.Note
		if encode(s) != encode(w) {
			t.Errorf("got  %s\nwant %s", encode(s), encode(w))
		}
	}
}
