package redis

import (
	"context"
	"errors"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// sessionFields leave out what is empty, except for the end, which is compared.
func sessionFields(v store.Session) fields {
	f := fields{"user", v.UserID, "expires", millis(v.Expires)}
	return f.add("token", v.Token).add("provider", v.Provider).add("account", v.Account).
		add("created", millis(v.Created)).add("seen", millis(v.Seen)).
		add("user_agent", v.UserAgent).add("ip", v.IP).add("evidence", string(v.Evidence))
}

func (r *row) session(id string) (store.Session, error) {
	v := store.Session{
		ID: id, Token: r.text("token"), UserID: r.text("user"), Provider: r.text("provider"), Account: r.text("account"),
		Expires: r.time("expires"), Created: r.time("created"), Seen: r.time("seen"),
		UserAgent: r.text("user_agent"), IP: r.text("ip"), Evidence: r.bytes("evidence"),
	}
	return v, r.err
}

// CreateSession implements [store.Driver].
func (s *Store) CreateSession(ctx context.Context, v store.Session) error {
	since := v.Seen
	if since.IsZero() {
		since = v.Created
	}
	args := []any{v.ID, v.Token, v.UserID, millis(v.Expires), keep(since, v.Expires)}
	return s.do(ctx, luaCreateSession, append(args, sessionFields(v)...)...)
}

// SessionByToken implements [store.Driver].
func (s *Store) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	return s.session(ctx, luaSessionByToken, token)
}

// SessionByID implements [store.Driver].
func (s *Store) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	return s.session(ctx, luaSessionByID, id)
}

func (s *Store) session(ctx context.Context, sc *script, name string) (store.SessionAndUser, error) {
	v, err := s.find(ctx, sc, name)
	if err != nil {
		return store.SessionAndUser{}, err
	}
	found, err := parts(v, 2)
	switch {
	case err != nil:
		return store.SessionAndUser{}, err
	case len(found) < 3: // the user is gone
		return store.SessionAndUser{}, store.ErrNotFound
	}
	return sessionAndUser(found)
}

// sessionAndUser reads id, fields, and the fields of the user.
func sessionAndUser(found []any) (v store.SessionAndUser, err error) {
	id, _ := found[0].(string)
	if v.Session, err = newRow(found[1]).session(id); err != nil {
		return store.SessionAndUser{}, err
	}
	if v.User, err = newRow(found[2]).user(v.Session.UserID); err != nil {
		return store.SessionAndUser{}, err
	}
	return v, nil
}

// ExtendSession implements [store.Driver].
func (s *Store) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	v, err := s.eval(ctx, luaExtendSession, id, millis(from), millis(to), millis(seen), keep(seen, to))
	return v == int64(1), err
}

// DeleteSession implements [store.Driver].
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	return s.do(ctx, luaDelete, "session", id, "")
}

// DeleteUserSessions implements [store.Driver].
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	v, err := s.eval(ctx, luaDeleteUserSessions, userID, except)
	if err != nil {
		return nil, err
	}
	gone, err := parts(v, 0)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(gone))
	for i := range gone {
		ids[i], _ = gone[i].(string)
	}
	return ids, nil
}

// ListSessions implements [store.Driver].
func (s *Store) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	index := "sessions"
	if f.Email != "" {
		u, err := s.UserByEmail(ctx, f.Email)
		if errors.Is(err, store.ErrNotFound) || err == nil && f.UserID != "" && f.UserID != u.ID {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		f.UserID = u.ID
	}
	if f.UserID != "" {
		index = "user-sessions:" + f.UserID
	}
	var page []store.SessionAndUser
	for after := f.After; ; {
		v, err := s.eval(ctx, luaListSessions, index, after, listStep, f.Page()-len(page), now.UnixMilli(), f.Provider)
		if err != nil {
			return nil, err
		}
		found, err := parts(v, 1)
		if err != nil {
			return nil, err
		}
		for i := 1; i+2 < len(found); i += 3 {
			one, err := sessionAndUser(found[i : i+3])
			if err != nil {
				return nil, err
			}
			page = append(page, one)
		}
		if after, _ = found[0].(string); after == "" || len(page) >= f.Page() {
			return page, nil
		}
	}
}
