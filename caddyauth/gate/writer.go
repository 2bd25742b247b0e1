package gate

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/cookie"
)

// ResponseRules is what must hold of a response when its header is written,
// whatever the handlers behind us have put there.
type ResponseRules struct {
	// Owned tells the cookies that nobody behind us may set. Nil leaves all
	// Set-Cookie fields alone.
	Owned func(name string) bool
	// Private says that the response depends on the session: shared caches
	// must not keep it (RFC 9111 section 3.5 knows of Authorization only, not
	// of cookies).
	Private bool
	// CORS is the origin whose pages may read the response, unless the handlers
	// behind us have said which ones may. VaryOrigin says that for others it is
	// another response.
	CORS       string
	VaryOrigin bool
	// Cookies are set in addition. A response with any is not stored at all.
	Cookies []cookie.Cookie
}

// Writer applies ResponseRules. It is the only wrapper between the server's
// writer and the handlers behind us, and passes on all that the server's
// writer can do.
//
// Finish must be called when those handlers have returned: a response without
// body may be left to net/http, which does not ask the Writer.
type Writer struct {
	http.ResponseWriter
	rules   ResponseRules
	applied bool
	// control is what Cache-Control is set to, here to save an allocation.
	control [1]string
}

// NewWriter wraps w.
func NewWriter(w http.ResponseWriter, rules ResponseRules) *Writer {
	return &Writer{ResponseWriter: w, rules: rules}
}

// Wrap makes a Writer that is a part of something else one for w.
func (w *Writer) Wrap(under http.ResponseWriter, rules ResponseRules) {
	w.ResponseWriter, w.rules = under, rules
}

// WriteHeader applies the rules and writes the header. Informational
// responses (1xx) lose owned cookies and are not yet it; 101 is, as the
// connection is something else afterwards.
func (w *Writer) WriteHeader(status int) {
	switch {
	case w.applied:
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		if w.rules.Owned != nil {
			cookie.StripResponse(w.Header(), w.rules.Owned)
		}
	default:
		w.Finish()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Finish applies the rules unless they have been. It writes nothing.
func (w *Writer) Finish() {
	if w.applied {
		return
	}
	w.applied = true
	h := w.Header()
	if w.rules.Owned != nil && h["Set-Cookie"] != nil {
		cookie.StripResponse(h, w.rules.Owned)
	}
	for i := range w.rules.Cookies {
		h.Add("Set-Cookie", w.rules.Cookies[i].String())
	}
	if w.rules.CORS != "" && len(h["Access-Control-Allow-Origin"]) == 0 {
		allowOrigin(h, w.rules.CORS)
	}
	if w.rules.VaryOrigin && !varies(h, "origin") {
		h.Add("Vary", "Origin")
	}
	switch {
	case len(w.rules.Cookies) > 0:
		w.control[0] = "private, no-cache, no-store"
	case !w.rules.Private:
		return
	default:
		w.control[0] = privateControl(h["Cache-Control"])
	}
	h["Cache-Control"] = w.control[:]
	// Where one of these is present, Cache-Control does not count for the
	// caches that know it (RFC 9213 section 2.2).
	for _, name := range [...]string{"Cdn-Cache-Control", "Surrogate-Control"} {
		delete(h, name)
	}
}

// varies reports whether Vary names a field, or all.
func varies(h http.Header, lower string) bool {
	return hasToken(h["Vary"], lower) || hasToken(h["Vary"], "*")
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	if !w.applied {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom, by which files are sent without passing
// through user space.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	if !w.applied {
		w.WriteHeader(http.StatusOK)
	}
	if rf, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(w.ResponseWriter, r)
}

// FlushError flushes, which writes the header if nothing has.
func (w *Writer) FlushError() error {
	if !w.applied {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *Writer) Flush() { _ = w.FlushError() }

// Hijack implements http.Hijacker. The error is http.ErrNotSupported where
// the connection cannot be taken over.
func (w *Writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Push implements http.Pusher.
func (w *Writer) Push(target string, options *http.PushOptions) error {
	if p, ok := w.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, options)
	}
	return errors.ErrUnsupported
}

// Unwrap is what http.ResponseController finds the rest by.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// privateControl makes of the lines of a Cache-Control field one that keeps
// shared caches out. Each directive stands once; the two lines that come of a
// handler and an upstream that both set the field become one.
func privateControl(lines []string) string {
	if len(lines) == 0 {
		// Without a word from the upstream, browsers guess by Last-Modified how
		// long they may show a page again (RFC 9111 section 4.2.2): after a
		// sign-out, too. They must ask.
		return "private, no-cache"
	}
	if len(lines) == 1 && isPrivateAlready(lines[0]) {
		return lines[0]
	}
	var kept []string
	private := false
	for _, line := range lines {
		for line != "" {
			var directive string
			directive, line = cutDirective(line)
			name, _, _ := strings.Cut(directive, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "", "public", "s-maxage", "proxy-revalidate", "private":
				continue // private="x" concerns the field x only
			}
			private = private || strings.EqualFold(directive, "no-store")
			if !contains(kept, directive) {
				kept = append(kept, directive)
			}
		}
	}
	if !private {
		kept = append(kept, "private")
	}
	return strings.Join(kept, ", ")
}

// isPrivateAlready spares the usual values the parsing.
func isPrivateAlready(line string) bool {
	switch line {
	case "private", "no-store", "no-cache, no-store", "private, no-cache, no-store", "private, no-store",
		"no-store, no-cache, must-revalidate", "private, max-age=0, must-revalidate":
		return true
	}
	return false
}

// cutDirective returns the first directive of a line and the rest. A comma in
// a quoted string ends nothing; a string that nothing ends is left out, since
// it would swallow what comes after.
func cutDirective(line string) (directive, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return strings.TrimSpace(line[:i]), line[i+1:]
		}
	}
	if quoted {
		return "", ""
	}
	return strings.TrimSpace(line), ""
}

// Interface guards
var (
	_ http.Flusher  = (*Writer)(nil)
	_ http.Hijacker = (*Writer)(nil)
	_ http.Pusher   = (*Writer)(nil)
	_ io.ReaderFrom = (*Writer)(nil)
)
