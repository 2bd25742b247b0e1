package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

// layout is how the tables of an application are made. Most are as Auth.js
// documents them, with a few columns more, but ids may be numbers, UUIDs or text,
// and times may have a time zone or be in UTC.
type layout struct {
	users, accounts, sessions, links *table
	// passkeys is nil if there is no such table.
	passkeys *table
}

// table is one of them.
type table struct {
	name    string // as in a statement
	columns map[string]column
}

// column is one of a table.
type column struct {
	kind kind
	// typ is the name of the type.
	typ string
	// required is true if it cannot be NULL, and made if the database has a value
	// where none is given.
	required, made bool
}

// kind is what a column can hold.
type kind int

const (
	otherKind kind = iota
	textKind
	uuidKind
	smallKind // numbers of up to 31 bits
	largeKind
	zonedKind // times
	utcKind
)

var kinds = map[string]kind{
	"text": textKind, "character varying": textKind, "character": textKind, "citext": textKind, "uuid": uuidKind,
	"smallint": smallKind, "integer": smallKind, "bigint": largeKind,
	"timestamp with time zone": zonedKind, "timestamp without time zone": utcKind,
}

// theirTables are the names of the tables, by schema: of users, accounts,
// sessions, verification tokens, and authenticators, which need not be there.
var theirTables = map[string][5]string{
	"pg-adapter": {"users", "accounts", "sessions", "verification_token", ""},
	"prisma":     {"User", "Account", "Session", "VerificationToken", "Authenticator"},
}

// theirColumns are the columns that are needed, in the same order.
var theirColumns = [5][]string{
	{"id", "name", "email", "emailVerified", "image"},
	{"userId", "type", "provider", "providerAccountId", "refresh_token", "access_token", "expires_at", "id_token", "scope", "session_state", "token_type"},
	{"userId", "expires", "sessionToken"},
	{"identifier", "expires", "token"},
	{"credentialID", "userId", "providerAccountId", "credentialPublicKey", "counter", "credentialDeviceType", "credentialBackedUp", "transports"},
}

// inspect finds out how the tables of a schema are made. They are those that the
// search path leads to.
func inspect(ctx context.Context, db *sqlstore.DB, schemaName string) (*layout, error) {
	var l layout
	var missing []string
	for i, t := range []**table{&l.users, &l.accounts, &l.sessions, &l.links, &l.passkeys} {
		name := theirTables[schemaName][i]
		columns, err := columnsOf(ctx, db, quoted(name))
		if err != nil {
			return nil, err
		}
		*t = &table{quoted(name), columns}
		lacks := slices.DeleteFunc(slices.Clone(theirColumns[i]), func(c string) bool { _, ok := columns[c]; return ok })
		switch {
		case len(lacks) == 0:
		case t == &l.passkeys:
			*t = nil // somebody else's, if it is there at all
		case len(columns) == 0:
			missing = append(missing, "no table "+quoted(name))
		default:
			missing = append(missing, fmt.Sprintf("no column %s in table %s", `"`+strings.Join(lacks, `", "`)+`"`, quoted(name)))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("postgres: this is not a database with the schema %s: %s", schemaName, strings.Join(missing, ", "))
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("postgres: schema %s: %w", schemaName, err)
	}
	return &l, nil
}

// columnsOf returns the columns of a table, none if it is not there. A name that
// is looked up by to_regclass is found as it is in a statement.
func columnsOf(ctx context.Context, db *sqlstore.DB, name string) (map[string]column, error) {
	type named struct {
		name string
		column
	}
	const query = `SELECT a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL), a.attnotnull,
			a.atthasdef OR a.attidentity <> ''
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`
	list, err := sqlstore.Many(ctx, db, func(row sqlstore.Row, c *named) error {
		return row.Scan(&c.name, &c.typ, &c.required, &c.made)
	}, query, name)
	columns := make(map[string]column)
	for _, c := range list {
		c.kind = kinds[c.typ]
		columns[c.name] = c.column
	}
	return columns, err
}

// check makes sure that the columns can hold what they have to.
func (l *layout) check() error {
	id := l.users.columns["id"]
	switch {
	case id.kind == otherKind || id.kind >= zonedKind:
		return fmt.Errorf(`the column "id" of table %s has the type %s, and it must be a number, a UUID or text`, l.users.name, id.typ)
	case id.kind >= smallKind && !id.made:
		return fmt.Errorf(`the column "id" of table %s has no default, so nobody could be added`, l.users.name)
	}
	for _, t := range []*table{l.accounts, l.sessions, l.passkeys} {
		if t == nil {
			continue
		}
		if of := t.columns["userId"]; of.kind != id.kind && !(of.kind.number() && id.kind.number()) {
			return fmt.Errorf(`the column "userId" of table %s has the type %s, and "id" of %s has %s`, t.name, of.typ, l.users.name, id.typ)
		}
	}
	times := map[*table]string{l.users: "emailVerified", l.sessions: "expires", l.links: "expires"}
	for t, name := range times {
		if c := t.columns[name]; c.kind < zonedKind {
			return fmt.Errorf("the column %s of table %s has the type %s, and it must be a timestamp", quoted(name), t.name, c.typ)
		}
	}
	if !l.accounts.columns["expires_at"].kind.number() {
		return errors.New(`the column "expires_at" of table ` + l.accounts.name + " must be a number")
	}
	return nil
}

func (k kind) number() bool { return k == smallKind || k == largeKind }

// id is an SQL expression for the id of a user that text stands for: NULL, which
// is nobody's, for what is no such id.
func (l *layout) id(text string) string { return l.users.columns["id"].parse(text) }

func (c column) parse(text string) string {
	switch c.kind {
	case uuidKind:
		return "CASE WHEN (" + text + ")::text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN (" + text + ")::text::uuid END"
	case smallKind, largeKind:
		return "CASE WHEN (" + text + ")::text ~ '^(0|-?[1-9][0-9]{0,17})$' THEN (" + text + ")::text::bigint END"
	}
	return "(" + text + ")::text"
}

// read is an SQL expression for a column with a time.
func (t *table) read(name string) string { return t.readAs("", name) }

// readAs is read for a table that the statement gives another name.
func (t *table) readAs(alias, name string) string {
	if t.columns[name].kind == utcKind {
		return "(" + alias + quoted(name) + " AT TIME ZONE 'UTC')"
	}
	return alias + quoted(name)
}

// write is an SQL expression for what a column is set to. No text is NULL where
// that is possible, and always where it is an address, which are unique.
func (t *table) write(name, value string) string {
	c := t.columns[name]
	switch {
	case name == "id" || name == "userId":
		return c.parse(value)
	case c.kind == utcKind:
		return "(" + value + "::timestamptz AT TIME ZONE 'UTC')"
	case c.kind == zonedKind:
		return value + "::timestamptz"
	case c.kind == smallKind:
		// In 2038, a time that is too early beats a sign-in that fails.
		value = "LEAST(" + value + "::bigint, 2147483647)"
	case c.kind == largeKind:
		value += "::bigint"
	}
	switch {
	case c.kind.number() && c.required:
		return value
	case c.kind.number():
		return "NULLIF(" + value + ", 0)"
	case c.required && name != "email" || c.kind != textKind:
		return value
	}
	return "NULLIF(" + value + ", '')"
}

// now is an SQL expression for a column that says when a row was changed.
func (t *table) now(name string) string {
	if t.columns[name].kind == utcKind {
		return "(now() AT TIME ZONE 'UTC')"
	}
	return "now()"
}

// insert is a statement for a row, and its arguments. Prisma makes ids and the
// times in createdAt and updatedAt in the application, so they have no defaults.
func (t *table) insert(names []string, args ...any) (string, []any) {
	columns, values := make([]string, 0, len(names)+3), make([]string, 0, len(names)+3)
	for i, name := range names {
		columns, values = append(columns, quoted(name)), append(values, t.write(name, "$"+strconv.Itoa(i+1)))
	}
	if c, ok := t.columns["id"]; ok && !c.made {
		args = append(args, newID(c.kind))
		columns, values = append(columns, `"id"`), append(values, c.parse("$"+strconv.Itoa(len(args))))
	}
	for _, name := range []string{"createdAt", "updatedAt"} {
		if c, ok := t.columns[name]; ok && c.kind >= zonedKind && !c.made {
			columns, values = append(columns, quoted(name)), append(values, t.now(name))
		}
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")", args
}

// set is the part of an UPDATE that gives columns the values $first and so on.
func (t *table) set(first int, names ...string) string {
	var parts []string
	for i, name := range names {
		parts = append(parts, quoted(name)+" = "+t.write(name, "$"+strconv.Itoa(first+i)))
	}
	if t.columns["updatedAt"].kind >= zonedKind {
		parts = append(parts, `"updatedAt" = `+t.now("updatedAt"))
	}
	return " SET " + strings.Join(parts, ", ")
}

// newID is an id that nobody has: a UUID (RFC 9562, section 5.4), or text in the
// form of the cuids that Prisma makes.
func newID(k kind) string {
	if k == uuidKind {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails, see crypto/rand
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	const digits = 24
	n, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(36), big.NewInt(digits), nil))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return fmt.Sprintf("c%0*s", digits, n.Text(36))
}
