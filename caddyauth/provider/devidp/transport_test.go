package devidp

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// roundTrip sends one request through the transport.
func roundTrip(t *testing.T, c *transport, method, address string, form url.Values) *http.Response {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func testTransport(t *testing.T) *transport {
	t.Helper()
	s := newSite(t)
	tn, ok := newTenant("http://localhost:1"+base+"/dev", "dev", "dev", defaultPersonas())
	if !ok {
		t.Fatal("no tenant")
	}
	return &transport{s.idp, tn}
}

func TestTransportStaysInside(t *testing.T) {
	c := testTransport(t)
	for _, address := range []string{
		"http://localhost:2" + base + "/dev/keys",
		"https://localhost:1" + base + "/dev/keys",
		"http://localhost:1" + base + "/session",
		"http://evil.example/",
	} {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := c.RoundTrip(req); err == nil {
			t.Errorf("%s: status %d", address, resp.StatusCode)
		}
	}
}

func TestTransportAnswer(t *testing.T) {
	c := testTransport(t)
	resp := roundTrip(t, c, "GET", c.tenant.issuer+keysPath, nil)
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Status != "200 OK" || int64(len(b)) != resp.ContentLength ||
		resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(string(b), `"kty":"RSA"`) {
		t.Errorf("%s, %v: %s", resp.Status, resp.Header, b)
	}
	if strings.Contains(string(b), `"d":`) {
		t.Error("the private key is in the key set")
	}
}

func TestTransportHonorsCancellation(t *testing.T) {
	c := testTransport(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.tenant.issuer+keysPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.RoundTrip(req); err == nil {
		t.Error("answered a canceled request")
	}
}

func TestRecorderIsBounded(t *testing.T) {
	w := &recorder{header: make(http.Header)}
	chunk := make([]byte, 64<<10)
	for range maxResponse / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write([]byte("x")); err == nil || !w.overflow || w.body.Len() != maxResponse {
		t.Errorf("error %v, overflow %v, %d bytes", err, w.overflow, w.body.Len())
	}
}
