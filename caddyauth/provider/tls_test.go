package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// authority signs certificates of tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.key = a.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// certificate is one for 127.0.0.1, as far as change leaves it so.
func (a *authority) certificate(change func(*x509.Certificate)) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	change(template)
	key := a.newKey()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// An OP whose certificate is not good gets nothing, and there is no way around it.
func TestCertificates(t *testing.T) {
	ours, stranger := newAuthority(t), newAuthority(t)
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	none := func(*x509.Certificate) {}
	for _, tc := range []struct {
		name string
		by   *authority
		cert func(*x509.Certificate)
		tls  uint16 // the newest version that the server speaks
		want string // empty: all is well
	}{
		{"good", ours, none, tls.VersionTLS13, ""},
		{"IDP-15 expired", ours, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, tls.VersionTLS13, "certificate"},
		{"IDP-15 not good yet", ours, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, tls.VersionTLS13, "certificate"},
		{"IDP-15 for another host", ours, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.example"} }, tls.VersionTLS13, "certificate"},
		{"IDP-15 of nobody who is trusted", stranger, none, tls.VersionTLS13, "certificate"},
		{"an old version", ours, none, tls.VersionTLS11, "protocol version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			op := newEvil(t)
			server := httptest.NewUnstartedServer(op.OP)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{tc.by.certificate(tc.cert)}, MaxVersion: tc.tls, MinVersion: tls.VersionTLS10}
			server.StartTLS()
			t.Cleanup(server.Close)
			op.URL = server.URL
			p := op.provider(nil)
			transport := p.(*oauthProvider).client.Transport.(*boundedTransport).next.(*http.Transport)
			transport.TLSClientConfig.RootCAs = roots
			_, err := op.exchange(p)
			if tc.want == "" {
				if err != nil || op.Count(lyingop.Token) != 1 {
					t.Errorf("%d token requests, %v", op.Count(lyingop.Token), err)
				}
				return
			}
			if ReasonOf(err) != ReasonUnavailable || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if n := op.Count(lyingop.Discovery) + op.Count(lyingop.Token); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
