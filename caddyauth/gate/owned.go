package gate

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Owned is the set of the header fields that only this gateway may set. A
// client that sends one could otherwise pass for somebody else.
//
// Names are compared folded: without regard to case, and with every character
// that is neither a letter nor a digit taken for the same. Upstreams that make
// variables of header fields (CGI and its descendants) cannot tell
// Remote-User, Remote_User and Remote.User apart.
type Owned struct {
	byLength [maxFieldName + 1][]string
	starts   [256]bool
}

const maxFieldName = 128

// ownedFamily is a whole family of names, of which presets use a few and
// upstreams trust others, such as X-Auth-Request-Access-Token.
const ownedFamily = "x-auth-request-"

// NewOwned returns the set of every field that a preset sets, the whole of
// X-Auth-Request-*, and names, which should be those that any site of the
// configuration sets.
func NewOwned(names ...string) *Owned {
	o := new(Owned)
	for _, preset := range presets {
		for _, f := range preset {
			o.add(f.Name)
		}
	}
	for _, name := range names {
		o.add(name)
	}
	o.starts['x'], o.starts['X'] = true, true
	return o
}

func (o *Owned) add(name string) {
	b := make([]byte, len(name))
	for i := range b {
		b[i] = foldField[name[i]]
	}
	folded := string(b)
	if n := len(folded); n > 0 && n <= maxFieldName && !contains(o.byLength[n], folded) {
		o.byLength[n] = append(o.byLength[n], folded)
		for c := range o.starts {
			o.starts[c] = o.starts[c] || foldField[c] == folded[0]
		}
	}
}

// Names are the fields of the set in lower case, in alphabetical order. Those of
// X-Auth-Request-* are there only as far as somebody named them.
func (o *Owned) Names() []string {
	names := []string{}
	for _, list := range o.byLength {
		names = append(names, list...)
	}
	slices.Sort(names)
	return names
}

// foldField folds one byte of a field name.
var foldField = func() (t [256]byte) {
	for i := range t {
		switch c := byte(i); {
		case isAlnum(c) && c >= 'A':
			t[i] = c | 0x20
		case isAlnum(c):
			t[i] = c
		default:
			t[i] = '-'
		}
	}
	return t
}()

// Owns says whether name is owned, however it is spelled.
func (o *Owned) Owns(name string) bool {
	if len(name) == 0 || !o.starts[name[0]] {
		return false
	}
	if len(name) <= maxFieldName {
		for _, folded := range o.byLength[len(name)] {
			if hasFoldedPrefix(name, folded) {
				return true
			}
		}
	}
	return hasFoldedPrefix(name, ownedFamily)
}

func hasFoldedPrefix(name, folded string) bool {
	if len(name) < len(folded) {
		return false
	}
	for i := 0; i < len(folded); i++ {
		if foldField[name[i]] != folded[i] {
			return false
		}
	}
	return true
}

// Strip removes the owned fields from h. It looks at the keys as they are:
// other handlers may have put some there that are not in canonical form.
func (o *Owned) Strip(h http.Header) {
	for name := range h {
		if o.Owns(name) {
			delete(h, name)
		}
	}
}

// StripRequest removes the owned fields from r's header and from its trailer,
// both the announced one and, once the body has been read, the real one.
func (o *Owned) StripRequest(r *http.Request) {
	o.Strip(r.Header)
	// A trailer comes without an announcement only where HTTP/1 does not say
	// how long the body is (RFC 9112 section 7.1.2).
	if r.Body == nil || r.Body == http.NoBody || len(r.Trailer) == 0 && (r.ContentLength >= 0 || r.ProtoMajor != 1) {
		return
	}
	o.Strip(r.Trailer)
	r.Body = &trailerBody{r.Body, r, o}
}

// trailerBody strips the trailer when net/http has read it, which is when the
// body ends.
type trailerBody struct {
	io.ReadCloser
	r     *http.Request
	owned *Owned
}

func (b *trailerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.owned.Strip(b.r.Trailer)
	}
	return n, err
}

// SanitizeConnection takes from the Connection field of a request what would
// make a proxy remove fields after the gate has decided: "Connection: close,
// Remote-User" deletes the very header that was set for the upstream.
//
// close, keep-alive, upgrade and te stay. Options that name an owned field,
// Cookie, Authorization, Host, Forwarded or X-Forwarded-* are dropped and the
// fields stay. Any other option is dropped together with the field that it
// names, as the proxy would have done (RFC 9110 section 7.6.1).
func (o *Owned) SanitizeConnection(h http.Header) {
	lines := h["Connection"]
	if !hasOtherOptions(lines) {
		return
	}
	var kept []string
	for _, line := range lines {
		for token := range strings.SplitSeq(line, ",") {
			switch token = strings.Trim(token, " \t"); {
			case isConnectionOption(token):
				kept = append(kept, token)
			case token == "" || o.isProtected(token):
			default:
				removeField(h, token)
			}
		}
	}
	if len(kept) == 0 {
		delete(h, "Connection")
		return
	}
	h["Connection"] = []string{strings.Join(kept, ", ")}
}

func hasOtherOptions(lines []string) bool {
	for _, line := range lines {
		for more := true; more; {
			var token string
			token, line, more = strings.Cut(line, ",")
			if !isConnectionOption(strings.Trim(token, " \t")) {
				return true
			}
		}
	}
	return false
}

func isConnectionOption(token string) bool {
	switch len(token) {
	case len("te"):
		return equalFold(token, "te")
	case len("close"):
		return equalFold(token, "close")
	case len("upgrade"):
		return equalFold(token, "upgrade")
	case len("keep-alive"):
		return equalFold(token, "keep-alive")
	}
	return false
}

// isProtected says whether a field must reach the upstream whatever the
// client's Connection says: the gate has decided by it, or a trusted proxy has
// set it.
func (o *Owned) isProtected(name string) bool {
	if o.Owns(name) || hasFoldedPrefix(name, "x-forwarded-") {
		return true
	}
	for _, p := range [...]string{"cookie", "authorization", "host", "forwarded"} {
		if len(name) == len(p) && hasFoldedPrefix(name, p) {
			return true
		}
	}
	return false
}

func removeField(h http.Header, name string) {
	for key := range h {
		if strings.EqualFold(key, name) {
			delete(h, key)
		}
	}
}
