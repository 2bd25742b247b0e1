package sqlstore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

const insertSession = `INSERT INTO caddyauth_sessions
	(id, token, user_id, provider, account, expires, created, seen, user_agent, ip, evidence)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

const selectSession = `SELECT s.id, s.token, s.user_id, s.provider, s.account, s.expires, s.created, s.seen,
	s.user_agent, s.ip, s.evidence, ` + userColumns + `
	FROM caddyauth_sessions s JOIN caddyauth_users u ON u.id = s.user_id`

func scanSession(row Row, v *store.SessionAndUser) error {
	s, u := &v.Session, &v.User
	return row.Scan(&s.ID, &s.Token, &s.UserID, &s.Provider, &s.Account,
		Time(&s.Expires), Time(&s.Created), Time(&s.Seen), &s.UserAgent, &s.IP, JSON(&s.Evidence),
		&u.ID, &u.Name, &u.Email, &u.Image, Time(&u.EmailVerified))
}

// CreateSession implements store.Sessions.
func (s *Store) CreateSession(ctx context.Context, v store.Session) error {
	return s.db.Insert(ctx, insertSession, v.ID, v.Token, v.UserID, v.Provider, v.Account,
		v.Expires, v.Created, v.Seen, Label(v.UserAgent), Label(v.IP), v.Evidence)
}

// SessionByToken implements store.Sessions.
func (s *Store) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	return One(ctx, s.db, scanSession, selectSession+" WHERE s.token = $1 AND s.token <> ''", token)
}

// SessionByID implements store.Sessions.
func (s *Store) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	return One(ctx, s.db, scanSession, selectSession+" WHERE s.id = $1", id)
}

// ExtendSession implements store.Sessions. Whoever comes second waits for the
// first, and then finds another time in the row.
func (s *Store) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	n, err := s.db.Count(ctx, "UPDATE caddyauth_sessions SET expires = $3, seen = $4 WHERE id = $1 AND expires = $2",
		id, from, to, seen)
	return n == 1, err
}

// DeleteSession implements store.Sessions.
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	return s.db.Delete(ctx, "DELETE FROM caddyauth_sessions WHERE id = $1", id)
}

// DeleteUserSessions implements store.Sessions.
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	return Many(ctx, s.db.Changing(), func(row Row, id *string) error { return row.Scan(id) },
		"DELETE FROM caddyauth_sessions WHERE user_id = $1 AND id <> $2 RETURNING id", userID, except)
}

// ListSessions implements store.Sessions.
func (s *Store) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	var query strings.Builder
	query.WriteString(selectSession + " WHERE s.expires > $1 AND s.id > $2")
	args := []any{now, f.After}
	// Each combination of filters is a query of its own, so that each can use the
	// index that suits it.
	for _, filter := range []struct{ condition, value string }{
		{" AND s.user_id = $", f.UserID}, {" AND s.provider = $", f.Provider}, {" AND u.email <> '' AND u.email = $", f.Email},
	} {
		if filter.value != "" {
			args = append(args, filter.value)
			query.WriteString(filter.condition + strconv.Itoa(len(args)))
		}
	}
	args = append(args, int64(f.Page()))
	query.WriteString(" ORDER BY s.id LIMIT $" + strconv.Itoa(len(args)))
	return Many(ctx, s.db, scanSession, query.String(), args...)
}
