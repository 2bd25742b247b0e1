package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	fatal(t, err)
	der2, err := x509.MarshalPKCS8PrivateKey(private)
	fatal(t, err)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		fatal(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", der2)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "server")
	other, otherKey := certificate(t, "other")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	fatal(t, l.Close())
	testdb.Redis(t, "tls-port", strconv.Itoa(port), "tls-cert-file", cert, "tls-key-file", key, "tls-ca-cert-file", cert)

	url := fmt.Sprintf("rediss://127.0.0.1:%d", port)
	good := fmt.Sprintf("%s?ca=%s&cert=%s&key=%s", url, cert, cert, key)
	within(t, 10*time.Second, "the server is fast enough", func() bool {
		s, err := Open(t.Context(), good, Options{})
		if err == nil {
			_ = s.Close()
		}
		return err == nil
	})
	s := opened(t, good)
	keepSome(t, s)
	watching(t, s)

	refused(t, url, "certificate signed by unknown authority")
	refused(t, url+"?ca="+other, "certificate signed by unknown authority")
	refused(t, strings.Replace(url, "127.0.0.1", "localhost", 1)+"?ca="+cert, "wanted to match localhost")
	refused(t, url+"?ca="+cert, "redis")                                                    // without a certificate
	refused(t, fmt.Sprintf("%s?ca=%s&cert=%s&key=%s", url, cert, other, otherKey), "redis") // with one of somebody else
	refused(t, fmt.Sprintf("%s?ca=%s&cert=%s&key=%s", url, cert, cert, otherKey), "private key does not match")
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "r@") // short: a socket's path has 100 characters
	fatal(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	testdb.Redis(t, "unixsocket", path)
	s := opened(t, "unix://"+strings.ReplaceAll(path, "@", "%40")+"?db=1")
	keepSome(t, s)
}

// TestPool wants calls to wait for a free connection, and not for long.
func TestPool(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s := opened(t, server.URL+"?pool_size=2")
	k := keepSome(t, s)
	const n = 50
	errs := make(chan error, n)
	ask := func() {
		for range n {
			go func() { _, err := s.SessionByToken(t.Context(), k.session.Token); errs <- err }()
		}
	}
	ask()
	for range n {
		fatal(t, <-errs)
	}
	if used := strings.Count(server.Do("CLIENT", "LIST"), "cmd=evalsha"); used > 2 {
		t.Errorf("%d connections", used)
	}

	server.Pause()
	start := time.Now()
	ask()
	for range n {
		if err := <-errs; err == nil {
			t.Error("no error from a server that hangs")
		}
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	server.Resume()
	within(t, 3*time.Second, "works again", func() bool { return s.Ping(t.Context()) == nil })
}

// TestRestartedServer wants the first calls after a restart to work, although
// their connections and scripts are gone.
func TestRestartedServer(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s := opened(t, server.URL)
	k := keepSome(t, s)
	for range 3 {
		server.Stop()
		server.Start()
		if _, err := s.SessionByToken(t.Context(), k.session.Token); err != nil {
			t.Error(err)
		}
		if _, err := s.CreateUser(t.Context(), store.User{Name: "x"}); err != nil {
			t.Error(err)
		}
		server.Do("SCRIPT", "FLUSH")
		fatal(t, s.Ping(t.Context()))
	}
}
