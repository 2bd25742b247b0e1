// Command ours writes, as JSON, tokens and cookies of this module's making for
// the real NextAuth and Auth.js to read. It renews the sessions of tokens.json,
// which is looked for in the working directory, as well.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// token is one sealed value and what went into it.
type token struct {
	Name    string         `json:"name"`
	Dialect string         `json:"dialect"`
	Secrets []string       `json:"secrets"`
	Salt    string         `json:"salt"`
	Token   string         `json:"token"`
	Payload map[string]any `json:"payload"`
	MaxAge  int            `json:"maxAge"` // seconds
}

// sitting is a session as a browser gets it.
type sitting struct {
	Name      string          `json:"name"`
	Dialect   string          `json:"dialect"`
	Secure    bool            `json:"secure"`
	Secrets   []string        `json:"secrets"`
	Sent      string          `json:"sent"` // Cookie header of the request
	SetCookie []string        `json:"setCookie"`
	Claims    json.RawMessage `json:"claims"`
}

// minted is a session of tokens.json. Those fields that it shares with sitting
// mean the same.
type minted struct {
	sitting
	At int64 `json:"at"` // when it was good, in Unix seconds
}

const (
	long    = "oracle-secret-0123456789abcdef0123456789"
	unicode = "pässwörd-🔑"
	maxAge  = 900 * time.Second
)

var dialects = []dialect.Dialect{dialect.V4, dialect.V5}

func main() {
	out := map[string]any{"tokens": tokens(), "checks": checks(), "sessions": append(issued(), renewed()...)}
	enc := json.NewEncoder(os.Stdout)
	must(0, enc.Encode(out))
}

// must ends the program on an error; whoever runs it has to notice.
func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ours:", err)
		os.Exit(1)
	}
	return v
}

// tokens are sealed values of all shapes.
func tokens() (list []token) {
	payloads := map[string]map[string]any{
		"a person":  {"name": "J Smith", "email": "jsmith@example.com", "picture": nil, "sub": "1"},
		"nothing":   {},
		"unicode":   {"name": "Zoë 名前 🔑", "ключ": "значение", "sub": "名"},
		"escapes":   {"name": "\"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\u2029", "html": "<script>&'\"</script>"},
		"all kinds": {"list": []any{1, -0.5, 1e21, 1e-7, true, false, nil, []any{}, map[string]any{}}, "big": 1<<53 - 1},
		"3 kB":      {"note": strings.Repeat("x", 3000)},
		"40 kB":     {"note": strings.Repeat("é", 20_000)},
	}
	for n := range 17 { // every padding
		payloads[fmt.Sprint("padding ", n)] = map[string]any{"note": strings.Repeat("x", n)}
	}
	for _, d := range dialects {
		for name, payload := range payloads {
			list = append(list, seal(name, d, []string{long}, sessionSalt(d, true), payload))
		}
		for _, secrets := range [][]string{{"s"}, {unicode}, {strings.Repeat("x", 1000)}, {"new", "old"}, {unicode, long, "s"}} {
			list = append(list, seal(fmt.Sprintf("secrets %.25q", secrets), d, secrets, sessionSalt(d, false), payloads["a person"]))
		}
	}
	return list
}

func seal(name string, d dialect.Dialect, secrets []string, salt string, payload map[string]any) token {
	ring := must(jwt.NewRing(d, secrets, salt))
	sealed := must(jwt.SealClaims(ring, payload, time.Now(), maxAge))
	return token{name, d.String(), secrets, salt, sealed, payload, int(maxAge / time.Second)}
}

// sessionSalt is that of the session cookie.
func sessionSalt(d dialect.Dialect, secure bool) string {
	if d == dialect.V4 {
		return ""
	}
	return cookie.NewNames(d, "", secure).Session
}

// checks are the cookies of a sign-in at a provider called op.
func checks() (list []token) {
	for _, d := range dialects {
		for _, secure := range []bool{false, true} {
			names := cookie.NewNames(d, "", secure)
			for check, salt := range map[string]string{"state": names.State, "pkce": names.PKCE, "nonce": names.Nonce} {
				payload := map[string]any{"value": "value-of-" + check, "provider": "op"}
				list = append(list, seal(check, d, []string{long, "old"}, salt, payload))
			}
		}
	}
	return list
}

// issued are sessions of people who have just signed in.
func issued() (list []sitting) {
	people := map[string]map[string]any{
		"a person":   {"name": "J Smith", "email": "jsmith@example.com", "picture": "https://x.example/p.png", "sub": "1"},
		"unicode":    {"name": "Zoë 名前 🔑", "email": "zoë@bücher.example", "sub": "名"},
		"two chunks": {"name": "J Smith", "email": "jsmith@example.com", "sub": "1", "note": strings.Repeat("x", 4000)},
	}
	for _, claims := range people {
		claims[session.EvidenceClaim] = session.Evidence{SID: session.NewID(), Provider: "op", Groups: []string{"staff"}, Verified: true, AuthTime: 1}
	}
	for _, d := range dialects {
		for _, secure := range []bool{false, true} {
			for name, claims := range people {
				s := sitting{Name: name + ", issued", Dialect: d.String(), Secure: secure, Secrets: []string{long, "old"}}
				m, names := s.manager(time.Now)
				cookies, issued, err := m.Issue(context.Background(), http.Header{}, names, claims, session.Client{})
				list = append(list, s.with(cookies, must(issued, err)))
			}
		}
	}
	return list
}

// renewed are the sessions of tokens.json, sealed again.
func renewed() (list []sitting) {
	var file struct{ Sessions []minted }
	must(0, json.Unmarshal(must(os.ReadFile("tokens.json")), &file))
	for _, theirs := range file.Sessions {
		m, names := theirs.manager(func() time.Time { return time.Unix(theirs.At, 0) })
		s := theirs.sitting
		s.Sent = theirs.cookie()
		h := http.Header{"Cookie": {s.Sent}}
		read := must(m.Read(context.Background(), h, names))
		s.Name += ", renewed by us"
		m, names = s.manager(time.Now)
		cookies, renewed, err := m.Refresh(context.Background(), h, names, read, read.Claims)
		list = append(list, s.with(cookies, must(renewed, err)))
	}
	return list
}

// manager is that of the site which the session is of.
func (s *sitting) manager(now func() time.Time) (*session.Manager, *cookie.Names) {
	d := must(dialect.Parse(s.Dialect))
	names := cookie.NewNames(d, "", s.Secure)
	ring := must(jwt.NewRing(d, s.Secrets, sessionSalt(d, s.Secure)))
	return must(session.New(session.Options{Ring: ring, Now: now})), &names
}

// with returns the session as it is after these cookies.
func (s *sitting) with(cookies []cookie.Cookie, made *session.Session) sitting {
	after := *s
	after.Claims = json.RawMessage(made.Claims)
	after.SetCookie = nil
	for _, c := range cookies {
		after.SetCookie = append(after.SetCookie, c.String())
	}
	return after
}

// cookie is the Cookie header of a browser that got the session, in an order
// that is not the one of the pieces.
func (s *sitting) cookie() string {
	var pairs []string
	for _, line := range s.SetCookie {
		pair, _, _ := strings.Cut(line, "; ")
		if !strings.HasSuffix(pair, "=") {
			pairs = append(pairs, pair)
		}
	}
	slices.Reverse(pairs)
	return strings.Join(pairs, "; ")
}
