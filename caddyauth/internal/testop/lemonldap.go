package testop

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// lemonPortal is the program of Debian's package.
const lemonPortal = "/usr/share/lemonldap-ng/portal/htdocs/index.psgi"

// LemonUser is somebody whom LemonLDAP::NG's demonstration knows, with the name as
// the password, and what its page asks for.
var LemonUser = map[string][]string{"user": {"dwho"}, "password": {"dwho"}}

// StartLemonLDAP runs Debian's LemonLDAP::NG until the test ends, or skips the test
// if it is missing. It insists on PKCE and knows the users of its demonstration.
func StartLemonLDAP(t testing.TB, redirectURI, postLogoutURI string) *OP {
	t.Helper()
	plackup := testreq.Program(t, "plackup")
	testreq.File(t, lemonPortal, "Debian's package liblemonldap-ng-portal-perl")
	port := testport.Free(t)
	o := newOP("http://127.0.0.1:" + port)
	o.ClientID, o.ClientSecret = "gateway", rand.Text() // it does not decode them
	ini := lemonFiles(t, o, redirectURI, postLogoutURI)
	cmd := exec.Command(plackup, "--host", "127.0.0.1", "--port", port, "-E", "deployment", "-s", "HTTP::Server::PSGI", lemonPortal)
	cmd.Env = append(os.Environ(), "LLNG_DEFAULTCONFFILE="+ini)
	run(t, cmd, port)
	return o
}

// lemonFiles writes its configuration, and returns where it begins.
func lemonFiles(t testing.TB, o *OP, redirectURI, postLogoutURI string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"conf", "cache", "sessions/lock", "psessions/lock"} {
		fatal(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	fatal(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	fatal(t, err)
	inPEM := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	files := func(sub string) map[string]any {
		return map[string]any{"Directory": filepath.Join(dir, sub), "LockDirectory": filepath.Join(dir, sub, "lock")}
	}
	settings, err := json.Marshal(map[string]any{
		"cfgNum": 1, "cfgAuthor": "test", "cfgDate": 1, "cfgVersion": "2.16.1",
		"portal": o.URL + "/", "domain": "127.0.0.1", "cookieName": "lemonldap", "securedCookie": 0, "timeout": 3600, "portalSkin": "bootstrap",
		"authentication": "Demo", "userDB": "Same", "passwordDB": "Null", "registerDB": "Null", "portalDisplayResetPassword": 0,
		// What is there by default needs packages that nothing here makes use of.
		"captcha":           "::Main::Plugin",
		"demoExportedVars":  map[string]string{"cn": "cn", "mail": "mail", "uid": "uid"},
		"whatToTrace":       "uid",
		"locationRules":     map[string]any{"127.0.0.1": map[string]string{"default": "accept"}},
		"globalStorage":     "Apache::Session::File",
		"persistentStorage": "Apache::Session::File", "globalStorageOptions": files("sessions"), "persistentStorageOptions": files("psessions"),
		"localSessionStorage": "", "notification": 0, "loginHistoryEnabled": 0,
		"issuerDBOpenIDConnectActivation": 1, "oidcServiceMetaDataIssuer": o.URL, "oidcServiceAllowAuthorizationCodeFlow": 1,
		"oidcServiceKeyIdSig": "k1", "oidcServicePrivateKeySig": inPEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "oidcServicePublicKeySig": inPEM("PUBLIC KEY", public),
		"oidcRPMetaDataOptions": map[string]any{"gateway": map[string]any{
			"oidcRPMetaDataOptionsClientID": o.ClientID, "oidcRPMetaDataOptionsClientSecret": o.ClientSecret,
			"oidcRPMetaDataOptionsRedirectUris": redirectURI, "oidcRPMetaDataOptionsPostLogoutRedirectUris": postLogoutURI,
			"oidcRPMetaDataOptionsIDTokenSignAlg": "RS256", "oidcRPMetaDataOptionsIDTokenForceClaims": 1,
			"oidcRPMetaDataOptionsBypassConsent": 1, "oidcRPMetaDataOptionsRequirePKCE": 1,
		}},
		"oidcRPMetaDataExportedVars": map[string]any{"gateway": map[string]string{"email": "mail", "name": "cn", "preferred_username": "uid"}},
	})
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(dir, "conf", "lmConf-1.json"), settings, 0o600))
	ini := filepath.Join(dir, "lemonldap-ng.ini")
	fatal(t, os.WriteFile(ini, []byte("[all]\nlogLevel=warn\n[configuration]\ntype=File\ndirName="+filepath.Join(dir, "conf")+
		"\nlocalStorage=Cache::FileCache\nlocalStorageOptions={'cache_root'=>'"+filepath.Join(dir, "cache")+"','namespace'=>'c','default_expires_in'=>600,'directory_umask'=>'007','cache_depth'=>3}\n"+
		"[portal]\nstaticPrefix=/static\ntemplateDir=/usr/share/lemonldap-ng/portal/templates\nlanguages=en\n"), 0o600))
	return ini
}
