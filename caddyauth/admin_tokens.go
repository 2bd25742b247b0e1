package caddyauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// listedToken is a personal access token as lists show it.
type listedToken struct {
	ID      string     `json:"id"`
	User    listedUser `json:"user"`
	Name    string     `json:"name,omitempty"`
	Paths   []string   `json:"paths,omitempty"`
	Methods []string   `json:"methods,omitempty"`
	Created time.Time  `json:"created,omitzero"`
	Used    time.Time  `json:"used,omitzero"`
	// Expires is left out of a token that does not.
	Expires time.Time `json:"expires,omitzero"`
	// Store is the kind of store that has it.
	Store string `json:"store"`
}

// tokenPage is a page of the list of tokens.
type tokenPage struct {
	Tokens []listedToken `json:"tokens"`
	// Next is the parameter after of the next page, empty if there is none.
	Next string `json:"next,omitempty"`
}

func listToken(o *openStore, t store.Token, u listedUser) listedToken {
	return listedToken{
		ID: t.ID, User: u, Name: t.Name, Paths: t.Paths, Methods: t.Methods,
		Created: t.Created.UTC(), Used: t.Used.UTC(), Expires: t.Expires.UTC(), Store: o.kind,
	}
}

// listTokens answers GET /caddyauth/tokens. Those that have expired are there as
// well, until the store is swept.
func (q *adminRequest) listTokens() error {
	values, err := q.query("user", "email", "after", "limit")
	if err != nil {
		return err
	}
	if err := q.needStore(); err != nil {
		return err
	}
	p, err := q.page(values)
	if err != nil {
		return err
	}
	var answer tokenPage
	answer.Tokens, answer.Next, err = walkStores(q, p, func(o *openStore, after string, limit int) ([]listedToken, error) {
		return o.tokens(q.r.Context(), userFilter{values.Get("user"), values.Get("email")}, after, limit)
	}, func(t listedToken) string { return t.ID })
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, answer)
}

// userFilter is whom something is about: a user by id, by address, or everybody.
type userFilter struct{ id, email string }

// find returns the id of the user of a store. It is store.ErrNotFound if the store
// has none like that, and empty if the filter means everybody.
func (f userFilter) find(ctx context.Context, o *openStore) (string, error) {
	if f.email == "" {
		return f.id, nil
	}
	u, err := o.conn.UserByEmail(ctx, strings.ToLower(f.email))
	if err == nil && f.id != "" && f.id != u.ID {
		return "", store.ErrNotFound
	}
	return u.ID, err
}

// tokens lists tokens of a store in the order of their ids.
func (o *openStore) tokens(ctx context.Context, filter userFilter, after string, limit int) ([]listedToken, error) {
	user, err := filter.find(ctx, o)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := o.conn.Tokens(ctx, user)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(t store.Token) bool { return t.ID <= after })
	slices.SortFunc(all, func(a, b store.Token) int { return strings.Compare(a.ID, b.ID) })
	var found []listedToken
	users := make(map[string]listedUser)
	for _, t := range all[:min(limit, len(all))] {
		u, known := users[t.UserID]
		if !known {
			if u, err = o.listedUser(ctx, t.UserID); err != nil {
				return nil, err
			}
			users[t.UserID] = u
		}
		found = append(found, listToken(o, t, u))
	}
	return found, nil
}

func (o *openStore) listedUser(ctx context.Context, id string) (listedUser, error) {
	u, err := o.conn.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return listedUser{ID: id}, nil // deleted meanwhile
	}
	return listUser(u), err
}

// endToken answers DELETE /caddyauth/tokens/<id>.
func (q *adminRequest) endToken(id string) error {
	if _, err := q.query(); err != nil {
		return err
	}
	if !validID(id) {
		return adminError(http.StatusBadRequest, "that is no id of a token")
	}
	n, err := q.endTokens("", func(t store.Token) bool { return t.ID == id })
	if err != nil {
		return err
	}
	if n == 0 {
		return adminError(http.StatusNotFound, "no store knows the token %s", id)
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// endUserTokens answers DELETE /caddyauth/tokens?user=<id>.
func (q *adminRequest) endUserTokens() error {
	user, err := q.filterUser("tokens")
	if err != nil {
		return err
	}
	n, err := q.endTokens(user, func(store.Token) bool { return true })
	if err != nil {
		return err
	}
	return q.json(http.StatusOK, endedCount{n})
}

// endTokens ends tokens of a user, or of everybody for an empty id.
func (q *adminRequest) endTokens(user string, which func(store.Token) bool) (n int, err error) {
	var errs []error
	for _, o := range q.app.stores() {
		all, err := o.conn.Tokens(q.r.Context(), user)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, t := range all {
			if !which(t) {
				continue
			}
			if err := session.RevokeToken(q.r.Context(), o.conn, "", t.ID, q.now); err != nil {
				errs = append(errs, err)
				continue
			}
			o.ended.AddToken(t.ID, q.now)
			q.log.Info("a personal access token was ended", zap.String("token_id", t.ID), zap.String("user_id", t.UserID))
			n++
		}
	}
	if n > 0 && user == "" {
		return n, nil // ids are unique: the store that failed has it not
	}
	return n, errors.Join(errs...)
}
