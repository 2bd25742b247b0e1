package mailaddr

import (
	"net/mail"
	"strings"
	"testing"
)

func TestNormalize(t *testing.T) {
	long := strings.Repeat("a", 64)
	for typed, want := range map[string]string{
		"alice@example.com":               "alice@example.com",
		"  Alice@Example.COM \t\r\n":      "alice@example.com",
		"\ufeffalice@example.com\u00a0":   "alice@example.com",
		"ａｌｉｃｅ@ｅｘａｍｐｌｅ.com":               "alice@example.com",
		"first.last+tag@sub.example.com":  "first.last+tag@sub.example.com",
		"o'neil/dept=1@example.com":       "o'neil/dept=1@example.com",
		"a..b.@example.com":               "a..b.@example.com", // exists, in Japan
		"alice@localhost":                 "alice@localhost",
		"alice@example.com,bob":           "alice@example.com",
		"jürgen@münchen.de":               "jürgen@münchen.de",
		"JÜRGEN@MÜNCHEN.DE":               "jürgen@münchen.de",
		"用户@例子.中国":                        "用户@例子.中国",
		"alice@xn--mnchen-3ya.de":         "alice@xn--mnchen-3ya.de",
		"İ@example.com":                   "i\u0307@example.com",
		"\u212aarl@example.com":           "karl@example.com", // Kelvin sign
		"ΟΔΟΣ@example.com":                "οδος@example.com",
		long + "@example.com":             long + "@example.com",
		"a@straße.de":                     "a@straße.de",
		"a@r3---sn-x.example.com":         "a@r3---sn-x.example.com",
		"":                                "",
		"alice":                           "",
		"@example.com":                    "",
		"alice@":                          "",
		"alice@,example.com":              "",
		"a@evil.com,b@victim.com":         "",
		"a@evil.com＠victim.com":           "",
		"alice＠example.com":               "alice@example.com",
		`"a@evil.com"@victim.com`:         "",
		`"alice"@example.com`:             "",
		"a,b@example.com":                 "",
		"a;b@example.com":                 "",
		"a b@example.com":                 "",
		"a\u2028b@example.com":            "",
		"a\u200bb@example.com":            "",
		"a\u202eb@example.com":            "",
		"Alice <alice@example.com>":       "",
		"alice@example.com>":              "",
		"alice@example.com\r\nBcc: x":     "",
		"alice\r\nRCPT TO:<b@x.com>@x.de": "",
		"alice\x00@example.com":           "",
		"alice@example.com\x00":           "",
		"alice\x7f@example.com":           "",
		"alice(comment)@example.com":      "",
		"alice@[192.0.2.1]":               "",
		"alice@192.0.2.1":                 "",
		"alice@example.com.":              "",
		"alice@.example.com":              "",
		"alice@exam ple.com":              "",
		"alice@exam_ple.com":              "",
		"alice@-example.com":              "",
		"alice@exam\u00adple.com":         "", // looked up without the soft hyphen
		"alice@exam\u200dple.com":         "",
		"alice@xn--zzzzzzzz99999.com":     "",
		"alice@xn--example-.com":          "",
		"alice@example。com":               "", // an ideographic full stop is mapped
		"\xff\xfe@example.com":            "",
		"alice@\xffexample.com":           "",
		long + "a@example.com":            "",
		"a@" + strings.Repeat("a.", 130):  "",
		strings.Repeat("x", 1<<20):        "",
		"a@" + long + ".com":              "",
		"<a href=x>@example.com":          "",
		"a%0d%0aBcc:@example.com":         "",
		"bob%evil.example@example.com":    "",
		"evil.example!bob@example.com":    "",
		"|cat@example.com":                "",
		"=?x?q?=41=40evil.com=3e?=a@b.de": "",
		"a=b?c@example.com":               "a=b?c@example.com",
	} {
		got, ok := Normalize(typed)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", typed, got, ok, want)
		}
	}
}

func TestParse(t *testing.T) {
	for address, want := range map[string]struct {
		envelope string
		utf8     bool
	}{
		"alice@example.com":  {"<alice@example.com>", false},
		"alice@münchen.de":   {"<alice@xn--mnchen-3ya.de>", false},
		"jürgen@münchen.de":  {"<jürgen@xn--mnchen-3ya.de>", true},
		"a@faß.de":           {"<a@xn--fa-hia.de>", false},
		"a..b@example.com":   {`<"a..b"@example.com>`, false},
		"a@b@example.com":    {},
		"Alice <a@b.com>":    {},
		"a@b.com, c@d.com":   {},
		"a@b.com\n":          {},
		"":                   {},
		"undisclosed:;@b.de": {},
	} {
		m, ok := Parse(address)
		if ok != (want.envelope != "") {
			t.Errorf("%q: ok is %v", address, ok)
			continue
		}
		if ok && (m.Address("").String() != want.envelope || m.UTF8() != want.utf8) {
			t.Errorf("%q: got %s, UTF-8 %v, want %+v", address, m.Address(""), m.UTF8(), want)
		}
	}
}

// An address is one mailbox for every parser.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{
		"alice@example.com", "a@evil.com,b@victim.com", "\"a\"@b.c", "a@b.c\r\nBcc: d@e.f",
		"a＠b.c", "用户@例子.中国", "İ@x", "a@xn--a.b", "a@b.c,", "=?utf-8?q?a?=@b.c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		address, ok := Normalize(typed)
		if !ok {
			return
		}
		if again, ok := Normalize(address); !ok || again != address {
			t.Fatalf("%q: normalizes to %q, and that to %q", typed, address, again)
		}
		m, ok := Parse(address)
		if !ok {
			t.Fatalf("%q cannot be sent to", address)
		}
		envelope := m.Address("").String()
		if strings.ContainsAny(envelope, "\r\n\x00 \t,;") || strings.Count(envelope, "@") != 1 {
			t.Fatalf("%q: the envelope has %q", address, envelope)
		}
		list, err := mail.ParseAddressList(envelope)
		if err != nil || len(list) != 1 || list[0].Name != "" || list[0].Address != m.Local+"@"+m.Domain {
			t.Fatalf("%q: read as %v, %v", envelope, list, err)
		}
	})
}
