package authapi_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/caddyauth/gateway/caddyauth/authapi"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// A site with one provider, served by net/http alone.
func ExampleAPI_Serve() {
	secrets := []string{"a secret of at least 32 characters"}
	ring, err := jwt.NewRing(dialect.V4, secrets, "")
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := session.New(session.Options{Ring: ring})
	if err != nil {
		log.Fatal(err)
	}
	idp, err := provider.New(provider.Config{
		Preset: "oidc", ID: "sso", Name: "Our SSO", Issuer: "https://sso.example.com",
		ClientID: "app", ClientSecret: "its secret",
	}, provider.Options{})
	if err != nil {
		log.Fatal(err)
	}
	api, err := authapi.New(authapi.Options{
		Providers: []provider.Provider{idp}, Sessions: sessions, Secrets: secrets,
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("/api/auth/", func(w http.ResponseWriter, r *http.Request) {
		api.Serve(w, r, authapi.Site{
			Origin: "https://app.example.com", BasePath: "/api/auth",
			Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		})
	})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/api/auth/providers", nil))
	fmt.Println(w.Body)
	// Output: {"sso":{"id":"sso","name":"Our SSO","type":"oauth","signinUrl":"https://app.example.com/api/auth/signin/sso","callbackUrl":"https://app.example.com/api/auth/callback/sso"}}
}
