package testop

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// NodeOptions change what StartNode's provider does.
type NodeOptions struct {
	// ConformIDToken leaves the claims of scopes out of the ID token, as the
	// standard has it, so that they are at the userinfo endpoint only.
	ConformIDToken bool
	// Client is further metadata of the client, as in its registration (RFC 7591).
	// Default: it authenticates with client_secret_basic, and nothing is encrypted.
	Client map[string]any
	// RequirePAR refuses requests that are not pushed (RFC 9126); NoPAR takes none
	// of those.
	RequirePAR, NoPAR bool
	// Lifetimes are those of the access tokens in seconds, the first one's first; the
	// last is that of all others. Default: an hour.
	Lifetimes []int
}

// StartNode runs npm's oidc-provider until the test ends, or skips the test if
// Node.js or the package is missing. It insists on PKCE, sends the iss parameter of
// RFC 9207, takes a refresh token once and asks before it signs anybody out.
func StartNode(t testing.TB, opt NodeOptions, redirectURIs ...string) *OP {
	t.Helper()
	node := testreq.Program(t, "node")
	dir := filepath.Join(moduleRoot(t), "testdata", "e2e")
	testreq.File(t, filepath.Join(dir, "node_modules", "oidc-provider"), "the npm package oidc-provider in testdata/e2e/node_modules")

	settings := map[string]any{
		"client_id": clientID, "client_secret": clientSecret, "redirect_uris": redirectURIs,
		"conform_id_token": opt.ConformIDToken, "users": nodeUsers(),
	}
	settings["client"], settings["require_par"], settings["no_par"] = opt.Client, opt.RequirePAR, opt.NoPAR
	if opt.Lifetimes != nil {
		settings["lifetimes"] = opt.Lifetimes
	}
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
	o := newOP(started.Issuer)
	o.told = func(t testing.TB) []Event { return tell(t, started.Issuer+"/told") }
	return o
}

// tell asks a provider of StartNode what it has done.
func tell(t testing.TB, url string) (events []Event) {
	t.Helper()
	resp, err := http.Get(url)
	fatal(t, err)
	defer resp.Body.Close()
	fatal(t, json.NewDecoder(resp.Body).Decode(&events))
	return events
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
