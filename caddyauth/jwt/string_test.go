package jwt

import (
	"encoding/json"
	"testing"
)

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                       `""`,
		`a "b" \c/`:              `"a \"b\" \\c/"`,
		"\b\t\n\f\r\x00\x1f":     `"\b\t\n\f\r\u0000\u001f"`,
		"<&>\x7f\u2028\u2029é日😀": "\"<&>\x7f\u2028\u2029é日😀\"",
		"\xff\xc3(":              "\"\uFFFD\uFFFD(\"",
	} {
		got := string(AppendString([]byte("x"), in))
		if got != "x"+want {
			t.Errorf("%q: got %s, want %s", in, got[1:], want)
		}
		var back string
		if err := json.Unmarshal([]byte(got[1:]), &back); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}
