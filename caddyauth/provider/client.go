package provider

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBody bounds every answer of an identity provider, after decompression.
	maxBody = 1 << 20
	// maxRedirects is generous for servers that add a slash or a locale.
	maxRedirects = 3
	// maxConns bounds the connections to one host. Calls beyond it wait: however
	// many callbacks come, the provider sees no more than this at a time.
	maxConns = 16
	// userAgent is sent with every request: GitHub refuses those without one.
	userAgent = "caddyauth"
)

var (
	errBodyTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxBody)
	errRedirect     = errors.New("a redirect where none may be")
)

// newClient returns the client for one provider's calls: bounded in time, size
// and redirects whatever its transport is.
func newClient(base *http.Client, hosts []string, timeout time.Duration) *http.Client {
	c := &http.Client{Timeout: timeout, CheckRedirect: checkRedirect}
	var transport http.RoundTripper
	if base != nil {
		transport = base.Transport
		if transport == nil {
			transport = http.DefaultTransport
		}
	} else {
		transport = newTransport(hosts)
	}
	c.Transport = &boundedTransport{next: transport}
	return c
}

func newTransport(hosts []string) *http.Transport {
	g := newGuard(hosts)
	return &http.Transport{
		Proxy:                  g.proxy,
		DialContext:            g.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4,
		MaxIdleConnsPerHost:    2,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// checkRedirect follows a GET within the same origin only. A redirected token
// request would carry the code and the client's secret to wherever it points.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case first.Method != http.MethodGet:
		return errRedirect
	case req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host:
		return fmt.Errorf("%w: to another origin, %q", errRedirect, req.URL.Host)
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: too many", errRedirect)
	}
	return nil
}

// boundedTransport sets the User-Agent and bounds the body.
type boundedTransport struct{ next http.RoundTripper }

func (t *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxBody}
	return resp, nil
}

// CloseIdleConnections lets http.Client reach the transport.
func (t *boundedTransport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// boundedBody fails where io.LimitReader would cut: half a document must not
// pass for a whole one.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if n > b.left {
		return 0, errBodyTooLarge
	}
	b.left -= n
	return n, err
}

// statusError is an answer other than 200. The body stays out of it, as it may
// hold anything.
type statusError struct {
	host   string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered %d %s", e.host, e.status, http.StatusText(e.status))
}

// get fetches a document, with a bearer token in the header if there is one
// (RFC 6750 2.1, the only way that keeps it out of logs).
func get(ctx context.Context, c *http.Client, url, bearer string) (body []byte, mediaType string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return send(c, req)
}

// send makes a call and returns what a status of 200 comes with.
func send(c *http.Client, req *http.Request) (body []byte, mediaType string, err error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", fmt.Errorf("reading the answer of %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", &statusError{host: req.URL.Host, status: resp.StatusCode}
	}
	mediaType, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return body, mediaType, nil
}

// decodeObject decodes exactly one JSON object. Names stay as they are written,
// of duplicate names the last wins as in JavaScript, numbers keep their digits.
func decodeObject(body []byte) (map[string]any, error) {
	var m map[string]any
	if err := decodeStrict(body, &m); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("null instead of a JSON object")
	}
	return m, nil
}

func decodeStrict(body []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return clipError(fmt.Errorf("not the expected JSON: %w", err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// failure gives an error its reason: a caller that went away, a provider that
// did not answer, or else the given one.
func failure(ctx context.Context, reason Reason, err error) *Error {
	var (
		known   *Error
		status  *statusError
		backoff *backoffError
		network net.Error
	)
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Reason: reason, Err: err}
	if errors.As(err, &backoff) {
		e.RetryAfter = backoff.wait
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Reason = ReasonClientGone
	case errors.As(err, &status):
		if status.status >= 500 || status.status == http.StatusTooManyRequests {
			e.Reason = ReasonUnavailable
		}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && !refusal(err):
		e.Reason = ReasonUnavailable
	}
	return e
}

// refusal reports whether a call failed by a rule of this package rather than
// on the network. http.Client wraps both alike.
func refusal(err error) bool {
	return errors.Is(err, errBodyTooLarge) || errors.Is(err, errRedirect) || errors.Is(err, errPrivate)
}
