package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
)

const pushedURI = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"

// pushing makes an issuer take pushed requests, and answer them.
func pushing(op *evilOP, status int, body string) {
	op.Metadata = lyingop.Set("pushed_authorization_request_endpoint", op.URL+"/par")
	op.Replace("/par", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func pushedBody(uri string, lifetime any) string {
	b, _ := json.Marshal(map[string]any{"request_uri": uri, "expires_in": lifetime})
	return string(b)
}

var evilRequest = AuthorizationRequest{
	RedirectURI: testRedirect, State: "the state", Nonce: evilNonce, CodeChallenge: "the challenge",
	Extra: url.Values{"login_hint": {"alice@example.com"}, "request_uri": {"https://evil.example"}},
}

func TestPushedRequest(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		header string
	}{
		{"basic", nil, "Basic " + b64std("client:the+secret")},
		{"post", func(c *Config) { c.ClientAuth = "post" }, ""},
		{"none", func(c *Config) { c.ClientAuth = "none" }, ""},
		{"private_key_jwt", func(c *Config) { c.ClientKey = pkcs8(edKey()) }, ""},
		{"required", func(c *Config) { c.PushedAuthorization = "required" }, "Basic " + b64std("client:the+secret")},
		{"endpoints written down", func(c *Config) {
			c.PushedAuthorization = "required"
			c.Authorization, c.Token, c.JWKS = &Authorization{URL: c.Issuer + "/authorize"}, c.Issuer+"/token", c.Issuer+"/jwks"
		}, "Basic " + b64std("client:the+secret")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			pushing(op, http.StatusCreated, pushedBody(pushedURI, 60))
			var header string
			forms := tokenForms(op, "/par")
			tap := op.Tap
			op.Tap = func(path string, r *http.Request) {
				if path == "/par" {
					header = r.Header.Get("Authorization")
				}
				tap(path, r)
			}
			p := op.provider(func(c *Config) {
				c.Params = map[string]string{"acr_values": "gold"}
				if tc.change != nil {
					tc.change(c)
				}
			})
			to, err := p.AuthorizationURL(t.Context(), evilRequest)
			if err != nil {
				t.Fatal(err)
			}
			if want := op.URL + "/authorize?client_id=client&request_uri=" + url.QueryEscape(pushedURI); to != want {
				t.Errorf("the browser gets %s\nwant %s", to, want)
			}
			form := forms()[0]
			for name, want := range map[string]string{
				"client_id": evilClient, "response_type": "code", "redirect_uri": testRedirect, "scope": "openid profile email",
				"state": "the state", "nonce": evilNonce, "code_challenge": "the challenge", "code_challenge_method": "S256",
				"login_hint": "alice@example.com", "acr_values": "gold",
			} {
				if len(form[name]) != 1 || form.Get(name) != want {
					t.Errorf("%s is %q", name, form[name])
				}
			}
			if form.Has("request_uri") || header != tc.header {
				t.Errorf("header %q, form %v", header, form)
			}
			if n := op.Count("/par"); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestPushedRequestChoice(t *testing.T) {
	for _, tc := range []struct {
		name      string
		mode      string
		offered   bool
		required  bool
		reason    Reason
		pushed    int
		throughIt bool // the parameters are in the browser's address
	}{
		{"auto, not offered", "auto", false, false, "", 0, true},
		{"auto, offered", "auto", true, false, "", 1, false},
		{"auto, required", "auto", true, true, "", 1, false},
		{"default, required without an endpoint", "", false, true, ReasonDiscovery, 0, false},
		{"required, not offered", "required", false, false, ReasonDiscovery, 0, false},
		{"off, offered", "off", true, false, "", 0, true},
		{"off, required", "off", true, true, "", 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			pushing(op, http.StatusCreated, pushedBody(pushedURI, 60))
			op.Metadata = func(m map[string]any) {
				if tc.offered {
					m["pushed_authorization_request_endpoint"] = op.URL + "/par"
				}
				m["require_pushed_authorization_requests"] = tc.required
			}
			to, err := op.provider(func(c *Config) { c.PushedAuthorization = tc.mode }).AuthorizationURL(t.Context(), evilRequest)
			if ReasonOf(err) != tc.reason || op.Count("/par") != tc.pushed || strings.Contains(to, "redirect_uri=") != tc.throughIt {
				t.Errorf("%s %v, %d pushed", to, err, op.Count("/par"))
			}
		})
	}
}

// Whatever goes wrong, the parameters do not go through the browser instead.
func TestPushedRequestFailures(t *testing.T) {
	long := strings.Repeat("x", maxRequestURI)
	for _, tc := range []struct {
		name   string
		status int
		body   string
		reason Reason
		want   string
	}{
		{"no request_uri", 201, `{"expires_in":60}`, ReasonPushed, "no request_uri"},
		{"request_uri is no string", 201, `{"request_uri":["urn:x"],"expires_in":60}`, ReasonPushed, "no request_uri"},
		{"relative", 201, pushedBody("/x", 60), ReasonPushed, "no absolute URI"},
		{"with a space", 201, pushedBody("urn:x y", 60), ReasonPushed, "no absolute URI"},
		{"with a line break", 201, pushedBody("urn:x\r\ny", 60), ReasonPushed, "no absolute URI"},
		{"not ASCII", 201, pushedBody("urn:é", 60), ReasonPushed, "no absolute URI"},
		{"with a fragment", 201, pushedBody("urn:x#y", 60), ReasonPushed, "no absolute URI"},
		{"too long", 201, pushedBody("urn:"+long, 60), ReasonPushed, "longer than"},
		{"expired", 201, pushedBody(pushedURI, 0), ReasonPushed, "expires_in"},
		{"for a negative time", 201, pushedBody(pushedURI, -5), ReasonPushed, "expires_in"},
		{"expires_in is text", 201, pushedBody(pushedURI, "soon"), ReasonPushed, "expires_in"},
		{"expires_in is missing", 201, `{"request_uri":"` + pushedURI + `"}`, ReasonPushed, "expires_in"},
		{"a page", 200, "<html>", ReasonPushed, "not the expected JSON"},
		{"two values", 201, pushedBody(pushedURI, 60) + "{}", ReasonPushed, "more than one"},
		{"too large", 201, `{"x":"` + strings.Repeat("x", maxBody) + `"}`, ReasonPushed, "larger than"},
		{"a redirect", 307, "", ReasonPushed, "answered 307"},
		{"invalid_client", 401, `{"error":"invalid_client"}`, ReasonClientRejected, `says "invalid_client"`},
		{"unauthorized_client", 400, `{"error":"unauthorized_client"}`, ReasonClientRejected, "pushed_authorization off"},
		{"invalid_request", 400, `{"error":"invalid_request","error_description":"no the challenge, the secret"}`, ReasonPushed, `"no ..., ..."; if this`},
		{"no JSON", 400, `nonsense`, ReasonPushed, "answered 400"},
		{"too many", 429, `{}`, ReasonUnavailable, "answered 429"},
		{"broken", 503, `{"error":"server_error"}`, ReasonUnavailable, "server_error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			pushing(op, tc.status, tc.body)
			to, err := op.provider(nil).AuthorizationURL(t.Context(), evilRequest)
			if to != "" || ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q, %v, want %s: %s", to, err, tc.reason, tc.want)
			}
			if n := op.Count("/par"); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("a redirect to elsewhere", func(t *testing.T) {
		op := newEvil(t)
		pushing(op, 201, "")
		op.Replace("/par", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		})
		if to, err := op.provider(nil).AuthorizationURL(t.Context(), evilRequest); to != "" || ReasonOf(err) != ReasonPushed || op.Count("/elsewhere") != 0 {
			t.Errorf("%q, %v", to, err)
		}
	})
	t.Run("no answer", func(t *testing.T) {
		op := newEvil(t)
		pushing(op, 201, "")
		done := make(chan struct{})
		t.Cleanup(func() { close(done) })
		op.Replace("/par", func(http.ResponseWriter, *http.Request) { <-done })
		began := time.Now()
		to, err := op.provider(func(c *Config) { c.Timeout = Duration(200 * time.Millisecond) }).AuthorizationURL(t.Context(), evilRequest)
		if to != "" || ReasonOf(err) != ReasonUnavailable || time.Since(began) > 5*time.Second {
			t.Errorf("%q, %v after %v", to, err, time.Since(began))
		}
	})
	t.Run("the browser goes away", func(t *testing.T) {
		op := newEvil(t)
		pushing(op, 201, "")
		ctx, cancel := context.WithCancel(t.Context())
		op.Replace("/par", func(_ http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm() // or the server does not see that the client has gone
			cancel()
			<-r.Context().Done()
		})
		if _, err := op.provider(nil).AuthorizationURL(ctx, evilRequest); ReasonOf(err) != ReasonClientGone {
			t.Error(err)
		}
	})
	for _, at := range []string{"http://push.example.com/par", "/par", "https://u:p@push.example.com/", "file:///etc/passwd"} {
		t.Run("endpoint "+at, func(t *testing.T) {
			op := newEvil(t)
			op.Metadata = lyingop.Set("pushed_authorization_request_endpoint", at)
			if to, err := op.provider(nil).AuthorizationURL(t.Context(), evilRequest); to != "" || ReasonOf(err) != ReasonDiscovery {
				t.Errorf("%q, %v", to, err)
			}
		})
	}
}

func TestPushedRequestKeepsTheEndpointsQuery(t *testing.T) {
	op := newEvil(t)
	pushing(op, 201, pushedBody(pushedURI, 60))
	p := op.provider(func(c *Config) { c.Authorization = &Authorization{URL: op.URL + "/authorize?tenant=1&client_id=x"} })
	to, err := p.AuthorizationURL(t.Context(), evilRequest)
	if want := op.URL + "/authorize?client_id=client&request_uri=" + url.QueryEscape(pushedURI) + "&tenant=1"; err != nil || to != want {
		t.Errorf("%s, %v", to, err)
	}
}

// Everything at once with a real provider: requests pushed, and no others taken;
// the client known by its key; the answer in a form; the ID token encrypted.
func TestHighSecurityWithRealProvider(t *testing.T) {
	sign, open := edKey(), lyingop.RSA().Signer
	op := testop.StartNode(t, testop.NodeOptions{
		RequirePAR: true,
		Client: map[string]any{
			"token_endpoint_auth_method": "private_key_jwt", "id_token_encrypted_response_alg": "RSA-OAEP-256",
			"jwks": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
				{Key: sign.Public(), KeyID: "sign", Use: "sig", Algorithm: "EdDSA"},
				{Key: open.Public(), KeyID: "open", Use: "enc", Algorithm: "RSA-OAEP-256"},
			}},
		},
	}, testRedirect)
	cfg := configFor(op)
	cfg.ClientSecret, cfg.ResponseMode = "", "form_post"
	cfg.ClientAuth, cfg.ClientKey, cfg.ClientKeyID = "private_key_jwt", pkcs8(sign), "sign"
	cfg.IDTokenKey, cfg.IDTokenKeyID = pkcs8(open), "open"
	p := mustNew(t, cfg, Options{})
	id, err := p.Exchange(t.Context(), newFlow(p).callback(t, op, "alice"))
	if err != nil {
		t.Fatal(err)
	}
	if id.User.ID != "alice" || strings.Count(id.Account.IDToken, ".") != 2 {
		t.Errorf("%+v", id)
	}
}

func b64std(s string) string {
	r := &http.Request{Header: http.Header{}}
	user, password, _ := strings.Cut(s, ":")
	r.SetBasicAuth(user, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}
