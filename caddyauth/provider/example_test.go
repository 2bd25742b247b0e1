package provider_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

func ExampleNew() {
	p, err := provider.New(provider.Config{
		Preset:       "github",
		ClientID:     "Iv1.example",
		ClientSecret: "the client secret",
	}, provider.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := p.AuthorizationURL(context.Background(), provider.AuthorizationRequest{
		RedirectURI: "https://app.example.com/api/auth/callback/github",
		State:       "state", CodeChallenge: "challenge",
	})
	fmt.Println(err, strings.ReplaceAll(u, "&", "\n&"))
	// Output:
	// <nil> https://github.com/login/oauth/authorize?client_id=Iv1.example
	// &scope=read%3Auser%20user%3Aemail
	// &response_type=code
	// &redirect_uri=https%3A%2F%2Fapp.example.com%2Fapi%2Fauth%2Fcallback%2Fgithub
	// &state=state
	// &code_challenge=challenge
	// &code_challenge_method=S256
}

func ExampleNew_incomplete() {
	_, err := provider.New(provider.Config{Preset: "gihub"}, provider.Options{})
	fmt.Println(err)
	// Output: unknown provider 'gihub', did you mean 'github'? For any OIDC issuer use: provider oidc https://...
}
