package testop

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// Where Debian's package has the program's parts.
const (
	glewlwydModules = "/usr/lib/glewlwyd/"
	glewlwydTables  = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
)

// Glewlwyd is a running glewlwyd.
type Glewlwyd struct {
	// URL is the issuer.
	URL                    string
	ClientID, ClientSecret string

	api string
}

// StartGlewlwyd runs Debian's glewlwyd until the test ends, or skips the test if it
// is missing. The client has to push its requests, and gets access tokens that are
// good for a second and refresh tokens that are good for one use. It is told when
// sessions end.
func StartGlewlwyd(t testing.TB, redirectURI, backchannelURI string) *Glewlwyd {
	t.Helper()
	program, sqlite := testreq.Program(t, "glewlwyd"), testreq.Program(t, "sqlite3")
	testreq.File(t, glewlwydTables, "Debian's package glewlwyd")
	dir, port := t.TempDir(), testport.Free(t)
	database, config := filepath.Join(dir, "glewlwyd.db"), filepath.Join(dir, "glewlwyd.conf")
	tables, err := os.Open(glewlwydTables)
	fatal(t, err)
	defer tables.Close()
	fill := exec.Command(sqlite, database)
	fill.Stdin = tables
	fatal(t, fill.Run())
	home := "http://127.0.0.1:" + port
	fatal(t, os.WriteFile(config, []byte(fmt.Sprintf(`
port=%s
bind_address="127.0.0.1"
external_url="%s"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="%[3]suser"
client_module_path="%[3]sclient"
user_auth_scheme_module_path="%[3]sscheme"
plugin_module_path="%[3]splugin"
hash_algorithm="SHA512"
database = { type = "sqlite3"; path = "%[4]s" }
`, port, home, glewlwydModules, database)), 0o600))
	cmd := exec.Command(program, "--config-file="+config)
	run(t, cmd, port)
	// What RFC 6749, section 2.3.1, has encoded, it does not decode.
	g := &Glewlwyd{URL: home + "/api/oidc", ClientID: "gateway", ClientSecret: rand.Text(), api: home + "/api"}
	g.setUp(t, redirectURI, backchannelURI)
	return g
}

// setUp is what its administrator does on its pages.
func (g *Glewlwyd) setUp(t testing.TB, redirectURI, backchannelURI string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	fatal(t, err)
	// The package's tables have this administrator.
	g.call(t, jar, http.MethodPost, "/auth/", map[string]any{"username": "admin", "password": "password"})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, err)
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "k1", Algorithm: "ES256"}}})
	fatal(t, err)
	g.call(t, jar, http.MethodPost, "/mod/plugin/", map[string]any{
		"module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "order_rank": 0,
		"parameters": map[string]any{
			"iss": g.URL, "jwks-private": string(keys), "jwks-show": true,
			"access-token-duration": 1, "refresh-token-duration": 86400, "code-duration": 60,
			"refresh-token-rolling": true, "refresh-token-one-use": "always", "allow-non-oidc": false,
			"auth-type-code-enabled": true, "auth-type-id-token-enabled": true, "auth-type-refresh-enabled": true,
			"auth-type-token-enabled": false, "auth-type-password-enabled": false, "auth-type-client-enabled": false, "auth-type-device-enabled": false,
			"scope": []any{}, "additional-parameters": []any{}, "claims": []any{},
			"name-claim": "mandatory", "email-claim": "mandatory", "scope-claim": "no",
			"pkce-allowed": true, "pkce-method-plain-allowed": false, "oauth-as-iss-id": true,
			"oauth-par-allowed": true, "oauth-par-required": true, "oauth-par-duration": 60, "oauth-par-request_uri-prefix": "urn:glewlwyd:",
			"session-management-allowed": true, "session-cookie-name": "GLEWLWYD2_OIDC_SID", "session-cookie-expiration": 86400, "back-channel-logout-allowed": true, "front-channel-logout-allowed": false,
		},
	})
	for _, scope := range []string{"profile", "email", "offline_access"} {
		g.call(t, jar, http.MethodPost, "/scope/", map[string]any{"name": scope, "display_name": scope, "password_required": false, "scheme": map[string]any{}})
	}
	g.call(t, jar, http.MethodPost, "/client/", map[string]any{
		"client_id": g.ClientID, "name": "The gateway", "enabled": true, "confidential": true, "password": g.ClientSecret, "client_secret": g.ClientSecret,
		"redirect_uri": []string{redirectURI}, "authorization_type": []string{"code", "refresh_token"}, "scope": []string{},
		"token_endpoint_auth_method": []string{"client_secret_basic"},
		"backchannel_logout_uri":     backchannelURI, "backchannel_logout_session_required": "true",
	})
	for _, u := range Users() {
		g.call(t, jar, http.MethodPost, "/user/", map[string]any{
			"username": u.Username, "password": Password, "name": u.FirstName + " " + u.LastName, "email": u.Email, "enabled": true,
			"scope": []string{"openid", "profile", "email", "offline_access", "g_profile"},
		})
	}
}

// SignIn does what glewlwyd's pages do in a browser with those cookies, and returns
// where it is sent in the end.
func (g *Glewlwyd) SignIn(t testing.TB, jar http.CookieJar, authorizationURL, username string) *url.URL {
	t.Helper()
	next := g.open(t, jar, authorizationURL)
	if next.Path != "/login.html" {
		return next
	}
	g.call(t, jar, http.MethodPost, "/auth/", map[string]any{"username": username, "password": Password})
	g.call(t, jar, http.MethodPut, "/auth/grant/"+g.ClientID, map[string]any{"scope": next.Query().Get("scope")})
	return g.open(t, jar, next.Query().Get("callback_url")+"&g_continue")
}

// EndSession does what glewlwyd's page does to which the client sends a browser that
// signs out.
func (g *Glewlwyd) EndSession(t testing.TB, jar http.CookieJar, endSessionURL string) {
	t.Helper()
	sid := g.open(t, jar, endSessionURL).Query().Get("sid")
	g.call(t, jar, http.MethodDelete, "/oidc/session/"+url.PathEscape(sid), nil)
}

// open returns where an address redirects to.
func (g *Glewlwyd) open(t testing.TB, jar http.CookieJar, target string) *url.URL {
	t.Helper()
	resp, err := step(browserOf(jar), mustParse(t, target), nil)
	fatal(t, err)
	defer resp.Body.Close()
	next, err := resp.Location()
	if err != nil {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s\n%s", target, resp.Status, body)
	}
	return next
}

// call calls glewlwyd's own API, as its pages do.
func (g *Glewlwyd) call(t testing.TB, jar http.CookieJar, method, path string, body any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	fatal(t, err)
	req, err := http.NewRequest(method, g.api+path, bytes.NewReader(encoded))
	fatal(t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := browserOf(jar).Do(req)
	fatal(t, err)
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, strings.TrimSpace(string(text)))
	}
}

// run runs a provider until the test ends, and waits until it listens.
func run(t testing.TB, cmd *exec.Cmd, port string) {
	t.Helper()
	if testing.Verbose() {
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	}
	fatal(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(until) {
			t.Fatalf("%s does not listen", cmd.Path)
		}
	}
}
