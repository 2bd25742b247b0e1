package authapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/jwt"
)

const (
	// maxBody is the size limit of Next.js for a body, in bytes.
	maxBody = 1 << 20
	// maxFields is how many fields are looked at; Node stops there too.
	maxFields = 1000
)

// fields are the fields of a query or a body.
type fields map[string]field

// field is one of them. JavaScript's view of it decides: a repeated form field
// is an array there, and an array equals no token and is no URL. So it is
// present, but has no text.
type field struct {
	text    string
	present bool
	invalid bool // repeated, or JSON but no string
}

// text returns a field that is one string, "" otherwise.
func (f fields) text(name string) string { return f[name].text }

// truthy reports whether JavaScript would call the field's value true.
func (f field) truthy() bool { return f.invalid || f.text != "" }

// values returns the fields that are one string.
func (f fields) values() url.Values {
	v := make(url.Values, len(f))
	for name, field := range f {
		if !field.invalid {
			v[name] = []string{field.text}
		}
	}
	return v
}

// bodyError is an answer to a body that cannot be read.
type bodyError struct {
	status int
	text   string
}

var (
	errTooLarge = &bodyError{http.StatusRequestEntityTooLarge, "Body exceeded 1mb limit"}
	errJSON     = &bodyError{http.StatusBadRequest, "Invalid JSON"}
	errBody     = &bodyError{http.StatusBadRequest, "Invalid body"}
)

// readBody reads a form or a JSON object. Every other type has no fields:
// browsers send text/plain and multipart across sites without asking first, so
// these must not pass for anything.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) (fields, *bodyError) {
	if r.Body == nil {
		return nil, nil
	}
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errBody
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil
	}
	switch media {
	case "application/x-www-form-urlencoded":
		return parseForm(string(raw)), nil
	case "application/json", "application/ld+json":
		return parseJSON(string(raw))
	}
	return nil, nil
}

// parseForm reads a query or a form the way Node does: broken escapes stand for
// themselves and a semicolon separates nothing, where net/url would drop the
// field.
func parseForm(raw string) fields {
	f := make(fields)
	for n := 0; raw != "" && n < maxFields; n++ {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		f.add(unescape(name), field{text: unescape(value), present: true})
	}
	return f
}

// add makes a field that comes again a list, which has no text.
func (f fields) add(name string, v field) {
	if f[name].present {
		v = field{present: true, invalid: true}
	}
	f[name] = v
}

// unescape decodes one name or value of a form.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	s = strings.ReplaceAll(s, "+", " ")
	if decoded, err := url.PathUnescape(s); err == nil {
		return strings.ToValidUTF8(decoded, "\uFFFD")
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := url.PathUnescape(s[i : i+3]); err == nil {
				out = append(out, c...)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// parseJSON reads a JSON object. Of repeated members the last one counts, as
// for JSON.parse; a value of null is as good as none. JSON that is no object
// has no fields.
func parseJSON(raw string) (fields, *bodyError) {
	if raw == "" {
		return nil, nil
	}
	if !strings.HasPrefix(strings.TrimLeft(raw, " \t\r\n"), "{") {
		if json.Valid([]byte(raw)) {
			return nil, nil
		}
		return nil, errJSON
	}
	f := make(fields)
	err := jwt.Members(raw, func(name string, v jwt.Value) bool {
		switch v.Kind() {
		case jwt.String:
			f[name] = field{text: v.String(), present: true}
		case jwt.Null:
			delete(f, name)
		default:
			f[name] = field{present: true, invalid: true}
		}
		return len(f) < maxFields
	})
	if err != nil {
		return nil, errJSON
	}
	return f, nil
}
