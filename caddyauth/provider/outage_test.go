package provider

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

func authorize(p OAuth, ctx context.Context) error {
	_, err := p.AuthorizationURL(ctx, AuthorizationRequest{RedirectURI: testRedirect, State: "s", Nonce: "n", CodeChallenge: "c"})
	return err
}

// refused returns an address where nobody listens.
func refused(t *testing.T) string {
	s := httptest.NewServer(nil)
	defer s.Close()
	return s.URL
}

// bomb answers with a little that becomes a lot.
func bomb() http.HandlerFunc {
	// Packed before anybody waits, which takes long with the race detector.
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(make([]byte, 8*maxBody))
	z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(b.Bytes())
	}
}

func TestDiscoveryFailures(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lie    func(op *evilOP)
		reason Reason
	}{
		{"IDP-10 oidcc-client-test-discovery-issuer-mismatch", func(op *evilOP) { op.Metadata = lyingop.Set("issuer", op.URL+"1") }, ReasonIssuer},
		{"IDP-10 a slash more", func(op *evilOP) { op.Metadata = lyingop.Set("issuer", op.URL+"/") }, ReasonIssuer},
		{"IDP-10 no issuer", func(op *evilOP) { op.Metadata = lyingop.Set("issuer", nil) }, ReasonIssuer},
		{"IDP-06 503", func(op *evilOP) { op.Replace("/.well-known/openid-configuration", fail(503)) }, ReasonUnavailable},
		{"404", func(op *evilOP) { op.Replace("/.well-known/openid-configuration", fail(404)) }, ReasonDiscovery},
		{"a page", func(op *evilOP) {
			op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>secret") })
		}, ReasonDiscovery},
		{"IDP-12 token endpoint without TLS", func(op *evilOP) { op.Metadata = lyingop.Set("token_endpoint", "http://sso.example.com/token") }, ReasonDiscovery},
		{"jwks_uri is a file", func(op *evilOP) { op.Metadata = lyingop.Set("jwks_uri", "file:///etc/passwd") }, ReasonDiscovery},
		{"authorization endpoint is a script", func(op *evilOP) { op.Metadata = lyingop.Set("authorization_endpoint", "javascript:alert(1)") }, ReasonDiscovery},
		{"endpoint with a user name", func(op *evilOP) { op.Metadata = lyingop.Set("token_endpoint", "https://a:b@sso.example.com/") }, ReasonDiscovery},
		{"no token endpoint", func(op *evilOP) { op.Metadata = lyingop.Set("token_endpoint", nil) }, ReasonDiscovery},
		{"IDP-09 redirect to another host", func(op *evilOP) {
			op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://localhost:1/", http.StatusFound)
			})
		}, ReasonDiscovery},
		{"IDP-09 redirect loop", func(op *evilOP) {
			op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, r.URL.Path, http.StatusFound)
			})
		}, ReasonDiscovery},
		{"huge body", func(op *evilOP) {
			op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, `{"issuer":"`+strings.Repeat("x", maxBody)+`"}`)
			})
		}, ReasonDiscovery},
		{"UINFO-04 gzip bomb", func(op *evilOP) {
			op.Replace("/.well-known/openid-configuration", bomb())
		}, ReasonDiscovery},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			tc.lie(op)
			err := authorize(op.provider(nil), t.Context())
			if ReasonOf(err) != tc.reason {
				t.Errorf("%v, want %s", err, tc.reason)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	t.Run("IDP-13 no answer but 200 is read", func(t *testing.T) {
		for _, status := range []int{201, 202, 203, 206, 226, 300, 301, 302, 304, 305, 404} {
			op := newEvil(t)
			op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				if status != 304 {
					io.WriteString(w, strings.Repeat("secret of the inside ", 1000))
				}
			})
			err := authorize(op.provider(nil), t.Context())
			told, _ := errors.AsType[*statusError](err)
			if told == nil || told.status != status || ReasonOf(err) != ReasonDiscovery {
				t.Errorf("%d: %.300v", status, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%d: the body is in the error", status)
			}
		}
	})
	t.Run("errors are of bounded length", func(t *testing.T) {
		long := strings.Repeat("x", 100_000)
		for name, lie := range map[string]func(op *evilOP){
			"endpoint": func(op *evilOP) { op.Metadata = lyingop.Set("token_endpoint", "gopher://"+long) },
			"type": func(op *evilOP) {
				op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/"+long[:40_000])
				})
			},
		} {
			op := newEvil(t)
			lie(op)
			if err := authorize(op.provider(nil), t.Context()); err == nil || len(err.Error()) > 2*maxErrorText {
				t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
			}
		}
		var n []int
		if err := decodeStrict([]byte("["+strings.Repeat("9", 100_000)+"]"), &n); err == nil || len(err.Error()) > 2*maxErrorText {
			t.Errorf("JSON: an error of %d bytes", len(err.Error()))
		}
	})
	t.Run("a redirect within the origin is followed", func(t *testing.T) {
		op := newEvil(t)
		op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		})
		op.Replace("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = lyingop.Discovery
			op.Answer(w, r)
		})
		if err := authorize(op.provider(nil), t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A document under an https issuer must not lead to plain http, not even on this
// machine, where something else may listen.
func TestDiscoveredEndpointsKeepTLS(t *testing.T) {
	for _, tc := range []struct {
		issuer, endpoint string
		ok               bool
	}{
		{"https://sso.example.com", "https://other.example.com/jwks", true},
		{"https://sso.example.com", "http://127.0.0.1/jwks", false},
		{"https://sso.example.com", "http://sso.example.com/jwks", false},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/jwks", true},
		{"http://127.0.0.1:8080", "http://sso.example.com/jwks", false},
	} {
		if err := (&metadata{issuer: tc.issuer, jwks: tc.endpoint}).check(); (err == nil) != tc.ok {
			t.Errorf("%s -> %s: %v", tc.issuer, tc.endpoint, err)
		}
	}
}

func TestOutage(t *testing.T) {
	t.Run("IDP-06 down at provision", func(t *testing.T) {
		dead := refused(t)
		p := mustNew(t, Config{Preset: "oidc", Issuer: dead, ClientID: "c", ClientSecret: "s"}, Options{})
		err := authorize(p, t.Context())
		if ReasonOf(err) != ReasonUnavailable {
			t.Error(err)
		}
		if e, _ := errors.AsType[*Error](err); e == nil || e.RetryAfter <= 0 || e.RetryAfter > backoffMin {
			t.Errorf("%#v", err)
		}
	})
	t.Run("a provider that is down costs little", func(t *testing.T) {
		op := newEvil(t)
		op.Replace("/.well-known/openid-configuration", fail(503))
		p := op.provider(nil)
		// Attempts are allowed after 1, 2, 4, 8 ... s; in ten minutes of two
		// sign-ins each second there are few.
		for range 1200 {
			if err := authorize(p, t.Context()); ReasonOf(err) != ReasonUnavailable {
				t.Fatal(err)
			}
			op.wait(time.Second / 2)
		}
		if n := op.Count("/.well-known/openid-configuration"); n < 10 || n > 20 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		down, ok := p.(Health).Down()
		if !ok || down.Reason != ReasonUnavailable || !down.Since.Equal(theTime) || !down.Retry.After(op.clock()) {
			t.Errorf("%+v %v", down, ok)
		}
		op.Replace("/.well-known/openid-configuration", nil)
		op.wait(backoffMax)
		if _, ok := p.(Health).Down(); ok {
			t.Error("still down though an attempt is due")
		}
		if err := authorize(p, t.Context()); err != nil {
			t.Errorf("up again: %v", err)
		}
		if _, ok := p.(Health).Down(); ok {
			t.Error("down and yet it answered")
		}
	})
	t.Run("metadata outlives an outage and a reload", func(t *testing.T) {
		op := newEvil(t)
		cache := NewCache()
		before := mustNew(t, op.config(), Options{Now: op.clock, Cache: cache})
		if _, err := op.exchange(before); err != nil {
			t.Fatal(err)
		}
		op.Replace("/.well-known/openid-configuration", fail(503))
		op.Replace("/jwks", fail(503))
		op.wait(20 * time.Hour)
		op.Claims = func(m map[string]any) { m["iat"], m["exp"] = op.clock().Unix(), op.clock().Unix()+60 }
		after := mustNew(t, op.config(), Options{Now: op.clock, Cache: cache})
		if _, err := op.exchange(after); err != nil {
			t.Errorf("stale metadata and keys: %v", err)
		}
		op.wait(5 * time.Hour)
		if err := authorize(after, t.Context()); ReasonOf(err) != ReasonUnavailable {
			t.Errorf("after a day: %v", err)
		}
	})
	t.Run("one discovery for many at once", func(t *testing.T) {
		op := newEvil(t)
		p := op.provider(nil)
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if err := authorize(p, t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := op.Count("/.well-known/openid-configuration"); n != 1 {
			t.Errorf("%d discoveries", n)
		}
	})
	t.Run("warm learns of an outage without waiting", func(t *testing.T) {
		op := newEvil(t)
		op.Replace("/.well-known/openid-configuration", fail(503))
		p := op.provider(nil)
		p.(Health).Warm()
		for range 200 {
			if _, down := p.(Health).Down(); down {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("the outage did not show")
	})
	t.Run("a caller that leaves does not spoil it for others", func(t *testing.T) {
		op := newEvil(t)
		release := make(chan struct{})
		op.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
			<-release
			op.Answer(w, r)
		})
		p := op.provider(nil)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() { left <- authorize(p, ctx) }()
		stays := make(chan error, 1)
		go func() { stays <- authorize(p, t.Context()) }()
		cancel()
		if err := <-left; ReasonOf(err) != ReasonClientGone {
			t.Errorf("the one who left: %v", err)
		}
		close(release)
		if err := <-stays; err != nil {
			t.Errorf("the one who stayed: %v", err)
		}
	})
}

// A server that never finishes is left in time, and nothing of it remains.
func TestSlowProvider(t *testing.T) {
	for _, path := range []string{lyingop.Discovery, lyingop.Token, lyingop.JWKS, lyingop.Userinfo} {
		for _, part := range []string{"headers", "body"} {
			t.Run("IDP-07 slow "+part+" "+path, func(t *testing.T) { testSlow(t, path, part == "headers") })
		}
	}
}

func testSlow(t *testing.T, path string, headers bool) {
	op := newEvil(t)
	stop := make(chan struct{})
	op.Replace(path, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		text := "HTTP/1.1 200 OK\r\nX-Slow: "
		if !headers {
			text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
		}
		for _, err = io.WriteString(conn, text); err == nil; _, err = io.WriteString(conn, " ") {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				return
			}
		}
	})
	before := runtime.NumGoroutine()
	p := op.provider(func(c *Config) { c.Timeout, c.Userinfo = Duration(200*time.Millisecond), "on" })
	began := time.Now()
	_, err := op.exchange(p)
	if ReasonOf(err) != ReasonUnavailable {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	close(stop)
	p.(*oauthProvider).client.CloseIdleConnections()
	for range 300 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestTokenEndpoint(t *testing.T) {
	answer := func(status int, contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const js = "application/json"
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
		reason  Reason
		code    string
	}{
		{"IDP-13 400 JSON", answer(400, js, `{"error":"invalid_grant","error_description":"Code the code expired"}`), ReasonToken, "invalid_grant"},
		{"IDP-13 401 JSON", answer(401, js, `{"error":"invalid_client"}`), ReasonClientRejected, "invalid_client"},
		{"IDP-13 400 another client error", answer(400, js, `{"error":"unauthorized_client"}`), ReasonClientRejected, "unauthorized_client"},
		{"IDP-13 GitHub's client error", answer(200, js, `{"error":"incorrect_client_credentials"}`), ReasonClientRejected, "incorrect_client_credentials"},
		{"IDP-13 client error of a broken server", answer(500, js, `{"error":"invalid_client"}`), ReasonUnavailable, "invalid_client"},
		{"IDP-13 500 HTML", answer(500, "text/html", `<h1>the code</h1>`), ReasonUnavailable, ""},
		{"IDP-13 400 HTML", answer(400, "text/html", `<h1>the code</h1>`), ReasonToken, ""},
		{"IDP-13 200 with error", answer(200, js, `{"error":"bad_verification_code","error_description":"x"}`), ReasonToken, "bad_verification_code"},
		{"IDP-13 200 form with error", answer(200, "application/x-www-form-urlencoded", `error=bad_verification_code`), ReasonToken, "bad_verification_code"},
		{"IDP-13 503 JSON", answer(503, js, `{"error":"temporarily_unavailable"}`), ReasonUnavailable, "temporarily_unavailable"},
		{"IDP-13 empty body", answer(200, js, ``), ReasonTokenResponse, ""},
		{"IDP-13 truncated", answer(200, js, `{"access_token":"x"`), ReasonTokenResponse, ""},
		{"IDP-13 BOM", answer(200, js, "\ufeff"+`{"access_token":"x"}`), ReasonTokenResponse, ""},
		{"IDP-13 no access_token", answer(200, js, `{"token_type":"Bearer"}`), ReasonTokenResponse, ""},
		{"IDP-13 null", answer(200, js, `null`), ReasonTokenResponse, ""},
		{"IDP-13 a list", answer(200, js, `[]`), ReasonTokenResponse, ""},
		{"IDP-13 duplicate keys, the last is an error", answer(200, js, `{"error":"","error":"x","access_token":"a","token_type":"bearer"}`), ReasonToken, "x"},
		{"IDP-13 huge", answer(200, js, `{"access_token":"`+strings.Repeat("x", maxBody)+`"}`), ReasonTokenResponse, ""},
		{"IDP-09 redirect 302", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", 302) }, ReasonTokenResponse, ""},
		{"IDP-09 redirect 307", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", 307) }, ReasonTokenResponse, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Replace("/token", tc.handler)
			_, err := op.exchange(op.provider(nil))
			e, _ := errors.AsType[*Error](err)
			if e == nil || e.Reason != tc.reason || e.Code != tc.code {
				t.Fatalf("%#v: %v, want %s %q", err, err, tc.reason, tc.code)
			}
			if strings.Contains(err.Error(), "the code") || strings.Contains(err.Error(), "the secret") || len(err.Error()) > 500 {
				t.Errorf("the error says too much: %.600s", err)
			}
			if n, other := op.Count("/token"), op.Count("/other"); n != 1 || other != 0 {
				t.Errorf("TOKEN-06: the code was sent %d times here and %d elsewhere", n, other)
			}
		})
	}
}

func TestTokenResponses(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(map[string]any)
		reason  Reason
		expires int64
	}{
		{"TOKEN-21 BEARER", lyingop.Set("token_type", "BEARER"), "", 300},
		{"TOKEN-21 missing", func(m map[string]any) { delete(m, "token_type") }, ReasonTokenResponse, 0},
		{"TOKEN-21 mac", lyingop.Set("token_type", "mac"), ReasonTokenResponse, 0},
		{"TOKEN-21 DPoP", lyingop.Set("token_type", "DPoP"), ReasonTokenResponse, 0},
		{"TOKEN-22 expires_in absent", func(m map[string]any) { delete(m, "expires_in") }, "", 0},
		{"TOKEN-22 expires_in null", lyingop.Set("expires_in", nil), "", 0},
		{"TOKEN-22 expires_in a string", lyingop.Set("expires_in", "3600"), "", 3600},
		{"TOKEN-22 expires_in words", lyingop.Set("expires_in", "soon"), "", 0},
		{"TOKEN-22 expires_in negative", lyingop.Set("expires_in", -1), "", 0},
		{"TOKEN-22 expires_in 1e30", lyingop.Set("expires_in", 1e30), "", 0},
		{"TOKEN-22 expires_in a fraction", lyingop.Set("expires_in", 299.9), "", 299},
		{"TOKEN-22 expires_in a list", lyingop.Set("expires_in", []int{1}), "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Response = tc.change
			id, err := op.exchange(op.provider(nil))
			if ReasonOf(err) != tc.reason {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			want := int64(0)
			if tc.expires > 0 {
				want = theTime.Unix() + tc.expires
			}
			if id.Account.ExpiresAt != want {
				t.Errorf("expires at %d, want %d", id.Account.ExpiresAt, want)
			}
		})
	}
	t.Run("refresh token and scope", func(t *testing.T) {
		op := newEvil(t)
		op.Response = func(m map[string]any) { m["refresh_token"], m["scope"] = "r", "openid email" }
		id, err := op.exchange(op.provider(nil))
		if err != nil || id.Account.RefreshToken != "r" || id.Account.Scope != "openid email" || id.Account.AccessToken != evilAccess {
			t.Errorf("%+v, %v", id, err)
		}
	})
}

func TestTokenRequest(t *testing.T) {
	methods := []string{"client_secret_post", "private_key_jwt"}
	for _, tc := range []struct {
		name      string
		auth      string
		supported any
		basic     bool
		secret    string
	}{
		{"default", "", nil, true, ""},
		{"default where only post is offered", "", methods, false, "a+b c%/é"},
		{"default where both are", "", append(methods, "client_secret_basic"), true, ""},
		{"default where neither is", "", []string{"private_key_jwt"}, true, ""},
		{"basic", "basic", methods, true, ""},
		{"post", "post", nil, false, "a+b c%/é"},
		{"none", "none", nil, false, ""},
	} {
		t.Run("TOKEN-06 oidcc-client-test-client-secret-basic "+tc.name, func(t *testing.T) {
			op := newEvil(t)
			op.Metadata = lyingop.Set("token_endpoint_auth_methods_supported", tc.supported)
			op.Claims = lyingop.Set("aud", "the client:1")
			var form url.Values
			var user, secret string
			var basic bool
			op.Tap = func(path string, r *http.Request) {
				if path == "/token" {
					_ = r.ParseForm()
					form = r.PostForm
					user, secret, basic = r.BasicAuth()
				}
			}
			p := op.provider(func(c *Config) { c.ClientAuth, c.ClientID, c.ClientSecret = tc.auth, "the client:1", "a+b c%/é" })
			if _, err := op.exchange(p); err != nil {
				t.Fatal(err)
			}
			if basic != tc.basic || form.Get("client_secret") != tc.secret {
				t.Errorf("basic %v, secret in the form %q", basic, form.Get("client_secret"))
			}
			if basic { // RFC 6749 2.3.1: both are form-encoded inside the header
				user, _ = url.QueryUnescape(user)
				secret, _ = url.QueryUnescape(secret)
				if user != "the client:1" || secret != "a+b c%/é" || form.Has("client_id") {
					t.Errorf("user %q, secret %q, form %v", user, secret, form)
				}
			} else if form.Get("client_id") != "the client:1" {
				t.Errorf("form %v", form)
			}
			if form.Get("code") != "the code" || form.Get("grant_type") != "authorization_code" ||
				form.Get("redirect_uri") != testRedirect || len(form.Get("code_verifier")) != 43 {
				t.Errorf("form %v", form)
			}
			if n := op.Count("/token"); n != 1 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestCallbackParameters(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(op *evilOP, r *CallbackRequest)
		reason Reason
	}{
		{"TOKEN-02 iss wrong", func(op *evilOP, r *CallbackRequest) { r.Params.Set("iss", "https://evil.example") }, ReasonIss},
		{"TOKEN-02 iss with a slash more", func(op *evilOP, r *CallbackRequest) { r.Params.Set("iss", op.URL+"/") }, ReasonIss},
		{"TOKEN-02 iss empty", func(op *evilOP, r *CallbackRequest) { r.Params.Set("iss", "") }, ReasonIss},
		{"TOKEN-02 iss twice", func(op *evilOP, r *CallbackRequest) { r.Params["iss"] = []string{op.URL, op.URL} }, ReasonIss},
		{"TOKEN-02 iss missing though promised", func(op *evilOP, r *CallbackRequest) {
			op.Metadata = lyingop.Set("authorization_response_iss_parameter_supported", true)
		}, ReasonIss},
		{"iss right", func(op *evilOP, r *CallbackRequest) { r.Params.Set("iss", op.URL) }, ""},
		{"code missing", func(op *evilOP, r *CallbackRequest) { r.Params.Del("code") }, ReasonCode},
		{"code empty", func(op *evilOP, r *CallbackRequest) { r.Params.Set("code", "") }, ReasonCode},
		{"code twice", func(op *evilOP, r *CallbackRequest) { r.Params["code"] = []string{"a", "b"} }, ReasonCode},
		{"PKCE-01 verifier missing", func(op *evilOP, r *CallbackRequest) { r.CodeVerifier = "" }, ReasonPKCE},
		{"nonce of the flow missing", func(op *evilOP, r *CallbackRequest) { r.Nonce = "" }, ReasonNonce},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			cb := evilCallback()
			tc.change(op, &cb)
			_, err := op.provider(nil).Exchange(t.Context(), cb)
			if ReasonOf(err) != tc.reason {
				t.Errorf("%v, want %q", err, tc.reason)
			}
			if n := op.Count("/token"); tc.reason != "" && n != 0 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}
