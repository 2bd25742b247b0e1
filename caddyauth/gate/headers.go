package gate

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// Field is one identity header.
type Field struct {
	// Name is the name of the header field.
	Name string
	// Claim is the path of a claim of the session token, with dots between
	// the names of nested objects. Lists become comma-separated.
	Claim string
	// Value computes the value instead; Claim is empty then. It is written as
	// it is, whatever HeaderOptions.MultiProvider says.
	Value func(*session.Session) string

	// list is for fields of several values.
	list func(*session.Session) []string
}

// HeaderOptions configures Headers.
type HeaderOptions struct {
	// Preset is remote, oauth2_proxy or none. Empty means none.
	Preset string
	// Fields come in addition. One with the name of a preset's replaces it.
	Fields []Field
	// MultiProvider says that the site has two or more providers. The presets
	// write logins and account ids with the provider's id then, github:octocat,
	// as rules do: the same name at another provider is another person. Fields
	// are not touched: whoever maps a login or an id to a field of their own
	// needs another field for the provider.
	MultiProvider bool

	// Provider is the only provider whose accounts go without it, empty if all do
	// or none.
	Provider string
}

// Headers names the person to the upstream.
//
// A value consists of visible ASCII characters and spaces. Everything else, a
// percent sign, and a space at either end are percent-encoded as UTF-8, so
// that names in plain ASCII stay as they are, decodeURIComponent restores all
// others, and no claim can break out of its field. Within the items of a list,
// commas and semicolons are encoded too: a group called "a,admin" is one group.
type Headers struct {
	fields []field
}

type field struct {
	Field
	// value returns the value before encoding. Nil for lists.
	value func(*session.Session) string
}

// NewHeaders checks and compiles the options.
func NewHeaders(options HeaderOptions) (*Headers, error) {
	if options.Preset == "" {
		options.Preset = "none"
	}
	preset, ok := presets[options.Preset]
	if !ok {
		return nil, fmt.Errorf("unrecognized headers preset '%s': use remote, oauth2_proxy or none", options.Preset)
	}
	hs := new(Headers)
	for _, f := range preset {
		compiled := field{Field: f, value: f.Value}
		switch {
		case !isUserField(f.Name):
		case options.MultiProvider:
			compiled.value = withProvider(f.Value)
		case options.Provider != "":
			compiled.value = exceptOf(options.Provider, f.Value)
		}
		hs.put(compiled)
	}
	for _, f := range options.Fields {
		if err := checkField(f); err != nil {
			return nil, err
		}
		f.Name = textproto.CanonicalMIMEHeaderKey(f.Name)
		compiled := field{Field: f, value: f.Value}
		hs.put(compiled)
	}
	return hs, nil
}

func isUserField(name string) bool {
	return strings.HasSuffix(name, "-User") || strings.HasSuffix(name, "-Preferred-Username")
}

// put adds f, or replaces the field of its name.
func (hs *Headers) put(f field) {
	for i := range hs.fields {
		if hs.fields[i].Name == f.Name {
			hs.fields[i] = f
			return
		}
	}
	hs.fields = append(hs.fields, f)
}

// unsettable are fields that frame or route the request, or that belong to the
// connection. None can name a person.
var unsettable = map[string]bool{
	"Connection": true, "Content-Length": true, "Content-Type": true, "Cookie": true, "Expect": true,
	"Forwarded": true, "Host": true, "Keep-Alive": true, "Origin": true, "Proxy-Connection": true,
	"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Via": true,
	"X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true,
}

func checkField(f Field) error {
	name := textproto.CanonicalMIMEHeaderKey(f.Name)
	switch {
	case f.Name == "" || len(f.Name) > maxFieldName || strings.Trim(f.Name, tokenChars) != "" || !isAlnum(f.Name[0]):
		return fmt.Errorf("headers: %q is no name of a header field", f.Name)
	case unsettable[name] || strings.HasPrefix(name, "Sec-"):
		return fmt.Errorf("headers: %s cannot name a person", name)
	case (f.Claim == "") == (f.Value == nil):
		return fmt.Errorf("headers: %s needs a claim path or a value", name)
	}
	return nil
}

const tokenChars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// Names returns the names of the fields, for NewOwned.
func (hs *Headers) Names() []string {
	names := make([]string, len(hs.fields))
	for i := range hs.fields {
		names[i] = hs.fields[i].Name
	}
	return names
}

// Set puts the fields for s into h. Fields without a value, and all of them if
// s is nil, are absent afterwards, whatever h had: an upstream that finds one
// can trust it.
func (hs *Headers) Set(h http.Header, s *session.Session) {
	if len(hs.fields) == 0 {
		return
	}
	if s == nil {
		for i := range hs.fields {
			delete(h, hs.fields[i].Name)
		}
		return
	}
	values := make([]string, len(hs.fields))
	for i := range hs.fields {
		f := &hs.fields[i]
		if values[i] = f.of(s); values[i] == "" {
			delete(h, f.Name)
			continue
		}
		// The capacity keeps a later Header.Add out of the neighbor's value.
		h[f.Name] = values[i : i+1 : i+1]
	}
}
