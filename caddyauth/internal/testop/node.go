package testop

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// NodeOptions change what StartNode's provider does.
type NodeOptions struct {
	// ConformIDToken leaves the claims of scopes out of the ID token, as the
	// standard has it, so that they are at the userinfo endpoint only.
	ConformIDToken bool
	// SignedUserinfo makes the userinfo endpoint answer with a JWT.
	SignedUserinfo bool
	// Post registers the client for client_secret_post.
	Post bool
	// Auth is how the client authenticates, as discovery calls it. Default:
	// client_secret_basic.
	Auth string
	// Keys are the client's public keys, for private_key_jwt and EncryptIDToken.
	Keys []jose.JSONWebKey
	// RequirePAR refuses requests that are not pushed (RFC 9126); NoPAR takes none
	// of those.
	RequirePAR, NoPAR bool
	// EncryptIDToken is the algorithm that ID tokens are encrypted with, none if it
	// is empty.
	EncryptIDToken string
}

// StartNode runs npm's oidc-provider until the test ends, or skips the test if
// Node.js or the package is missing. It insists on PKCE and sends the iss
// parameter of RFC 9207.
func StartNode(t testing.TB, opt NodeOptions, redirectURIs ...string) *OP {
	t.Helper()
	node := testreq.Program(t, "node")
	dir := filepath.Join(moduleRoot(t), "testdata", "e2e")
	testreq.File(t, filepath.Join(dir, "node_modules", "oidc-provider"), "the npm package oidc-provider in testdata/e2e/node_modules")

	settings := map[string]any{
		"client_id": clientID, "client_secret": clientSecret, "redirect_uris": redirectURIs,
		"conform_id_token": opt.ConformIDToken, "users": nodeUsers(),
	}
	if opt.SignedUserinfo {
		settings["userinfo_signed_response_alg"] = "RS256"
	}
	if opt.Post {
		settings["token_endpoint_auth_method"] = "client_secret_post"
	}
	if opt.Auth != "" {
		settings["token_endpoint_auth_method"] = opt.Auth
	}
	if opt.Keys != nil {
		settings["jwks"] = jose.JSONWebKeySet{Keys: opt.Keys}
	}
	if opt.EncryptIDToken != "" {
		settings["id_token_encrypted_response_alg"] = opt.EncryptIDToken
	}
	settings["require_par"], settings["no_par"] = opt.RequirePAR, opt.NoPAR
	config, err := json.Marshal(settings)
	fatal(t, err)
	cmd := exec.Command(node, filepath.Join(dir, "oidc-provider.mjs"), string(config))
	stdin, err := cmd.StdinPipe()
	fatal(t, err)
	stdout, err := cmd.StdoutPipe()
	fatal(t, err)
	cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		cmd.Stderr = nil
	}
	fatal(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	fatal(t, err)
	var started struct{ Issuer string }
	fatal(t, json.Unmarshal(line, &started))
	return &OP{URL: started.Issuer, ClientID: clientID, ClientSecret: clientSecret, redirects: redirectURIs, counts: make(map[string]int)}
}

func nodeUsers() map[string]any {
	list := make(map[string]any)
	for _, u := range Users() {
		list[u.Username] = map[string]any{
			"name": u.FirstName + " " + u.LastName, "email": u.Email, "email_verified": u.EmailVerified, "groups": u.Groups,
		}
	}
	return list
}

// moduleRoot is found by walking up, as paths of source files are cut out of
// binaries built with -trimpath.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	fatal(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
