package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// A moment that has microseconds, which JavaScript has not.
var moment = time.Date(2040, 2, 3, 4, 5, 6, 789_123_000, time.UTC)

// application is a database of Auth.js, as its application and we see it.
type application struct {
	*AuthJS
	t      *testing.T
	flavor string
	conn   *pgx.Conn
}

func newApplication(t *testing.T, server *testdb.PostgresServer, flavor string) *application {
	dsn := theirs(t, server, flavor)
	return &application{openedTheirs(t, dsn, flavors[flavor]), t, flavor, raw(t, dsn)}
}

// user adds a user as Auth.js does and returns the id.
func (a *application) user(email string) string {
	query := `INSERT INTO users (name, email) VALUES ('Ada', $1) RETURNING id::text`
	switch a.flavor {
	case "prisma-v4":
		query = `INSERT INTO "User" (id, name, email) VALUES ('c' || md5(random()::text), 'Ada', $1) RETURNING id`
	case "prisma-v5":
		query = `INSERT INTO "User" (id, name, email, "updatedAt") VALUES ('c' || md5(random()::text), 'Ada', $1, now()) RETURNING id`
	}
	return a.text(query, email)
}

// session adds a session that ends at the moment.
func (a *application) session(userID, token string) {
	query := `INSERT INTO sessions ("userId", "sessionToken", expires) VALUES ($1::integer, $2, $3) RETURNING "sessionToken"`
	expires := any(moment)
	switch a.flavor {
	case "prisma-v4":
		query = `INSERT INTO "Session" (id, "userId", "sessionToken", expires) VALUES (md5(random()::text), $1, $2, $3) RETURNING "sessionToken"`
	case "prisma-v5":
		query = `INSERT INTO "Session" ("userId", "sessionToken", expires, "updatedAt") VALUES ($1, $2, $3, now()) RETURNING "sessionToken"`
	}
	a.text(query, userID, token, expires)
}

// text runs a query that has one text for an answer.
func (a *application) text(query string, args ...any) (s string) {
	a.t.Helper()
	if err := a.conn.QueryRow(a.t.Context(), query, args...).Scan(&s); err != nil {
		a.t.Fatalf("%s: %v", query, err)
	}
	return s
}

func (a *application) count(query string) int { a.t.Helper(); return number(a.t, a.conn, query) }

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func testMadeByAuthJS(t *testing.T, server *testdb.PostgresServer) {
	for _, flavor := range []string{"pg-adapter", "prisma-v4", "prisma-v5"} {
		for name, test := range map[string]func(*testing.T, *application){
			"sessions": theirSessions, "several sessions": theirSeveralSessions, "addresses": theirAddresses,
			"accounts": theirAccounts, "what they delete": theirDeletions, "what they merge": theirMerges,
			"what needs a user": theirOtherTables, "tables stay as they are": theirTablesStay,
		} {
			t.Run(flavor+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, newApplication(t, server, flavor))
			})
		}
	}
	t.Run("prisma-v5/passkeys", func(t *testing.T) {
		t.Parallel()
		theirPasskeys(t, newApplication(t, server, "prisma-v5"))
	})
	t.Run("prisma-v5/times of rows", func(t *testing.T) {
		t.Parallel()
		theirRowTimes(t, newApplication(t, server, "prisma-v5"))
	})
}

func theirSessions(t *testing.T, a *application) {
	ctx := t.Context()
	user := a.user("ada@example.com")
	const token = "3fb1a9a0-30c0-4a6b-8f6e-0f7b1c1f0001"
	a.session(user, token)
	id := store.Hash(token)[:32]

	got, err := a.SessionByToken(ctx, token)
	fatal(t, err)
	want(t, "ID", got.Session.ID, id)
	want(t, "user", got.Session.UserID+got.User.ID, user+user)
	want(t, "name", got.User.Name, "Ada")
	want(t, "evidence", string(got.Session.Evidence), "")
	want(t, "expires", got.Session.Expires.UnixMilli(), moment.UnixMilli())
	want(t, "seen", got.Session.Seen.IsZero() && got.Session.Created.IsZero(), true)
	byID, err := a.SessionByID(ctx, id)
	fatal(t, err)
	want(t, "by id", fmt.Sprint(byID), fmt.Sprint(got))
	list, err := a.ListSessions(ctx, store.SessionFilter{UserID: user}, moment.Add(-time.Hour))
	fatal(t, err)
	want(t, "listed", fmt.Sprint(list), fmt.Sprint([]store.SessionAndUser{got}))

	// Extended, also by what was read with microseconds, and once more.
	seen := moment.Add(-time.Minute)
	from := got.Session.Expires
	for i := range 2 {
		to := moment.Add(time.Duration(i+1) * time.Hour)
		extended, err := a.ExtendSession(ctx, id, from, to, seen)
		fatal(t, err)
		want(t, "extended", extended, true)
		extended, err = a.ExtendSession(ctx, id, from, to.Add(time.Hour), seen)
		fatal(t, err)
		want(t, "extended twice", extended, false)
		got, err = a.SessionByToken(ctx, token)
		fatal(t, err)
		want(t, "ID", got.Session.ID, id)
		want(t, "expires", got.Session.Expires.UnixMilli(), to.UnixMilli())
		want(t, "seen", got.Session.Seen.UnixMilli(), seen.UnixMilli())
		want(t, "evidence", string(got.Session.Evidence), "")
		from = got.Session.Expires
	}
	want(t, "their time", a.text(fmt.Sprintf(`SELECT to_char(%s, 'YYYY-MM-DD HH24:MI:SS.MS') FROM %s s`,
		map[bool]string{true: "expires AT TIME ZONE 'UTC'", false: "expires"}[a.flavor == "pg-adapter"], a.sessions.name)),
		"2040-02-03 06:05:06.789")

	for _, other := range []string{id[:31], id + "0", strings.ToUpper(id), store.Hash(token), token} {
		if _, err := a.SessionByID(ctx, other); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("by id %q: %v", other, err)
		}
		fatal(t, a.DeleteSession(ctx, other))
	}
	fatal(t, a.DeleteSession(ctx, id))
	_, err = a.SessionByToken(ctx, token)
	want(t, "deleted", errors.Is(err, store.ErrNotFound), true)
	want(t, "their rows", a.count("SELECT count(*) FROM "+a.sessions.name), 0)
	want(t, "our rows", a.count("SELECT count(*) FROM caddyauth_authjs_sessions"), 0)

	// One that was never extended goes as well.
	a.session(user, token)
	fatal(t, a.DeleteSession(ctx, id))
	want(t, "their rows", a.count("SELECT count(*) FROM "+a.sessions.name), 0)
}

func theirSeveralSessions(t *testing.T, a *application) {
	ctx := t.Context()
	user, other := a.user("ada@example.com"), a.user("bob@example.com")
	var ids []string
	for _, token := range []string{"one", "two", "three"} {
		a.session(user, token)
		ids = append(ids, store.Hash(token)[:32])
	}
	a.session(other, "other")
	ours := store.Session{ID: "ours", Token: "t", UserID: user, Expires: moment, Evidence: json.RawMessage(`{"sid":"ours"}`)}
	fatal(t, a.CreateSession(ctx, ours))
	// The id that would be derived from our token is nobody's.
	_, err := a.SessionByID(ctx, store.Hash("t")[:32])
	want(t, "derived", errors.Is(err, store.ErrNotFound), true)

	slices.Sort(ids)
	list, err := a.ListSessions(ctx, store.SessionFilter{Email: "ada@example.com", After: ids[0], Limit: 3}, moment.Add(-time.Hour))
	fatal(t, err)
	var listed []string
	for _, v := range list {
		listed = append(listed, v.Session.ID)
	}
	want(t, "listed", fmt.Sprint(listed), fmt.Sprint([]string{ids[1], ids[2], "ours"}))

	gone, err := a.DeleteUserSessions(ctx, user, ids[1])
	fatal(t, err)
	slices.Sort(gone)
	want(t, "gone", fmt.Sprint(gone), fmt.Sprint([]string{ids[0], ids[2], "ours"}))
	want(t, "left", a.count("SELECT count(*) FROM "+a.sessions.name), 2)
	want(t, "left of ours", a.count("SELECT count(*) FROM caddyauth_authjs_sessions"), 0)
}

func theirAddresses(t *testing.T, a *application) {
	ctx := t.Context()
	id := a.user("Ada.Lovelace@Example.com")
	a.user("bob@example.com")
	u, err := a.UserByEmail(ctx, "ada.lovelace@example.com")
	fatal(t, err)
	want(t, "found", u, store.User{ID: id, Name: "Ada", Email: "ada.lovelace@example.com"})
	_, err = a.CreateUser(ctx, store.User{Email: u.Email})
	want(t, "taken", errors.Is(err, store.ErrConflict), true)
	list, err := a.ListSessions(ctx, store.SessionFilter{Email: u.Email}, moment)
	fatal(t, err)
	want(t, "sessions", len(list), 0)

	// Who writes back what was read changes nothing that the application looks for.
	u.Name = "Grace"
	fatal(t, a.UpdateUser(ctx, u))
	want(t, "address", a.text("SELECT email FROM "+a.users.name+" WHERE name = 'Grace'"), "Ada.Lovelace@Example.com")
	u.Email = "grace@example.com"
	fatal(t, a.UpdateUser(ctx, u))
	want(t, "address", a.text("SELECT email FROM "+a.users.name+" WHERE name = 'Grace'"), "grace@example.com")

	// NULL, not empty text, which a unique index would allow once.
	u.Email, u.Image = "", ""
	fatal(t, a.UpdateUser(ctx, u))
	want(t, "no address", a.count("SELECT count(*) FROM "+a.users.name+" WHERE email IS NULL AND image IS NULL"), 1)

	// The model of v5 wants an address of everybody.
	execute(t, a.conn, "DELETE FROM "+a.users.name+" WHERE email IS NULL", "ALTER TABLE "+a.users.name+" ALTER email SET NOT NULL")
	strict := openedTheirs(t, a.conn.Config().ConnString(), flavors[a.flavor])
	_, err = strict.CreateUser(ctx, store.User{Name: "nobody"})
	wantError(t, err, "email")
	_, err = strict.CreateUser(ctx, store.User{Name: "somebody", Email: "somebody@example.com"})
	fatal(t, err)
}

func theirAccounts(t *testing.T, a *application) {
	ctx := t.Context()
	full := store.Account{UserID: a.user("ada@example.com"), Type: "oauth", Provider: "github", ProviderAccountID: "1", ExpiresAt: 1 << 33}
	fatal(t, a.LinkAccount(ctx, full))
	want(t, "without tokens", a.count("SELECT count(*) FROM "+a.accounts.name+` WHERE access_token IS NULL AND refresh_token IS NULL AND
		id_token IS NULL AND scope IS NULL AND session_state IS NULL AND token_type IS NULL`), 1)
	got, err := a.Account(ctx, "github", "1")
	fatal(t, err)
	latest := int64(1 << 33)
	if a.flavor != "pg-adapter" {
		latest = 1<<31 - 1
	}
	want(t, "expires", got.ExpiresAt, latest)
	full.ExpiresAt = 0
	fatal(t, a.UpdateAccount(ctx, full))
	want(t, "no expiry", a.count("SELECT count(*) FROM "+a.accounts.name+" WHERE expires_at IS NULL"), 1)
	got, err = a.Account(ctx, "github", "1")
	fatal(t, err)
	want(t, "account", got, full)
}

// What an application deletes is gone, and what we know about it goes when it is
// swept.
func theirDeletions(t *testing.T, a *application) {
	ctx := t.Context()
	var users []store.User
	for i := range 2 {
		u, err := a.CreateUser(ctx, store.User{Email: fmt.Sprintf("u%d@example.com", i)})
		fatal(t, err)
		users = append(users, u)
		name := fmt.Sprint(i)
		fatal(t, a.CreateSession(ctx, store.Session{ID: "kept" + name, Token: "t" + name, UserID: u.ID, Expires: moment}))
		fatal(t, a.CreateSession(ctx, store.Session{ID: "sealed" + name, UserID: u.ID, Expires: moment}))
		fatal(t, a.CreateToken(ctx, store.Token{ID: "pat" + name, Hash: "h" + name, UserID: u.ID}))
		fatal(t, a.CreateAuthenticator(ctx, store.Authenticator{CredentialID: "k" + name, UserID: u.ID}))
	}
	tables := []string{a.sessions.name, a.users.name}
	if a.layout.passkeys != nil {
		tables = slices.Insert(tables, 0, a.layout.passkeys.name)
	}
	for _, table := range tables {
		column := map[bool]string{true: "id", false: `"userId"`}[table == a.users.name]
		execute(t, a.conn, fmt.Sprintf("DELETE FROM %s WHERE %s::text = '%s'", table, column, users[0].ID))
	}
	_, _, err := a.TokenByHash(ctx, "h0")
	want(t, "token", errors.Is(err, store.ErrNotFound), true)
	for _, id := range []string{"kept0", "sealed0"} {
		_, err := a.SessionByID(ctx, id)
		want(t, id, errors.Is(err, store.ErrNotFound), true)
		extended, err := a.ExtendSession(ctx, id, moment, moment.Add(time.Hour), moment)
		fatal(t, err)
		want(t, id+" extended", extended && id == "kept0", false)
	}
	fatal(t, a.Sweep(ctx, moment.Add(-time.Hour)))
	for _, table := range []string{"caddyauth_authjs_sessions", "caddyauth_tokens", "caddyauth_authenticators"} {
		want(t, table, a.count("SELECT count(DISTINCT user_id) FROM "+table), 1)
		want(t, table, a.text("SELECT max(user_id) FROM "+table), users[1].ID)
	}
	for _, id := range []string{"kept1", "sealed1"} {
		_, err := a.SessionByID(ctx, id)
		fatal(t, err)
	}
}

func theirMerges(t *testing.T, a *application) {
	ctx := t.Context()
	ada, bob := a.user("ada@example.com"), a.user("bob@example.com")
	s := store.Session{ID: "s", Token: "t", UserID: ada, Expires: moment, Evidence: json.RawMessage(`{"groups":["admins"]}`)}
	fatal(t, a.CreateSession(ctx, s))
	execute(t, a.conn, fmt.Sprintf(`UPDATE %s SET "userId" = '%s'`, a.sessions.name, bob))
	got, err := a.SessionByToken(ctx, "t")
	fatal(t, err)
	want(t, "user", got.User.ID, bob)
	want(t, "evidence of another", string(got.Session.Evidence), "")
}

// An application that needs a user keeps us from deleting one, and nothing is
// done by halves.
func theirOtherTables(t *testing.T, a *application) {
	ctx := t.Context()
	u, err := a.CreateUserAndAccount(ctx, store.User{Name: "Ada"}, store.Account{Type: "oauth", Provider: "p", ProviderAccountID: "1"})
	fatal(t, err)
	fatal(t, a.CreateSession(ctx, store.Session{ID: "s", Token: "t", UserID: u.ID, Expires: moment}))
	execute(t, a.conn, fmt.Sprintf(`CREATE TABLE posts (author %s REFERENCES %s)`,
		a.users.columns["id"].typ, a.users.name), fmt.Sprintf("INSERT INTO posts VALUES ('%s')", u.ID))
	wantError(t, a.DeleteUser(ctx, u.ID), `the application needs the user in its table "posts"`)
	_, err = a.SessionByToken(ctx, "t")
	fatal(t, err)
	_, err = a.UserByAccount(ctx, "p", "1")
	fatal(t, err)
	execute(t, a.conn, "DELETE FROM posts")
	fatal(t, a.DeleteUser(ctx, u.ID))
}

// theirShape is all that tables of theirs are made of.
const theirShape = `WITH tables AS (
		SELECT oid, relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname !~ '^caddyauth_'
	)
	SELECT string_agg(line, E'\n' ORDER BY line) FROM (
		SELECT relname || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' || atthasdef AS line
			FROM tables t JOIN pg_attribute ON attrelid = t.oid AND attnum > 0
		UNION ALL SELECT pg_get_indexdef(indexrelid) FROM tables t JOIN pg_index ON indrelid = t.oid
		UNION ALL SELECT relname || ' ' || pg_get_constraintdef(c.oid) FROM tables t JOIN pg_constraint c ON conrelid = t.oid
		UNION ALL SELECT relname || ' ' || tgname FROM tables t JOIN pg_trigger ON tgrelid = t.oid
	) lines`

func theirTablesStay(t *testing.T, a *application) {
	ctx := t.Context()
	fresh := raw(t, theirDSN(a))
	execute(t, fresh, "DROP TABLE caddyauth_authjs_sessions, caddyauth_authenticators, caddyauth_tokens, caddyauth_revocations, caddyauth_locks, caddyauth_schema")
	before := a.text(theirShape)
	s := openedTheirs(t, theirDSN(a), flavors[a.flavor])
	u, err := s.CreateUserAndAccount(ctx, store.User{Name: "Ada"}, store.Account{Provider: "p", ProviderAccountID: "1"})
	fatal(t, err)
	fatal(t, s.CreateSession(ctx, store.Session{ID: "s", Token: "t", UserID: u.ID, Expires: moment}))
	fatal(t, s.Sweep(ctx, moment.Add(time.Hour)))
	fatal(t, s.DeleteUser(ctx, u.ID))
	if after := a.text(theirShape); after != before || !strings.Contains(before, "sessionToken") {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func theirDSN(a *application) string { return a.conn.Config().ConnString() }

func theirPasskeys(t *testing.T, a *application) {
	ctx := t.Context()
	user := a.user("ada@example.com")
	execute(t, a.conn, fmt.Sprintf(`INSERT INTO "Authenticator" VALUES ('AQID+/8=', '%s', 'AQID+/8=', 'pQECAyYgASFYIA==', 7, 'multiDevice', true, 'internal,hybrid')`, user))
	theirKey := store.Authenticator{
		CredentialID: "AQID+/8=", UserID: user, ProviderAccountID: "AQID+/8=", PublicKey: []byte("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"),
		Counter: 7, DeviceType: "multiDevice", BackedUp: true, Transports: []string{"internal", "hybrid"},
	}
	got, err := a.Authenticator(ctx, theirKey.CredentialID)
	fatal(t, err)
	want(t, "theirs", fmt.Sprint(got), fmt.Sprint(theirKey))

	theirKey.Counter, theirKey.Name, theirKey.Flags, theirKey.Used = 8, "key", 0x1d, moment
	fatal(t, a.UpdateAuthenticator(ctx, theirKey))
	list, err := a.Authenticators(ctx, user)
	fatal(t, err)
	want(t, "updated", fmt.Sprint(list), fmt.Sprint([]store.Authenticator{theirKey}))
	want(t, "their counter", a.count(`SELECT counter FROM "Authenticator"`), 8)
	execute(t, a.conn, `UPDATE "Authenticator" SET counter = 9`)
	got, err = a.Authenticator(ctx, theirKey.CredentialID)
	fatal(t, err)
	want(t, "counter", got.Counter, 9)

	ours := store.Authenticator{CredentialID: "BAUG", UserID: user, ProviderAccountID: "BAUG", PublicKey: []byte{1, 2, 3}, Counter: 1<<32 - 1, DeviceType: "singleDevice"}
	fatal(t, a.CreateAuthenticator(ctx, ours))
	want(t, "as they read it", a.text(`SELECT concat_ws(' ', "userId", "providerAccountId", "credentialPublicKey", counter, "credentialDeviceType",
		"credentialBackedUp", coalesce(transports, 'none')) FROM "Authenticator" WHERE "credentialID" = 'BAUG'`),
		user+" BAUG AQID 2147483647 singleDevice f none")
	got, err = a.Authenticator(ctx, "BAUG")
	fatal(t, err)
	want(t, "counter", got.Counter, 1<<32-1)
}

func theirRowTimes(t *testing.T, a *application) {
	ctx := t.Context()
	u, err := a.CreateUserAndAccount(ctx, store.User{Name: "Ada"}, store.Account{Provider: "p", ProviderAccountID: "1"})
	fatal(t, err)
	want(t, "id", regexp.MustCompile("^c[0-9a-z]{24}$").MatchString(u.ID), true)
	fatal(t, a.CreateSession(ctx, store.Session{ID: "s", Token: "t", UserID: u.ID, Expires: moment}))
	recent := func(table string) int {
		return a.count("SELECT count(*) FROM " + table + ` WHERE "updatedAt" BETWEEN (now() AT TIME ZONE 'UTC') - interval '1 minute' AND (now() AT TIME ZONE 'UTC')`)
	}
	for _, table := range []string{`"User"`, `"Account"`, `"Session"`} {
		want(t, table, recent(table), 1)
		execute(t, a.conn, "UPDATE "+table+` SET "updatedAt" = '2001-01-01'`)
		want(t, table, recent(table), 0)
	}
	fatal(t, a.UpdateUser(ctx, u))
	fatal(t, a.UpdateAccount(ctx, store.Account{Provider: "p", ProviderAccountID: "1"}))
	_, err = a.ExtendSession(ctx, "s", moment, moment.Add(time.Hour), moment)
	fatal(t, err)
	for _, table := range []string{`"User"`, `"Account"`, `"Session"`} {
		want(t, table, recent(table), 1)
	}
}
