package postgres

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// altered makes the tables of a flavor after changing how they are made: pairs of
// an old text and a new one.
func altered(t *testing.T, server *testdb.PostgresServer, flavor string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + flavor + ".sql")
	fatal(t, err)
	tables := string(b)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(tables, changes[i]) {
			t.Fatalf("%s has no %q", flavor, changes[i])
		}
		tables = strings.ReplaceAll(tables, changes[i], changes[i+1])
	}
	dsn := owned(server)
	execute(t, raw(t, dsn), tables)
	return dsn
}

// Applications change the types of ids, and add columns.
func testLayouts(t *testing.T, server *testdb.PostgresServer) {
	const uuid = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
	for name, c := range map[string]struct {
		flavor  string
		changes []string
		id      string
	}{
		"numbers":               {"pg-adapter", nil, "^[0-9]+$"},
		"long numbers":          {"pg-adapter", []string{"id SERIAL", "id BIGINT GENERATED ALWAYS AS IDENTITY", "INTEGER", "BIGINT"}, "^[0-9]+$"},
		"UUIDs":                 {"pg-adapter", []string{"id SERIAL", "id UUID DEFAULT gen_random_uuid()", `"userId" INTEGER`, `"userId" UUID`}, uuid},
		"text of theirs":        {"pg-adapter", []string{"id SERIAL", "id TEXT DEFAULT 'x' || md5(random()::text)", `"userId" INTEGER`, `"userId" TEXT`}, "^x"},
		"without a zone":        {"pg-adapter", []string{"TIMESTAMPTZ", "TIMESTAMP"}, "^[0-9]+$"},
		"cuids":                 {"prisma-v4", nil, "^c[0-9a-z]{24}$"},
		"UUIDs of ours":         {"prisma-v5", []string{`"id" TEXT`, `"id" UUID`, `"userId" TEXT`, `"userId" UUID`}, uuid},
		"UUIDs, v4":             {"prisma-v4", []string{`"id" TEXT`, `"id" UUID`, `"userId" TEXT`, `"userId" UUID`}, uuid},
		"Prisma's numbers":      {"prisma-v5", []string{`"id" TEXT NOT NULL`, `"id" SERIAL NOT NULL`, `"userId" TEXT`, `"userId" INTEGER`}, "^[0-9]+$"},
		"with a zone":           {"prisma-v5", []string{"TIMESTAMP(3)", "TIMESTAMPTZ(6)"}, "^c"},
		"another Authenticator": {"prisma-v5", []string{`"credentialBackedUp" BOOLEAN NOT NULL,`, ""}, "^c"},
		"more columns":          {"prisma-v4", []string{`"image" TEXT,`, `"image" TEXT, "role" TEXT NOT NULL DEFAULT 'user',`}, "^c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := altered(t, server, c.flavor, c.changes...)
			s := openedTheirs(t, dsn+"&timezone=America/Lima", flavors[c.flavor])
			id := useAll(t, s)
			if !regexp.MustCompile(c.id).MatchString(id) {
				t.Errorf("the id %q is not like %s", id, c.id)
			}
			for _, wrong := range []string{"", "x", "1e3", id + "0", "00" + id, strings.ToUpper(id) + " ", "99999999999999999999", "-1",
				"00000000-0000-0000-0000-000000000000", "9007199254740993"} {
				_, err := s.User(t.Context(), wrong)
				if !errors.Is(err, store.ErrNotFound) {
					t.Errorf("id %q: %v", wrong, err)
				}
			}
		})
	}
}

// useAll keeps one of everything, and removes it. It returns the user's id.
func useAll(t *testing.T, s *AuthJS) string {
	t.Helper()
	ctx := t.Context()
	u, err := s.CreateUserAndAccount(ctx, store.User{Name: "Ada", Email: "ada@example.com", EmailVerified: moment},
		store.Account{Type: "oidc", Provider: "p", ProviderAccountID: "1", ExpiresAt: 5})
	fatal(t, err)
	got, err := s.UserByAccount(ctx, "p", "1")
	fatal(t, err)
	want(t, "user", got, u)
	want(t, "verified", u.EmailVerified.UnixMilli(), moment.UnixMilli())
	fatal(t, s.CreateSession(ctx, store.Session{ID: "s", Token: "t", UserID: u.ID, Expires: moment}))
	fatal(t, s.CreateSession(ctx, store.Session{ID: "sealed", UserID: u.ID, Expires: moment}))
	for _, id := range []string{"s", "sealed"} {
		extended, err := s.ExtendSession(ctx, id, moment, moment.Add(time.Hour), moment)
		fatal(t, err)
		want(t, "extended", extended, true)
		v, err := s.SessionByID(ctx, id)
		fatal(t, err)
		want(t, "expires", v.Session.Expires.UnixMilli(), moment.Add(time.Hour).UnixMilli())
		want(t, "user", v.User, u)
	}
	list, err := s.ListSessions(ctx, store.SessionFilter{UserID: u.ID, Email: u.Email}, moment.Add(59*time.Minute))
	fatal(t, err)
	want(t, "listed", len(list), 2)
	link := store.VerificationToken{Identifier: "ada@example.com", Token: "h", Expires: moment.Truncate(time.Millisecond)}
	fatal(t, s.CreateVerificationToken(ctx, link))
	used, err := s.UseVerificationToken(ctx, link.Identifier, link.Token)
	fatal(t, err)
	want(t, "link", used, link)
	fatal(t, s.CreateAuthenticator(ctx, store.Authenticator{CredentialID: "AQID", UserID: u.ID, PublicKey: []byte{1}, Counter: 1}))
	keys, err := s.Authenticators(ctx, u.ID)
	fatal(t, err)
	want(t, "keys", len(keys), 1)
	fatal(t, s.CreateToken(ctx, store.Token{ID: "pat", Hash: "h", UserID: u.ID}))
	_, owner, err := s.TokenByHash(ctx, "h")
	fatal(t, err)
	want(t, "owner", owner, u)
	fatal(t, s.DeleteUser(ctx, u.ID))
	accounts, err := s.Accounts(ctx, u.ID)
	fatal(t, err)
	want(t, "accounts", len(accounts), 0)
	return u.ID
}

// A database that is not what the configuration says is refused, and stays as it
// is.
func testRefusedLayouts(t *testing.T, server *testdb.PostgresServer) {
	for name, c := range map[string]struct {
		flavor, schemaName string
		changes            []string
		want               string
	}{
		"no tables": {"prisma-v4", "pg-adapter", nil,
			`this is not a database with the schema pg-adapter: no table "users", no table "accounts", no table "sessions", no table "verification_token"`},
		"one table": {"pg-adapter", "pg-adapter", []string{"TABLE verification_token", "TABLE verification_tokens"}, `schema pg-adapter: no table "verification_token"`},
		"columns": {"pg-adapter", "pg-adapter", []string{`"sessionToken"`, "session_token", `"userId"`, "user_id"},
			`no column "userId" in table "accounts", no column "userId", "sessionToken" in table "sessions"`},
		"prisma":     {"prisma-v4", "prisma", []string{`"emailVerified" TIMESTAMP(3),`, ""}, `schema prisma: no column "emailVerified" in table "User"`},
		"no default": {"pg-adapter", "pg-adapter", []string{"id SERIAL", "id INTEGER"}, `schema pg-adapter: the column "id" of table "users" has no default`},
		"ids":        {"pg-adapter", "pg-adapter", []string{"id SERIAL", "id BYTEA"}, `"users" has the type bytea`},
		"other ids":  {"pg-adapter", "pg-adapter", []string{`"userId" INTEGER`, `"userId" TEXT`}, `the column "userId" of table "accounts" has the type text, and "id" of "users" has integer`},
		"times":      {"pg-adapter", "pg-adapter", []string{"expires TIMESTAMPTZ", "expires TEXT"}, "has the type text, and it must be a timestamp"},
		"expiry":     {"prisma-v5", "prisma", []string{`"expires_at" INTEGER`, `"expires_at" TEXT`}, `the column "expires_at" of table "Account" must be a number`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := altered(t, server, c.flavor, c.changes...)
			s, err := OpenAuthJS(t.Context(), dsn, c.schemaName)
			if err == nil {
				_ = s.Close()
			}
			wantError(t, err, c.want)
			if n := number(t, raw(t, dsn), "SELECT count(*) FROM pg_tables WHERE tableowner = current_user AND tablename LIKE 'caddyauth%'"); n != 0 {
				t.Errorf("%d tables were made", n)
			}
		})
	}
}
