package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

func FuzzOpen(f *testing.F) {
	v4 := forms[0]
	for _, header := range []string{`{"alg":"dir","enc":"A256GCM"}`, `{"enc":"A256GCM","alg":"dir"}`, `{"alg":"dir","enc":"A256GCM","zip":"DEF"}`} {
		f.Add(v4.mint(f, testSecret, header, testClaims))
	}
	fuzzOpen(f, v4.ring(f, testSecret, "an older one"), v4.rawKey(f, testSecret))
}

func FuzzOpenV5(f *testing.F) {
	for _, form := range forms[1:] {
		f.Add(form.token(f, testSecret, testClaims))
		f.Add(form.mint(f, testSecret, "{"+form.members(f, testSecret)+`,"zip":"DEF"}`, testClaims))
	}
	// The key of A256GCM is the beginning of the longer one, see deriveKey.
	fuzzOpen(f, forms[1].ring(f, testSecret), forms[1].rawKey(f, testSecret))
}

// fuzzOpen holds that what opens is what go-jose opens as well, with the key of
// testSecret, to the same claims.
func fuzzOpen(f *testing.F, r *Ring, key []byte) {
	f.Fuzz(func(t *testing.T, token string) {
		got, err := r.Open(nil, token)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || got != nil {
				t.Fatalf("Open = %q, %v", got, err)
			}
			return
		}
		want, err := joseOpen(t, token, key)
		if err != nil {
			want, err = joseOpen(t, token, key[:32])
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Open(%q) = %q, go-jose %q, %v", token, got, want, err)
		}
	})
}

// FuzzHeader seals a good token under any header, and holds Open against the
// rules written with encoding/json.
func FuzzHeader(f *testing.F) {
	for i, form := range forms {
		m := form.members(f, testSecret)
		for _, header := range []string{"{" + m + "}", "{" + m + `,"typ":"JWT"}`, "{" + m + `,"crit":["exp"]}`, "{" + m + "," + m + "}"} {
			f.Add(uint8(i), header)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, header string) {
		form := forms[int(i)%len(forms)]
		token := form.mint(t, testSecret, header, testClaims)
		got, err := form.ring(t).OpenString(token)
		want := form.allows(t, header) && len(b64([]byte(header))) <= maxHeader
		if (err == nil) != want {
			t.Fatalf("header %q: %v; want it to open: %v", header, err, want)
		}
		if err == nil && got != testClaims {
			t.Fatalf("header %q: claims %q", header, got)
		}
	})
}

// allows says whether a header is one of the form.
func (f form) allows(t testing.TB, header string) bool {
	if !utf8.ValidString(header) || !json.Valid([]byte(header)) {
		return false
	}
	params := map[string]any{}
	dec := json.NewDecoder(strings.NewReader(header))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return false
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			t.Fatalf("%q: %v", header, err)
		}
		if _, repeated := params[name.(string)]; repeated {
			return false
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			t.Fatalf("%q: %v", header, err)
		}
		if _, text := value.(string); !text || !slices.Contains([]string{"alg", "enc", "kid", "typ", "cty"}, name.(string)) {
			return false
		}
		params[name.(string)] = value
	}
	if _, err := dec.Token(); err != nil {
		t.Fatalf("%q: %v", header, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("%q: %v", header, err)
	}
	kid, named := params["kid"]
	known := !named || kid == thumbprint(f.encryption().thumbprintHash(), f.rawKey(t, testSecret))
	return params["alg"] == "dir" && params["enc"] == f.enc && (f.dialect == dialect.V4 || known)
}
