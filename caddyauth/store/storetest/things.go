package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

var made atomic.Int64

// unique returns a name that no other test has.
func unique(name string) string { return fmt.Sprintf("%s-%06d", name, made.Add(1)) }

// user keeps a new user.
func (s *suite) user(t testing.TB) store.User {
	t.Helper()
	name := unique("user")
	return must(s.CreateUser(t.Context(), store.User{Name: name, Email: name + "@example.com"}))(t)
}

// account returns an account of that user, which is not linked yet.
func (s *suite) account(userID string) store.Account {
	id := unique("account")
	return store.Account{
		UserID: userID, Type: "oidc", Provider: "keycloak", ProviderAccountID: id,
		AccessToken: "access of " + id, RefreshToken: "refresh of " + id, IDToken: "id token of " + id,
		TokenType: "bearer", Scope: "openid email", SessionState: "state of " + id,
		ExpiresAt: 1<<31 - 7,
	}
}

// session returns a session of that user, which is not kept yet.
func (s *suite) session(userID string) store.Session {
	id := unique("session")
	return store.Session{
		ID: id, Token: "token of " + id, UserID: userID,
		Provider: "keycloak", Account: "account of " + id,
		Expires: base.Add(time.Hour), Created: base.Add(-time.Hour), Seen: base.Add(-time.Minute),
		UserAgent: "Mozilla/5.0 (X11)", IP: "2001:db8::1",
		Evidence: json.RawMessage(`{"sid":"` + id + `","groups":["a","b"]}`),
	}
}

// kept keeps a session.
func (s *suite) kept(t testing.TB, session store.Session) store.Session {
	t.Helper()
	ok(t, s.CreateSession(t.Context(), session))
	return session
}

// verification returns the token of a link, which is not kept yet.
func (s *suite) verification() store.VerificationToken {
	name := unique("link")
	return store.VerificationToken{
		Identifier: name + "@example.com", Token: "hash of " + name, Expires: base.Add(10 * time.Minute),
	}
}

// authenticator returns a passkey of that user, which is not kept yet.
func (s *suite) authenticator(userID string) store.Authenticator {
	id := unique("passkey")
	return store.Authenticator{
		CredentialID: id + "+/==", UserID: userID, ProviderAccountID: "account of " + id,
		PublicKey: []byte("\x00\x01\xff\xfe'" + id), Counter: 1<<31 - 1,
		DeviceType: "multiDevice", BackedUp: true, Transports: []string{"internal", "hybrid"},
		Name: "Ada's key", Flags: 0xdd, AAGUID: []byte("\x00\xff0123456789abcd"),
		Created: base.Add(-time.Hour), Used: base.Add(-time.Minute),
		Evidence: json.RawMessage(`{"sid":"s","provider":"p"}`),
	}
}

// token returns a personal access token of that user, which is not kept yet.
func (s *suite) token(userID string) store.Token {
	id := unique("pat")
	return store.Token{
		ID: id, UserID: userID, Hash: "hash of " + id, Name: "for git",
		Paths: []string{"/git/*", "/dav/*"}, Methods: []string{"GET", "PROPFIND"},
		Expires: base.Add(24 * time.Hour), Created: base.Add(-time.Hour), Used: base.Add(-time.Minute),
		Evidence: json.RawMessage(`{"sid":"` + id + `"}`),
	}
}

// revocation returns the news that something ended.
func revocation(kind store.RevocationKind) store.Revocation {
	return store.Revocation{Kind: kind, Key: unique("ended"), At: base.Add(-time.Second), Until: base.Add(24 * time.Hour)}
}

// value is a string that may be hard to keep.
type value struct{ name, text string }

// hostile are values that meant something to somebody along the way. All are
// lower case, as addresses are.
func hostile() []value {
	return []value{
		{"SQL", `' or 1=1; drop table users; --`},
		{"quotes", `"double" 'single' \back\ ` + "`tick`"},
		{"placeholders", `$1 ? :name @name %s {0} {env.home}`},
		{"wildcards", `%_*?[a-z].+^$`},
		{"separators", `a:b|c,d;e/f&g=h#i{caddyauth}`},
		{"markup", `<b>&amp;</b>` + "\u2028"},
		{"unicode", "zoë 李雷 🙂\u200d e\u0301 \u202e \ufeff"},
		{"control", "\x01\x1b\x7f\r\n\t"},
		{"spaces", "  both ends  "},
		{"null", "null"},
		{"number", "007"},
	}
}

// large is a value of 100 KiB that does not compress to nothing.
func large() string {
	var b strings.Builder
	for i := uint32(1); b.Len() < 100<<10; i++ {
		fmt.Fprintf(&b, "%08x ", i*2654435761)
	}
	return b.String()
}
