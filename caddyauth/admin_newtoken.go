package caddyauth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// createdToken is a token with its secret, which nobody can show again.
type createdToken struct {
	listedToken
	Token string `json:"token"`
}

// newTokenRequest is the body of POST /caddyauth/tokens.
type newTokenRequest struct {
	// User is the user's id. Email finds the user as well.
	User  string `json:"user,omitempty"`
	Email string `json:"email,omitempty"`
	// Name is what the owner calls the token. Default: caddy auth.
	Name string `json:"name,omitempty"`
	// Paths are patterns as of the path matcher, and Methods those of HTTP. None
	// means everywhere.
	Paths   []string `json:"paths,omitempty"`
	Methods []string `json:"methods,omitempty"`
	// Expires is when the token ends. Default: never.
	Expires time.Time `json:"expires,omitzero"`
}

// check refuses what could not be meant, and returns the rest as a token.
func (r *newTokenRequest) check(now time.Time) (store.Token, error) {
	t := store.Token{Name: cmp.Or(strings.TrimSpace(r.Name), "caddy auth"), Paths: r.Paths, Methods: r.Methods, Expires: r.Expires}
	bad := func(format string, args ...any) (store.Token, error) {
		return t, adminError(http.StatusBadRequest, format, args...)
	}
	switch {
	case r.User == "" && r.Email == "":
		return bad("say whose token it is, with user or email")
	case len(r.User) > maxParameter || len(r.Email) > maxParameter || !printable(r.User+r.Email):
		return bad("user or email is too long or has characters that nothing here has")
	case !r.Expires.IsZero() && !r.Expires.After(now):
		return bad("expires is over already")
	case r.Expires.Year() > 9999:
		return bad("expires is too far away")
	}
	err := session.CheckToken(&t, checkPaths)
	if wrong, ok := errors.AsType[*session.TokenError](err); ok {
		return bad("%s: %w", wrong.Field, wrong.Err)
	}
	return t, err
}

// createToken answers POST /caddyauth/tokens.
func (q *adminRequest) createToken() error {
	if _, err := q.query(); err != nil {
		return err
	}
	if err := q.needStore(); err != nil {
		return err
	}
	var wanted newTokenRequest
	if err := q.body(&wanted); err != nil {
		return err
	}
	t, err := wanted.check(q.now)
	if err != nil {
		return err
	}
	o, u, err := q.findUser(userFilter{wanted.User, wanted.Email})
	if err != nil {
		return err
	}
	sites := slices.DeleteFunc(q.app.storedAt(o), func(s *site) bool { return !s.config.hasTokens() })
	if len(sites) == 0 {
		return adminError(http.StatusConflict, "no site that knows the user takes tokens: write 'tokens' in one")
	}
	evidence, err := o.latestEvidence(q.r.Context(), u.ID, sites, q.now)
	if err != nil {
		return err
	}
	if have, err := o.conn.Tokens(q.r.Context(), u.ID); err != nil || len(have) >= session.MaxTokens {
		return cmp.Or(err, adminError(http.StatusConflict, "the user has %d tokens, which is as many as one can have", len(have)))
	}
	secret := session.NewToken()
	t.ID, t.UserID, t.Hash, t.Created, t.Evidence = store.NewID(), u.ID, store.Hash(secret), q.now, evidence
	if err := o.conn.CreateToken(q.r.Context(), t); err != nil {
		return err
	}
	q.log.Info("a personal access token was made", zap.String("token_id", t.ID), zap.String("user_id", u.ID))
	return q.json(http.StatusCreated, createdToken{listToken(o, t, listUser(u)), secret})
}

// findUser finds one user in all stores.
func (q *adminRequest) findUser(f userFilter) (in *openStore, found store.User, err error) {
	for _, o := range q.app.stores() {
		id, err := f.find(q.r.Context(), o)
		var u store.User
		if err == nil {
			u, err = o.conn.User(q.r.Context(), id)
		}
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, store.User{}, err
		}
		if in != nil {
			return nil, store.User{}, adminError(http.StatusConflict, "several stores have that user: say which one by id")
		}
		in, found = o, u
	}
	if in == nil {
		return nil, store.User{}, adminError(http.StatusNotFound, "no store has that user: people are known once they have signed in")
	}
	return in, found, nil
}

// latestEvidence is what a token takes over from the user's latest session that
// one of the sites accepts. A token stands in for a session, so there has to be
// one: made of less, it would slip past rules that deny somebody for a login or a
// group.
func (o *openStore) latestEvidence(ctx context.Context, user string, sites []*site, now time.Time) (json.RawMessage, error) {
	rows, err := o.conn.ListSessions(ctx, store.SessionFilter{UserID: user, Limit: maxPage}, now)
	if err != nil {
		return nil, err
	}
	latest := new(session.Session)
	var at time.Time
	for _, row := range rows {
		e, ok := evidenceOf(row.Session)
		if ok && row.Session.Created.After(at) && slices.ContainsFunc(sites, func(s *site) bool { return e.Within(s.realms) }) {
			latest.Evidence, latest.HasEvidence, at = e, true, row.Session.Created
			_, latest.User.Email, _ = session.OpenEvidence(row.Session.Evidence) // it has just been read
		}
	}
	if !latest.HasEvidence {
		return nil, adminError(http.StatusConflict, "the user has no session that a token could stand in for: let them sign in, then try again")
	}
	return session.TokenEvidence(latest)
}
