package bolt

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func (r sessionRow) session() store.Session {
	return store.Session{
		ID: r.ID, Token: r.Token, UserID: r.UserID, Provider: r.Provider, Account: r.Account,
		Expires: r.Expires, Created: r.Created, Seen: r.Seen, UserAgent: r.UserAgent, IP: r.IP, Evidence: r.Evidence,
	}
}

func rowOfSession(a store.Session) sessionRow {
	return sessionRow{
		ID: a.ID, Token: a.Token, UserID: a.UserID, Provider: a.Provider, Account: a.Account,
		Expires: a.Expires, Created: a.Created, Seen: a.Seen, UserAgent: a.UserAgent, IP: a.IP, Evidence: a.Evidence,
	}
}

// CreateSession implements [store.Sessions].
func (s *Store) CreateSession(ctx context.Context, a store.Session) error {
	id := []byte(a.ID)
	row, err := encode(rowOfSession(a))
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bbolt.Tx) error {
		switch {
		case !taken(tx, users, []byte(a.UserID)):
			return store.ErrNotFound
		case taken(tx, sessions, id), a.Token != "" && taken(tx, sessionsByToken, []byte(a.Token)):
			return store.ErrConflict
		}
		if a.Token != "" {
			if err := tx.Bucket(sessionsByToken).Put([]byte(a.Token), id); err != nil {
				return err
			}
		}
		if err := belong(tx, sessionsOf, a.UserID, id); err != nil {
			return err
		}
		return tx.Bucket(sessions).Put(id, row)
	})
}

// dropSession removes a session. It succeeds if there is none.
func dropSession(tx *bbolt.Tx, id []byte) error {
	if !taken(tx, sessions, id) {
		return nil
	}
	r, err := get[sessionRow](tx, sessions, id)
	if err != nil {
		return err
	}
	if err := tx.Bucket(sessionsByToken).Delete([]byte(r.Token)); err != nil {
		return err
	}
	if err := disown(tx, sessionsOf, r.UserID, id); err != nil {
		return err
	}
	return tx.Bucket(sessions).Delete(id)
}

// withUser adds to a session whose it is.
func withUser(tx *bbolt.Tx, r sessionRow) (store.SessionAndUser, error) {
	u, err := of[userRow](tx, users, []byte(r.UserID))
	if err != nil {
		return store.SessionAndUser{}, err
	}
	return store.SessionAndUser{Session: r.session(), User: store.User(u)}, nil
}

// SessionByToken implements [store.Sessions].
func (s *Store) SessionByToken(ctx context.Context, token string) (a store.SessionAndUser, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		id := tx.Bucket(sessionsByToken).Get([]byte(token))
		if id == nil {
			return store.ErrNotFound
		}
		r, err := of[sessionRow](tx, sessions, id)
		if err != nil {
			return err
		}
		a, err = withUser(tx, r)
		return err
	})
	return a, err
}

// SessionByID implements [store.Sessions].
func (s *Store) SessionByID(ctx context.Context, id string) (a store.SessionAndUser, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		r, err := get[sessionRow](tx, sessions, []byte(id))
		if err != nil {
			return err
		}
		a, err = withUser(tx, r)
		return err
	})
	return a, err
}

// ExtendSession implements [store.Sessions].
func (s *Store) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	return change(ctx, s, func(tx *bbolt.Tx) (bool, error) {
		if !taken(tx, sessions, []byte(id)) {
			return false, nil
		}
		r, err := get[sessionRow](tx, sessions, []byte(id))
		if err != nil || !r.Expires.Equal(from) {
			return false, err
		}
		r.Expires, r.Seen = to, seen
		return true, put(tx, sessions, r)
	})
}

// DeleteSession implements [store.Sessions].
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	return s.update(ctx, func(tx *bbolt.Tx) error { return dropSession(tx, []byte(id)) })
}

// DeleteUserSessions implements [store.Sessions].
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	return change(ctx, s, func(tx *bbolt.Tx) (gone []string, err error) {
		for _, id := range theirs(tx, sessionsOf, userID) {
			if string(id) == except {
				continue
			}
			if err := dropSession(tx, id); err != nil {
				return nil, err
			}
			gone = append(gone, string(id))
		}
		return gone, nil
	})
}

// ListSessions implements [store.Sessions].
func (s *Store) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) (list []store.SessionAndUser, err error) {
	err = s.view(ctx, func(tx *bbolt.Tx) error {
		userID := f.UserID
		if userID == "" && f.Email != "" {
			if userID = string(tx.Bucket(usersByEmail).Get([]byte(f.Email))); userID == "" {
				return nil
			}
		}
		return eachSession(ctx, tx, userID, f.After, func(r sessionRow) (more bool, err error) {
			if !r.Expires.After(now) || f.Provider != "" && r.Provider != f.Provider {
				return true, nil
			}
			a, err := withUser(tx, r)
			if err != nil || f.Email != "" && a.User.Email != f.Email {
				return true, err
			}
			list = append(list, a)
			return len(list) < f.Page(), nil
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// eachSession calls f with the sessions of one user, or of all, in the order of
// their IDs and from behind one, until f has enough.
func eachSession(ctx context.Context, tx *bbolt.Tx, userID, after string, f func(sessionRow) (more bool, err error)) error {
	bucket, prefix := sessions, []byte(nil)
	if userID != "" {
		bucket, prefix = sessionsOf, key(userID)
	}
	c := tx.Bucket(bucket).Cursor()
	first := append(bytes.Clone(prefix), after...)
	n := 0
	for k, _ := c.Seek(first); k != nil && bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		id := k[len(prefix):]
		if after != "" && string(id) == after {
			continue
		}
		if n++; n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := of[sessionRow](tx, sessions, id)
		if err != nil {
			return err
		}
		if more, err := f(r); err != nil || !more {
			return err
		}
	}
	return nil
}
