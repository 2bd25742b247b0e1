package gate

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

func headers(t testing.TB, options HeaderOptions) *Headers {
	t.Helper()
	hs, err := NewHeaders(options)
	if err != nil {
		t.Fatal(err)
	}
	return hs
}

// set returns what Set puts into an empty header.
func set(hs *Headers, s *session.Session) map[string]string {
	h := http.Header{}
	hs.Set(h, s)
	flat := make(map[string]string)
	for name, values := range h {
		flat[name] = strings.Join(values, "|")
	}
	return flat
}

func TestHeaderPresets(t *testing.T) {
	own := &session.Session{User: session.User{ID: "7", Email: "bob@example.com"}}
	unverified := alice()
	unverified.Evidence.Login, unverified.Evidence.Verified = "", false
	verified := alice()
	verified.Evidence.Login = ""
	for _, test := range []struct {
		name    string
		options HeaderOptions
		s       *session.Session
		want    map[string]string
	}{
		{"remote", HeaderOptions{Preset: "remote"}, alice(), map[string]string{
			"Remote-User": "alice", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, several providers", HeaderOptions{Preset: "remote", MultiProvider: true}, alice(), map[string]string{
			"Remote-User": "keycloak:alice", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, the provider that goes without", HeaderOptions{Preset: "remote", Provider: "keycloak"}, alice(), map[string]string{
			"Remote-User": "alice", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, another than that", HeaderOptions{Preset: "remote", Provider: "github"}, alice(), map[string]string{
			"Remote-User": "keycloak:alice", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, no login", HeaderOptions{Preset: "remote"}, verified, map[string]string{
			"Remote-User": "alice@example.com", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, no login, several providers", HeaderOptions{Preset: "remote", MultiProvider: true}, verified, map[string]string{
			"Remote-User": "alice@example.com", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, no login and no address that anybody vouches for", HeaderOptions{Preset: "remote", MultiProvider: true}, unverified, map[string]string{
			"Remote-User": "keycloak:42", "Remote-Name": "Alice", "Remote-Email": "alice@example.com", "Remote-Groups": "dev",
		}},
		{"remote, NextAuth's own token", HeaderOptions{Preset: "remote"}, own, map[string]string{
			"Remote-User": "bob@example.com", "Remote-Email": "bob@example.com",
		}},
		{"remote, only an id", HeaderOptions{Preset: "remote"}, &session.Session{User: session.User{ID: "7"}}, map[string]string{"Remote-User": "7"}},
		{"oauth2_proxy", HeaderOptions{Preset: "oauth2_proxy"}, alice(), map[string]string{
			"X-Forwarded-User": "42", "X-Forwarded-Email": "alice@example.com", "X-Forwarded-Preferred-Username": "alice", "X-Forwarded-Groups": "dev",
			"X-Auth-Request-User": "42", "X-Auth-Request-Email": "alice@example.com", "X-Auth-Request-Preferred-Username": "alice", "X-Auth-Request-Groups": "dev",
		}},
		{"none", HeaderOptions{Preset: "none"}, alice(), map[string]string{}},
		{"no preset", HeaderOptions{}, alice(), map[string]string{}},
		{"nobody", HeaderOptions{Preset: "remote"}, nil, map[string]string{}},
		{"a preset and more", HeaderOptions{Preset: "remote", Fields: []Field{
			{Name: "remote-name", Claim: "sub"}, {Name: "X-Provider", Value: func(s *session.Session) string { return s.Evidence.Provider }},
		}}, alice(), map[string]string{
			"Remote-User": "alice", "Remote-Name": "42", "Remote-Email": "alice@example.com", "Remote-Groups": "dev", "X-Provider": "keycloak",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			hs := headers(t, test.options)
			if got := set(hs, test.s); !maps.Equal(got, test.want) {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
			o := NewOwned(hs.Names()...)
			for name := range test.want {
				if !o.Owns(name) {
					t.Errorf("%s is not owned", name)
				}
			}
		})
	}
}

func TestHeadersReplaceAndDelete(t *testing.T) {
	hs := headers(t, HeaderOptions{Preset: "remote"})
	h := http.Header{"Remote-User": {"admin", "root"}, "Remote-Name": {"Admin"}, "Remote-Groups": {"admin"}}
	s := alice()
	s.Evidence.Groups, s.User.Name = nil, ""
	hs.Set(h, s)
	t.Run("HDR-01 exactly one", func(t *testing.T) {
		if got := h["Remote-User"]; !slices.Equal(got, []string{"alice"}) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("HDR-02 absent claim", func(t *testing.T) {
		if h["Remote-Groups"] != nil || h["Remote-Name"] != nil {
			t.Errorf("got %q", h)
		}
	})
	t.Run("HDR-03 anonymous", func(t *testing.T) {
		hs.Set(h, nil)
		if len(h) != 0 {
			t.Errorf("got %q", h)
		}
	})
	t.Run("values do not share their end", func(t *testing.T) {
		hs.Set(h, alice())
		h.Add("Remote-User", "x")
		if h.Get("Remote-Name") != "Alice" || h.Get("Remote-Email") != "alice@example.com" {
			t.Errorf("got %q", h)
		}
	})
}

func TestHeaderValues(t *testing.T) {
	for _, test := range []struct {
		name   string
		value  string
		groups []string
		want   string
	}{
		{name: "plain ASCII", value: `Ada "x" O'Neil, Lady; <a@b> {y} \ ~`, want: `Ada "x" O'Neil, Lady; <a@b> {y} \ ~`},
		{name: "HDR-15 non-ASCII", value: "é 名", want: "%C3%A9 %E5%90%8D"},
		{name: "HDR-15 spaces at the ends", value: "  a  ", want: "%20 a %20"},
		{name: "HDR-15 only a space", value: " ", want: "%20"},
		{name: "percent sign", value: "100%41", want: "100%2541"},
		{name: "CR, LF and NUL", value: "a\r\nX-Admin: 1\x00\t\x7f", want: "a%0D%0AX-Admin: 1%00%09%7F"},
		{name: "not UTF-8", value: "a\xff", want: "a%FF"},
		{name: "HDR-17 environment", value: "{env.AUTH_SECRET}", want: "{env.AUTH_SECRET}"},
		{name: "HDR-17 file", value: "{file./etc/passwd}", want: "{file./etc/passwd}"},
		{name: "HDR-17 request", value: "{http.request.header.Cookie}", want: "{http.request.header.Cookie}"},
		{name: "one group", groups: []string{"dev"}, want: "dev"},
		{name: "groups", groups: []string{"dev", "ops team", "/a/b"}, want: "dev,ops team,/a/b"},
		{name: "HDR-15 one group with a comma", groups: []string{"a,admin"}, want: "a%2Cadmin"},
		{name: "HDR-15 groups with separators", groups: []string{"a,admin", "b;c", " d", "é"}, want: "a%2Cadmin,b%3Bc,%20d,%C3%A9"},
		{name: "an empty group", groups: []string{"", "a", ""}, want: "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := alice()
			s.User.Name, s.Evidence.Groups = test.value, test.groups
			got := set(headers(t, HeaderOptions{Preset: "remote"}), s)
			name := "Remote-Name"
			if test.groups != nil {
				name = "Remote-Groups"
			}
			if got[name] != test.want {
				t.Errorf("got %q", got[name])
			}
			if back, err := url.PathUnescape(got[name]); test.groups == nil && (err != nil || back != test.value) {
				t.Errorf("decodes to %q, %v", back, err)
			}
		})
	}
}

func TestHeaderClaims(t *testing.T) {
	const claims = `{"sub":"42","n":1.5,"yes":true,"nothing":null,"list":["a","b,c",7],"empty":[],` +
		`"realm_access":{"roles":["x","y"]},"resource_access":{"my.app":{"roles":["z"]}},"https://example.com/team":"blue",` +
		`"a":{"b":"deep"},"a.b":"flat","d":{"x":1},"d":{"y":2},"SUB":"0","esc":"tab\there","caddyauth":{"groups":["g"]}}`
	for claim, want := range map[string]string{
		"sub": "42", "n": "1.5", "yes": "true", "nothing": "", "list": "a,b%2Cc", "empty": "", "realm_access.roles": "x,y",
		"resource_access.my.app.roles": "z", "https://example.com/team": "blue", "a.b": "flat", "a": "", "d.x": "", "d.y": "2",
		"Sub": "", "sub.x": "", "missing": "", "esc": "tab%09here", "caddyauth.groups": "g", "realm_access": "", "realm_access.": "",
	} {
		hs := headers(t, HeaderOptions{Fields: []Field{{Name: "X-Claim", Claim: claim}}})
		s := alice()
		s.Claims = claims
		if got := set(hs, s)["X-Claim"]; got != want {
			t.Errorf("%s: %q, want %q", claim, got, want)
		}
		s.Claims = claims[:len(claims)-1]
		if got := set(hs, s)["X-Claim"]; got != "" {
			t.Errorf("%s of broken claims: %q", claim, got)
		}
	}
}

func TestNewHeadersRefuses(t *testing.T) {
	value := func(*session.Session) string { return "" }
	for name, options := range map[string]HeaderOptions{
		"unknown preset": {Preset: "remotes"},
		"no name":        {Fields: []Field{{Value: value}}},
		"space":          {Fields: []Field{{Name: "X User", Value: value}}},
		"colon":          {Fields: []Field{{Name: "X-User:", Value: value}}},
		"line feed":      {Fields: []Field{{Name: "X\n", Value: value}}},
		"long":           {Fields: []Field{{Name: strings.Repeat("x", 129), Value: value}}},
		"host":           {Fields: []Field{{Name: "host", Value: value}}},
		"framing":        {Fields: []Field{{Name: "Transfer-Encoding", Value: value}}},
		"fetch metadata": {Fields: []Field{{Name: "Sec-Fetch-Mode", Value: value}}},
		"cookie":         {Fields: []Field{{Name: "Cookie", Value: value}}},
		"nothing to set": {Fields: []Field{{Name: "X-User"}}},
		"two values":     {Fields: []Field{{Name: "X-User", Claim: "sub", Value: value}}},
	} {
		if _, err := NewHeaders(options); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSetAllocatesOnce(t *testing.T) {
	hs, s, h := headers(t, HeaderOptions{Preset: "remote"}), alice(), browserHeader()
	hs.Set(h, s)
	if n := testing.AllocsPerRun(100, func() { hs.Set(h, s) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
}
