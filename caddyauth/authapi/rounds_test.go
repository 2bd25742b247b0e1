package authapi

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/page"
)

func TestParseRounds(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		value string
		n     int
		ahead bool
	}{
		{"1.1700000000", 1, false},
		{"99.1699999941", 99, false},
		{"3.1699999925", 3, false},
		{"3.1699999924", 0, false},
		{"3.1700000015", 3, false},
		{"3.1700000016", 3, true},
		{"3.1700086400", 3, true},
		{"3.1700086401", 0, false},
		{"0.1700000000", 0, false},
		{"-1.1700000000", 0, false},
		{"100.1700000000", 0, false},
		{"3", 0, false}, {"", 0, false}, {".", 0, false}, {"3.", 0, false}, {".1700000000", 0, false},
		{"3.-9223372036854775808", 0, false}, {"3.999999999999", 0, false},
		{"3.17000000x0", 0, false}, {"3.1700000000.1", 0, false},
		{strings.Repeat("9", 1<<16) + ".1", 0, false},
	} {
		if n, ahead := parseRounds(tt.value, now); n != tt.n || ahead != tt.ahead {
			t.Errorf("%.30q: %d, %v", tt.value, n, ahead)
		}
	}
}

func FuzzParseRounds(f *testing.F) {
	f.Add("3.1700000000")
	f.Add("99.-1")
	f.Fuzz(func(t *testing.T, value string) {
		if n, ahead := parseRounds(value, time.Unix(1_700_000_000, 0)); n < 0 || n > maxRounds || n == 0 && ahead {
			t.Errorf("%q: %d, %v", value, n, ahead)
		}
	})
}

// The cookie counts up within a minute, and begins anew after it.
func TestRounds(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	for _, tt := range []struct {
		wait time.Duration
		want string
	}{{0, "1."}, {59 * time.Second, "2."}, {time.Minute, "3."}, {2 * time.Minute, "1."}} {
		w.clock.add(tt.wait)
		b.csrf()
		r := b.password("bob", "hunter2-hunter2")
		c, _ := r.cookie(secure("rounds"))
		if !strings.HasPrefix(c.value, tt.want) || c.attributes != "Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Lax" {
			t.Errorf("after %v: %+v", tt.wait, c)
		}
	}
	if c, sent := b.post("/signout").cookie(secure("rounds")); !sent || c.value != "" || !strings.HasPrefix(c.attributes, "Max-Age=0; ") {
		t.Errorf("after signing out: %+v", c)
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		host, domain string
		want         bool
	}{
		{"app.example.com", "", true}, {"app.example.com", "example.com", true}, {"EXAMPLE.com:8443", "example.com", true},
		{"badexample.com", "example.com", false}, {"example.com", "app.example.com", false}, {"127.0.0.1:80", "example.com", false},
		{"[::1]:80", "", true},
	} {
		if within(tt.host, tt.domain) != tt.want {
			t.Errorf("%s, %s", tt.host, tt.domain)
		}
	}
}

// Every cause has a text.
func TestCauses(t *testing.T) {
	have := page.Causes()
	all := []Cause{CauseSecureOverHTTP, CauseDomain, CauseTooLarge, CauseStrict, CauseBlocked, CauseForeign, CauseClock, CauseEnded}
	if len(have) != len(all) {
		t.Errorf("%d causes, %d texts", len(all), len(have))
	}
	for _, c := range all {
		if !strings.Contains(strings.Join(have, " ")+" ", string(c)+" ") {
			t.Errorf("%s has no text", c)
		}
	}
}
