package sqlstore

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"
)

var microseconds = Dialect{Time: func(t time.Time) any { return t.UnixMicro() }}

func TestValues(t *testing.T) {
	at := time.Date(2041, 3, 4, 5, 6, 7, 89_123_999, time.FixedZone("", 3600))
	args := []any{
		"text", "", at, time.Time{}, []string{"a", `"<&>`}, []string{}, []string(nil),
		json.RawMessage(`{ "a":1 }`), json.RawMessage(nil), []byte{0, 255}, []byte(nil), int64(7), true,
	}
	want := []any{
		"text", "", at.UnixMicro(), nil, `["a","\"\u003c\u0026\u003e"]`, "[]", nil,
		`{ "a":1 }`, nil, []byte{0, 255}, []byte(nil), int64(7), true,
	}
	got, err := microseconds.values(args)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	for _, bad := range []any{"a\x00b", "\xff", json.RawMessage("\"\xff\"")} {
		if _, err := microseconds.values([]any{bad}); err != errNotText {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, unknown := range []any{nil, 1, &at, struct{}{}} {
		if v, err := microseconds.values([]any{unknown}); err == nil {
			t.Errorf("%T passes as %v", unknown, v)
		}
	}
}

func TestLabel(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "zoë 🙂": "zoë 🙂", "a\x00b": "a\uFFFDb", "Mozilla\xff\xfe/5.0": "Mozilla\uFFFD/5.0", "\xff\x00": "\uFFFD\uFFFD",
	} {
		if got := Label(s); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestScanners(t *testing.T) {
	at := time.Date(2041, 3, 4, 5, 6, 7, 89_123_000, time.UTC)
	var (
		instant time.Time
		text    string
		list    []string
		raw     json.RawMessage
	)
	for _, tt := range []struct {
		scanner interface{ Scan(any) error }
		into    any // a pointer to what is scanned into
		src     any
		want    any
	}{
		{Time(&instant), &instant, at.In(time.FixedZone("", 7200)), at},
		{Time(&instant), &instant, at.UnixMicro(), at},
		{Time(&instant), &instant, nil, time.Time{}},
		{Text(&text), &text, "a", "a"},
		{Text(&text), &text, []byte("b"), "b"},
		{Text(&text), &text, nil, ""},
		{List(&list), &list, `["a","b"]`, []string{"a", "b"}},
		{List(&list), &list, []byte(`[]`), []string{}},
		{List(&list), &list, nil, []string(nil)},
		{JSON(&raw), &raw, `{ "a":1 }`, json.RawMessage(`{ "a":1 }`)},
		{JSON(&raw), &raw, nil, json.RawMessage(nil)},
	} {
		err := tt.scanner.Scan(tt.src)
		if got := reflect.ValueOf(tt.into).Elem().Interface(); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%T of %v: %v, %v; want %v", tt.scanner, tt.src, got, err, tt.want)
		}
	}
	for _, scanner := range []interface{ Scan(any) error }{Time(&instant), Text(&text), List(&list), JSON(&raw)} {
		if err := scanner.Scan(3.5); err == nil {
			t.Errorf("%T takes a number", scanner)
		}
	}
	if err := List(&list).Scan("{}"); err == nil {
		t.Error("an object is no list")
	}
}
