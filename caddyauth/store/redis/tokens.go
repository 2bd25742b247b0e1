package redis

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func tokenFields(v store.Token) fields {
	f := fields{"user", v.UserID, "hash", v.Hash, "name", v.Name}
	return f.add("paths", texts(v.Paths)).add("methods", texts(v.Methods)).add("expires", millis(v.Expires)).
		add("created", millis(v.Created)).add("used", millis(v.Used)).add("evidence", string(v.Evidence))
}

func (r *row) token(id string) (store.Token, error) {
	v := store.Token{
		ID: id, UserID: r.text("user"), Hash: r.text("hash"), Name: r.text("name"),
		Paths: r.list("paths"), Methods: r.list("methods"), Evidence: r.bytes("evidence"),
		Expires: r.time("expires"), Created: r.time("created"), Used: r.time("used"),
	}
	return v, r.err
}

// CreateToken implements [store.Driver].
func (s *Store) CreateToken(ctx context.Context, v store.Token) error {
	return s.do(ctx, luaCreate, append([]any{"token", v.ID, v.UserID, millis(v.Expires), v.Hash}, tokenFields(v)...)...)
}

// TokenByHash implements [store.Driver].
func (s *Store) TokenByHash(ctx context.Context, hash string) (store.Token, store.User, error) {
	v, err := s.find(ctx, luaTokenByHash, hash)
	if err != nil {
		return store.Token{}, store.User{}, err
	}
	found, err := parts(v, 1)
	switch {
	case err != nil:
		return store.Token{}, store.User{}, err
	case len(found) < 3:
		return store.Token{}, store.User{}, store.ErrNotFound
	}
	id, _ := found[0].(string)
	token, err := newRow(found[1]).token(id)
	if err != nil {
		return store.Token{}, store.User{}, err
	}
	u, err := newRow(found[2]).user(token.UserID)
	if err != nil {
		return store.Token{}, store.User{}, err
	}
	return token, u, nil
}

// Tokens implements [store.Driver].
func (s *Store) Tokens(ctx context.Context, userID string) ([]store.Token, error) {
	index := "tokens"
	if userID != "" {
		index = "user-tokens:" + userID
	}
	list, err := collect(ctx, s, "token", index, func(id string, r *row) (store.Token, error) { return r.token(id) })
	slices.SortFunc(list, func(a, b store.Token) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

// TouchToken implements [store.Driver].
func (s *Store) TouchToken(ctx context.Context, id string, used time.Time) error {
	return s.do(ctx, luaUpdate, "token", id, "used", millis(used))
}

// DeleteToken implements [store.Driver].
func (s *Store) DeleteToken(ctx context.Context, userID, id string) error {
	return s.do(ctx, luaDelete, "token", id, userID)
}
