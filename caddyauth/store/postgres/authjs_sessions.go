package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

// derived is the ID of a session that Auth.js made.
const derived = `left(encode(sha256(convert_to(s."sessionToken", 'UTF8')), 'hex'), 32) COLLATE "C"`

// kept are the sessions that have a token: theirs is the row that makes one, ours
// (e) says more about it. Evidence is about one user, so it does not follow a
// session that an application gives to another.
func (s *AuthJS) kept() string {
	return "SELECT coalesce(e.id, " + derived + `), s."sessionToken", u.id::text, e.provider, e.account, ` +
		s.sessions.readAs("s.", "expires") + `, e.created, e.seen, e.user_agent, e.ip,
		CASE WHEN e.user_id = u.id::text THEN e.evidence END, ` + s.userColumns() + `
		FROM ` + s.sessions.name + " s JOIN " + s.users.name + ` u ON u.id = s."userId"
		LEFT JOIN caddyauth_authjs_sessions e ON e.token = s."sessionToken"`
}

// sealed are the sessions that have none.
func (s *AuthJS) sealed() string {
	return `SELECT e.id, '', u.id::text, e.provider, e.account, e.expires, e.created, e.seen, e.user_agent, e.ip, e.evidence, ` +
		s.userColumns() + " FROM caddyauth_authjs_sessions e JOIN " + s.users.name + " u ON u.id = " + s.id("e.user_id")
}

func scanTheirSession(row sqlstore.Row, v *store.SessionAndUser) error {
	a := &v.Session
	return row.Scan(append([]any{
		&a.ID, &a.Token, &a.UserID, sqlstore.Text(&a.Provider), sqlstore.Text(&a.Account),
		sqlstore.Time(&a.Expires), sqlstore.Time(&a.Created), sqlstore.Time(&a.Seen),
		sqlstore.Text(&a.UserAgent), sqlstore.Text(&a.IP), sqlstore.JSON(&a.Evidence),
	}, scanTheirUser(&v.User)...)...)
}

// named is the condition that a session with a token, s, has the ID $1. Only for
// those that Auth.js made, once until they are first extended, all tokens have to
// be looked at.
func (s *AuthJS) named() string {
	return `s."sessionToken" = ANY (ARRAY(
		SELECT e.token FROM caddyauth_authjs_sessions e WHERE e.id = $1 AND e.token IS NOT NULL
		UNION ALL
		SELECT s."sessionToken"::text FROM ` + s.sessions.name + ` s WHERE $1 ~ '^[0-9a-f]{32}$'
			AND NOT EXISTS (SELECT FROM caddyauth_authjs_sessions e WHERE e.id = $1)
			AND NOT EXISTS (SELECT FROM caddyauth_authjs_sessions e WHERE e.token = s."sessionToken")
			AND ` + derived + ` = $1))`
}

// CreateSession implements store.Sessions.
func (s *AuthJS) CreateSession(ctx context.Context, v store.Session) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		if v.Token != "" {
			if err := only(ctx, tx, "session", v.Token, "SELECT 1 FROM "+s.sessions.name+` WHERE "sessionToken" = $1`, v.Token); err != nil {
				return err
			}
		}
		if err := s.keepUser(ctx, tx, v.UserID); err != nil {
			return err
		}
		expires := at(v.Expires)
		if v.Token != "" {
			query, args := s.sessions.insert([]string{"sessionToken", "userId", "expires"}, v.Token, v.UserID, expires)
			if err := tx.Insert(ctx, query, args...); err != nil {
				return err
			}
			expires = time.Time{} // theirs counts
		}
		const query = `INSERT INTO caddyauth_authjs_sessions
			(id, token, user_id, provider, account, expires, created, seen, user_agent, ip, evidence)
			VALUES ($1, NULLIF($2, ''), $3, $4, $5, $6, $7, $8, $9, $10, $11)`
		return tx.Insert(ctx, query, v.ID, v.Token, v.UserID, v.Provider, v.Account, expires, v.Created, v.Seen,
			sqlstore.Label(v.UserAgent), sqlstore.Label(v.IP), v.Evidence)
	})
}

// SessionByToken implements store.Sessions.
func (s *AuthJS) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	return sqlstore.One(ctx, s.db.DB, scanTheirSession, s.kept()+` WHERE s."sessionToken" = $1 AND s."sessionToken" <> ''`, token)
}

// SessionByID implements store.Sessions.
func (s *AuthJS) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	return sqlstore.One(ctx, s.db.DB, scanTheirSession,
		s.kept()+" WHERE "+s.named()+" UNION ALL "+s.sealed()+" WHERE e.id = $1 AND e.token IS NULL", id)
}

// ExtendSession implements store.Sessions. It is one statement: whoever comes
// second waits for the first, and then finds another time in the row. A session
// that Auth.js made gets a row of ours, which has Seen and makes it easy to find.
// Others may have written times that are finer than ours.
func (s *AuthJS) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	query := `WITH kept AS (
			UPDATE ` + s.sessions.name + " s" + s.sessions.set(3, "expires") + " WHERE " + s.named() + `
				AND date_trunc('milliseconds', ` + s.sessions.readAs("s.", "expires") + `) = $2
			RETURNING s."sessionToken" AS token, s."userId"::text AS user_id
		), noted AS (
			INSERT INTO caddyauth_authjs_sessions AS e (id, token, user_id, seen) SELECT $1, k.token, k.user_id, $4::timestamptz FROM kept k
			ON CONFLICT (id) DO UPDATE SET seen = excluded.seen
		), sealed AS (
			UPDATE caddyauth_authjs_sessions e SET expires = $3, seen = $4 WHERE e.id = $1 AND e.token IS NULL AND e.expires = $2
			RETURNING e.id
		) SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM sealed)`
	n, err := sqlstore.One(ctx, s.db.Changing(), func(row sqlstore.Row, n *int64) error { return row.Scan(n) },
		query, id, at(from), at(to), seen)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil // the id is not even text
	}
	return n > 0, err
}

// DeleteSession implements store.Sessions. Their row is locked first here and in
// ExtendSession, so that the two do not wait for each other.
func (s *AuthJS) DeleteSession(ctx context.Context, id string) error {
	return s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		if err := tx.Delete(ctx, "DELETE FROM "+s.sessions.name+" s WHERE "+s.named(), id); err != nil {
			return err
		}
		return tx.Delete(ctx, "DELETE FROM caddyauth_authjs_sessions WHERE id = $1", id)
	})
}

// DeleteUserSessions implements store.Sessions.
func (s *AuthJS) DeleteUserSessions(ctx context.Context, userID, except string) (ids []string, err error) {
	scan := func(row sqlstore.Row, id *string) error { return row.Scan(id) }
	kept := "DELETE FROM " + s.sessions.name + ` d USING (
			SELECT s."sessionToken" AS token, coalesce(e.id, ` + derived + `) AS id FROM ` + s.sessions.name + ` s
			LEFT JOIN caddyauth_authjs_sessions e ON e.token = s."sessionToken" WHERE s."userId" = ` + s.id("$1") + `
		) v WHERE d."sessionToken" = v.token AND v.id <> $2 RETURNING v.id`
	sealed := `WITH gone AS (
			DELETE FROM caddyauth_authjs_sessions e WHERE e.user_id = $1 AND e.id <> $2 AND (e.token IS NULL
				OR NOT EXISTS (SELECT FROM ` + s.sessions.name + ` s WHERE s."sessionToken" = e.token)) RETURNING e.id, e.token
		) SELECT id FROM gone WHERE token IS NULL`
	err = s.db.Tx(ctx, func(ctx context.Context, tx *sqlstore.Tx) error {
		ids = nil
		for _, query := range []string{kept, sealed} {
			list, err := sqlstore.Many(ctx, tx, scan, query, userID, except)
			if err != nil {
				return err
			}
			ids = append(ids, list...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// ListSessions implements store.Sessions.
func (s *AuthJS) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	args := []any{now, f.After}
	var where strings.Builder
	for _, filter := range []struct{ condition, value string }{
		{" AND u.id = " + s.id("%[1]s"), f.UserID}, {" AND e.provider = %s", f.Provider}, {" AND lower(u.email) = %s", f.Email},
	} {
		if filter.value != "" {
			args = append(args, filter.value)
			fmt.Fprintf(&where, filter.condition, "$"+strconv.Itoa(len(args)))
		}
	}
	args = append(args, int64(f.Page()))
	query := s.kept() + " WHERE " + s.sessions.readAs("s.", "expires") + " > $1 AND coalesce(e.id, " + derived + ") > $2" + where.String() +
		" UNION ALL " + s.sealed() + " WHERE e.token IS NULL AND e.expires > $1 AND e.id > $2" + where.String() +
		" ORDER BY 1 LIMIT $" + strconv.Itoa(len(args))
	return sqlstore.Many(ctx, s.db.DB, scanTheirSession, query, args...)
}
