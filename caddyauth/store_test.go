package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// stored is a site that keeps its users in memory.
func stored(t *testing.T, strategy string) (*server, *upstream) {
	t.Helper()
	up := newUpstream(t, nil)
	return start(t, `
http://localhost:{PORT} {
	caddyauth {
		secret `+secret+`
		provider dev
		users `+usersFile(t)+`
		store memory
		session {
			strategy `+strategy+`
		}
		allow any
		headers
	}
	reverse_proxy `+up.addr()+`
}
`), up
}

// Every strategy looks the same to browsers and upstreams.
func TestStrategies(t *testing.T) {
	for _, strategy := range []string{"jwt", "database"} {
		t.Run(strategy, func(t *testing.T) {
			s, up := stored(t, strategy)
			b := s.browser()
			b.persona("admin", s.Base+"/x")
			got := up.take()
			if len(got) != 1 || got[0].Header.Get("Remote-User") != "dev:admin" || got[0].Header.Get("Remote-Groups") != "admin,staff" {
				t.Fatalf("after signing in: %v", got)
			}
			if a := b.get(s.Base + "/api/auth/session"); !strings.Contains(a.body, `"email":"admin@example.com"`) {
				t.Errorf("session: %s", a.body)
			}
			b.do("POST", s.Base+"/api/auth/signout", url.Values{"csrfToken": {b.csrf()}})
			if a := b.get(s.Base + "/x"); a.StatusCode != http.StatusFound || len(up.take()) != 0 {
				t.Errorf("after signing out: %s", a.Status)
			}
		})
	}
}

// An account of one users file must not become that of another, which it would
// in a store that both are kept in.
func TestProvidersOfOneStore(t *testing.T) {
	site := func(port, users, more string) string {
		return "http://localhost:" + port + " {\n\tcaddyauth {\n\t\tsecret " + secret + "\n\t\tusers " + users + "\n\t\tstore memory\n\t\t" + more + "\n\t}\n\trespond ok\n}\n"
	}
	one, other := usersFile(t), usersFile(t)
	for _, c := range []struct {
		name, second string
		refused      bool
	}{
		{"the same file", site(testport.Free(t), one, ""), false},
		{"another file", site(testport.Free(t), other, ""), true},
		{"another file, another store", strings.Replace(site(testport.Free(t), other, ""), "store memory", "store bolt "+t.TempDir()+"/store.db", 1), false},
	} {
		s := &server{t: t, Port: testport.Free(t), Log: t.TempDir() + "/caddy.log"}
		err := s.load("", site("{PORT}", one, "")+c.second)
		if refused := err != nil && strings.Contains(err.Error(), "and both sites keep their users in one store"); refused != c.refused || err != nil && !refused {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
