package dialect

import "testing"

func TestParse(t *testing.T) {
	for _, d := range []Dialect{V4, V5} {
		if got, err := Parse(d.String()); err != nil || got != d {
			t.Errorf("Parse(%q) = %v, %v", d.String(), got, err)
		}
	}
	for _, s := range []string{"", "4", "V4", "v6", "v4 "} {
		if _, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) succeeds", s)
		}
	}
}

func TestCookiePrefix(t *testing.T) {
	if V4.CookiePrefix() != "next-auth" || V5.CookiePrefix() != "authjs" {
		t.Errorf("prefixes %q and %q", V4.CookiePrefix(), V5.CookiePrefix())
	}
}
