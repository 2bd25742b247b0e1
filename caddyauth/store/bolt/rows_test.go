package bolt

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	long := strings.Repeat("x", 300)
	lists := [][]string{
		{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"a", "b"}, {"ab"}, {"ab", ""}, {"\x01a"}, {"a", "\x01b"},
		{"a\x01", "b"}, {long}, {long, "a"}, {long + "a"}, {"\x00"}, {"\x00", "\x00"},
	}
	for i, a := range lists {
		for k, b := range lists {
			if equal := bytes.Equal(key(a...), key(b...)); equal != (i == k) {
				t.Errorf("%q and %q: equal is %v", a, b, equal)
			}
		}
		// What begins with somebody's key is theirs.
		for _, b := range lists[1:] {
			if len(a) == 1 && bytes.HasPrefix(key(b...), key(a...)) && b[0] != a[0] {
				t.Errorf("%q is taken for one of %q", b, a)
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, err := range map[string]error{
		"a string":  second(encode(userRow{ID: "a", Name: "a\xffb"})),
		"a list":    second(encode(tokenRow{Paths: []string{"/", "/\xff"}})),
		"a kind":    second(encode(revocationRow{Kind: "\xff"})),
		"a time":    second(encode(sessionRow{Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})),
		"long ago":  second(encode(sessionRow{Expires: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)})),
		"surrogate": second(encode(linkRow{Token: "\xed\xa0\x80"})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[A any](_ A, err error) error { return err }

// What is kept has to be read by versions to come.
func TestRowsStay(t *testing.T) {
	at := time.Date(2026, 11, 23, 17, 0, 0, 123456789, time.FixedZone("", 3600))
	for _, c := range []struct{ got, want string }{
		{kept(t, userRow{"u", "Ada", "a@b", "i", at}), `{"id":"u","name":"Ada","email":"a@b","image":"i","verified":"2026-11-23T16:00:00.123456789Z"}`},
		{kept(t, userRow{ID: "u"}), `{"id":"u"}`},
		{kept(t, accountRow{"u", "oidc", "p", "a", "at", "rt", "it", "bearer", "s", "st", 7}), `{"user":"u","type":"oidc","provider":"p","id":"a","access":"at","refresh":"rt","id_token":"it","token_type":"bearer","scope":"s","state":"st","expires":7}`},
		{kept(t, sessionRow{"s", "t", "u", "p", "a", at, at, at, "ua", "ip", []byte("{}")}), `{"id":"s","token":"t","user":"u","provider":"p","account":"a","expires":"2026-11-23T16:00:00.123456789Z","created":"2026-11-23T16:00:00.123456789Z","seen":"2026-11-23T16:00:00.123456789Z","agent":"ua","ip":"ip","evidence":"e30="}`},
		{kept(t, linkRow{"a@b", "t", at}), `{"identifier":"a@b","token":"t","expires":"2026-11-23T16:00:00.123456789Z"}`},
		{kept(t, authenticatorRow{"c", "u", "a", []byte{1}, 2, "d", true, []string{"usb"}, "n", 3, []byte{4}, at, at, []byte("{}")}), `{"id":"c","user":"u","account":"a","key":"AQ==","counter":2,"type":"d","backed_up":true,"transports":["usb"],"name":"n","flags":3,"aaguid":"BA==","created":"2026-11-23T16:00:00.123456789Z","used":"2026-11-23T16:00:00.123456789Z","evidence":"e30="}`},
		{kept(t, tokenRow{"t", "u", "h", "n", []string{"/"}, []string{"GET"}, at, at, at, []byte("{}")}), `{"id":"t","user":"u","hash":"h","name":"n","paths":["/"],"methods":["GET"],"expires":"2026-11-23T16:00:00.123456789Z","created":"2026-11-23T16:00:00.123456789Z","used":"2026-11-23T16:00:00.123456789Z","evidence":"e30="}`},
		{kept(t, revocationRow{"user", "u", at, at}), `{"kind":"user","key":"u","at":"2026-11-23T16:00:00.123456789Z","until":"2026-11-23T16:00:00.123456789Z"}`},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
	// The names of the buckets are as lasting.
	var names []string
	for _, b := range buckets {
		names = append(names, string(b))
	}
	slices.Sort(names)
	want := "accounts accounts.user authenticators authenticators.user links meta revocations sessions sessions.token sessions.user tokens tokens.hash tokens.user users users.email"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func kept[R row](t *testing.T, r R) string {
	t.Helper()
	data, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decode[R](data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := encode(back)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%s came back as %s, %v", data, again, err)
	}
	return string(data)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(strings.Repeat(`{"id":`, 20000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		again[userRow](t, data)
		again[accountRow](t, data)
		again[sessionRow](t, data)
		again[linkRow](t, data)
		again[authenticatorRow](t, data)
		again[tokenRow](t, data)
		again[revocationRow](t, data)
	})
}

// again wants bytes to be refused, or to be a row that stays what it is.
func again[R row](t *testing.T, data []byte) {
	r, err := decode[R](data)
	if err != nil {
		if !errors.Is(err, ErrDamaged) || !reflect.ValueOf(r).IsZero() {
			t.Fatalf("%T %v with error %v", r, r, err)
		}
		return
	}
	if !json.Valid(data) {
		t.Fatalf("%q was taken for %T", data, r)
	}
	kept, err := encode(r)
	if err != nil {
		return // such as a year that no version writes
	}
	back, err := decode[R](kept)
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := encode(back); err != nil || !bytes.Equal(twice, kept) {
		t.Fatalf("%s became %s, %v", kept, twice, err)
	}
}
