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

// field is one of them. JavaScript's view of it decides: in dialect v4 a
// repeated form field is an array, and an array equals no token and is no URL.
// So it is present, but has no text.
type field struct {
	text    string
	present bool
	invalid bool   // repeated, or JSON but no string
	raw     string // JSON as it was written, where it was JSON
}

// text returns a field that is one string, "" otherwise.
func (f fields) text(name string) string { return f[name].text }

// truthy reports whether JavaScript would call the field's value true.
func (f field) truthy() bool { return f.invalid || f.text != "" }

// json returns the field's value as JSON, "" if there is none.
func (f field) json() string {
	if f.raw == "" && f.present && !f.invalid {
		return string(jwt.AppendString(nil, f.text))
	}
	return f.raw
}

// values returns the fields that are one string.
func (f fields) values() url.Values {
	v := make(url.Values, len(f))
	for name, field := range f {
		if field.present && !field.invalid {
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

// readBody reads a body of at most limit bytes. Every type but a form and JSON
// has no fields: browsers send text/plain and multipart across sites without
// asking first, so these must not pass for anything.
func (q *request) readBody(limit int64) (fields, *bodyError) {
	if q.r.Body == nil {
		return nil, nil
	}
	if q.r.ContentLength > limit {
		return nil, errTooLarge
	}
	raw, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, limit))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errBody
	}
	return q.api.contract.parseBody(q.r.Header.Get("Content-Type"), string(raw))
}

// parseBodyV4 goes by the media type (RFC 9110, section 8.3.1). Without a body
// even JSON has no fields.
func parseBodyV4(contentType, raw string) (fields, *bodyError) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, nil
	}
	switch media {
	case "application/x-www-form-urlencoded":
		return parseForm(raw), nil
	case "application/json", "application/ld+json":
		// The byte order mark is not a part of the text (RFC 8259, section 8.1).
		if raw = strings.TrimPrefix(raw, "\ufeff"); raw != "" {
			return parseJSON(raw)
		}
	}
	return nil, nil
}

// parseBodyV5 looks for the two types anywhere in the header, in lower case.
// Both are read as UTF-8 with or without a mark (Encoding standard, section 6,
// decode), and a form as if it were a query, question mark and all.
func parseBodyV5(contentType, raw string) (fields, *bodyError) {
	raw = strings.ToValidUTF8(strings.TrimPrefix(raw, "\ufeff"), "\uFFFD")
	switch {
	case strings.Contains(contentType, "application/json"):
		return parseJSON(raw)
	case strings.Contains(contentType, "application/x-www-form-urlencoded"):
		return parseFormV5(strings.TrimPrefix(raw, "?")), nil
	}
	return nil, nil
}

// parseForm reads a query or a form the way Node does: broken escapes stand for
// themselves and a semicolon separates nothing, where net/url would drop the
// field.
func parseForm(raw string) fields { return parsePairs(raw, fields.add) }

// parseFormV5 differs in that the last of repeated fields counts.
func parseFormV5(raw string) fields {
	return parsePairs(raw, func(f fields, name string, v field) { f[name] = v })
}

func parsePairs(raw string, add func(f fields, name string, v field)) fields {
	f := make(fields)
	for n := 0; raw != "" && n < maxFields; n++ {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		add(f, unescape(name), field{text: unescape(value), present: true})
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
			f[name] = field{text: v.String(), present: true, raw: v.Raw()}
		case jwt.Null:
			f[name] = field{raw: v.Raw()}
		default:
			f[name] = field{present: true, invalid: true, raw: v.Raw()}
		}
		return len(f) < maxFields
	})
	if err != nil {
		return nil, errJSON
	}
	return f, nil
}
