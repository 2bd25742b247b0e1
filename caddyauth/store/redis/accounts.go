package redis

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// accountName is both names of an account as one, and tells where the first ends.
func accountName(provider, id string) string { return pair(provider, id) }

func pair(a, b string) string { return strconv.Itoa(len(a)) + ":" + a + ":" + b }

func accountFields(a store.Account) fields {
	f := fields{"user", a.UserID, "type", a.Type, "provider", a.Provider, "id", a.ProviderAccountID}
	return append(f, grantFields(a)...)
}

// grantFields are the fields that change.
func grantFields(a store.Account) fields {
	return fields{
		"access_token", a.AccessToken, "refresh_token", a.RefreshToken, "id_token", a.IDToken,
		"token_type", a.TokenType, "scope", a.Scope, "session_state", a.SessionState, "expires_at", a.ExpiresAt,
	}
}

func (r *row) account() (store.Account, error) {
	a := store.Account{
		UserID: r.text("user"), Type: r.text("type"), Provider: r.text("provider"), ProviderAccountID: r.text("id"),
		AccessToken: r.text("access_token"), RefreshToken: r.text("refresh_token"), IDToken: r.text("id_token"),
		TokenType: r.text("token_type"), Scope: r.text("scope"), SessionState: r.text("session_state"),
		ExpiresAt: r.integer("expires_at"),
	}
	return a, r.err
}

// LinkAccount implements [store.Driver].
func (s *Store) LinkAccount(ctx context.Context, a store.Account) error {
	name := accountName(a.Provider, a.ProviderAccountID)
	return s.do(ctx, luaCreate, append([]any{"account", name, a.UserID, "", ""}, accountFields(a)...)...)
}

// Account implements [store.Driver].
func (s *Store) Account(ctx context.Context, provider, providerAccountID string) (store.Account, error) {
	v, err := s.find(ctx, luaRow, "account", accountName(provider, providerAccountID))
	if err != nil {
		return store.Account{}, err
	}
	return newRow(v).account()
}

// Accounts implements [store.Driver].
func (s *Store) Accounts(ctx context.Context, userID string) ([]store.Account, error) {
	list, err := collect(ctx, s, "account", "user-accounts:"+userID, func(_ string, r *row) (store.Account, error) { return r.account() })
	slices.SortFunc(list, func(a, b store.Account) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ProviderAccountID, b.ProviderAccountID))
	})
	return list, err
}

// UpdateAccount implements [store.Driver].
func (s *Store) UpdateAccount(ctx context.Context, a store.Account) error {
	name := accountName(a.Provider, a.ProviderAccountID)
	return s.do(ctx, luaUpdate, append([]any{"account", name}, grantFields(a)...)...)
}

// UnlinkAccount implements [store.Driver].
func (s *Store) UnlinkAccount(ctx context.Context, provider, providerAccountID string) error {
	return s.do(ctx, luaDelete, "account", accountName(provider, providerAccountID), "")
}

// listStep is how many things one script looks at.
const listStep = 200

// collect reads all things of an index.
func collect[T any](ctx context.Context, s *Store, kind, index string, read func(id string, r *row) (T, error)) ([]T, error) {
	var list []T
	for after := ""; ; {
		v, err := s.eval(ctx, luaList, kind, index, after, listStep)
		if err != nil {
			return nil, err
		}
		found, err := parts(v, 1)
		if err != nil {
			return nil, err
		}
		for i := 1; i+1 < len(found); i += 2 {
			id, _ := found[i].(string)
			thing, err := read(id, newRow(found[i+1]))
			if err != nil {
				return nil, err
			}
			list = append(list, thing)
		}
		if after, _ = found[0].(string); after == "" {
			return list, nil
		}
	}
}
