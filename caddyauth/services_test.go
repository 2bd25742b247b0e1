package caddyauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// TestAppleFromFiles has the key that Apple lets one download where people put
// it: in the file that a placeholder or the environment names.
func TestAppleFromFiles(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "AuthKey.p8")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AUTH_APPLE_ID", "com.example.web")
	t.Setenv("AUTH_APPLE_KEY_ID", "KEY1234567")
	const site = "\nhttp://localhost:{PORT} {\n\tcaddyauth {\n\t\tallow any\n"
	t.Run("a placeholder", func(t *testing.T) {
		if err := loadError(t, "", site+"\t\tprovider apple {\n\t\t\tclient_secret {file."+file+"}\n\t\t\tsetting team_id TEAM123456\n\t\t}\n\t}\n}\n"); err != nil {
			t.Error(err)
		}
	})
	t.Run("the environment", func(t *testing.T) {
		t.Setenv("AUTH_APPLE_SECRET_FILE", file)
		t.Setenv("AUTH_APPLE_TEAM_ID", "TEAM123456")
		if err := loadError(t, "", site+"\t\tprovider apple\n\t}\n}\n"); err != nil {
			t.Error(err)
		}
	})
}
