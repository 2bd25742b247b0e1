package devidp

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxResponse bounds an answer of the provider to its own client.
const maxResponse = 1 << 20

// transport carries the client's requests to the provider by function call: no
// connection, no certificate to trust, no other process in between.
type transport struct {
	idp    *server
	tenant *tenant
}

// RoundTrip answers requests below the issuer, and no others.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(r.URL.Scheme+"://"+r.URL.Host+r.URL.Path, t.tenant.issuer)
	if !ok {
		return nil, errors.New("not an address of the development provider")
	}
	// What a server gets is not what a client sends: a round tripper must leave
	// the request alone, and handlers expect a body.
	in := r.Clone(r.Context())
	in.Host = r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &recorder{header: make(http.Header), status: http.StatusOK}
	t.idp.serve(w, in, t.tenant, path, r.URL.RawQuery)
	if w.overflow {
		return nil, errors.New("the development provider's answer is too long")
	}
	return w.response(r), nil
}

// recorder keeps an answer, up to maxResponse.
type recorder struct {
	header   http.Header
	status   int
	wrote    bool
	overflow bool
	body     bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(p) > maxResponse {
		w.overflow = true
		return 0, errors.New("answer too long")
	}
	return w.body.Write(p)
}

func (w *recorder) response(r *http.Request) *http.Response {
	return &http.Response{
		Status:        strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header,
		Body:          io.NopCloser(bytes.NewReader(w.body.Bytes())),
		ContentLength: int64(w.body.Len()),
		Request:       r,
	}
}
