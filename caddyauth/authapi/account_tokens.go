package authapi

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// tokenForm is what somebody typed to make a token.
func (q *request) tokenForm() page.TokenForm {
	return page.TokenForm{
		Name: q.body.text("name"), Days: q.body.text("days"),
		Paths: q.body.text("paths"), Methods: q.body.text("methods"),
	}
}

// createToken makes a personal access token and shows it. What is kept is its
// hash, so this answer is the only one that has it.
func (q *request) createToken(o *owner) (page.AccountNotice, error) {
	t, err := q.newToken(o)
	if err != nil {
		return "", err
	}
	// All that can fail besides comes before: a token that exists must be shown.
	v, err := q.accountView(o)
	if err != nil {
		return "", err
	}
	if len(v.Tokens.List) >= session.MaxTokens {
		return "", &accountError{http.StatusConflict, page.AccountTokenMany}
	}
	v.Tokens.Secret = session.NewToken()
	t.Hash = store.Hash(v.Tokens.Secret)
	if err := q.api.opts.Store.CreateToken(q.r.Context(), t); err != nil {
		return "", err
	}
	q.logAccount("token created", o, zap.String("token_id", t.ID), zap.Time("expires", t.Expires))
	v.Tokens.List = append(v.Tokens.List, accountToken(t))
	v.Notice = page.AccountTokenCreated
	q.writeAccount(v)
	return "", nil
}

// newToken reads the form. A field that comes twice is wrong: taken for none, it
// would make a token that is good for more than somebody meant.
func (q *request) newToken(o *owner) (store.Token, error) {
	f := q.tokenForm()
	t := store.Token{
		ID: store.NewID(), UserID: o.user.ID, Created: q.now,
		Name: f.Name, Paths: strings.Fields(f.Paths), Methods: strings.FieldsFunc(f.Methods, isSeparator),
	}
	for name, n := range map[string]page.AccountNotice{
		"paths": page.AccountTokenPaths, "methods": page.AccountTokenMethods,
	} {
		if q.body[name].invalid {
			return t, wrongField(n)
		}
	}
	err := session.CheckToken(&t, q.api.opts.Account.CheckPaths)
	if wrong, ok := errors.AsType[*session.TokenError](err); ok {
		return t, wrongField(tokenNotices[wrong.Field])
	}
	days, err := strconv.Atoi(f.Days)
	if err != nil || !slices.Contains(page.TokenDays, days) {
		return t, wrongField(page.AccountTokenDays)
	}
	if days > 0 {
		t.Expires = q.now.Add(time.Duration(days) * 24 * time.Hour)
	}
	if t.Evidence, err = session.TokenEvidence(o.session); err != nil || t.Evidence == nil {
		// Who signed in a short time ago has some.
		return t, errors.Join(err, errors.New("authapi: a session without evidence makes no token"))
	}
	return t, nil
}

// tokenNotices tell people what is wrong with a field.
var tokenNotices = map[session.TokenField]page.AccountNotice{
	session.TokenName: page.AccountTokenName, session.TokenPaths: page.AccountTokenPaths, session.TokenMethods: page.AccountTokenMethods,
}

// isSeparator reports whether a character stands between methods.
func isSeparator(r rune) bool { return r == ',' || r <= ' ' }

// endTokensOf ends the tokens that were made in sessions with such evidence: they
// have it too.
func (q *request) endTokensOf(o *owner, match func(session.Evidence) bool) error {
	tokens, err := q.api.opts.Store.Tokens(q.r.Context(), o.user.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		e, _, err := session.OpenEvidence(t.Evidence)
		if err != nil || !match(e) {
			continue // one that nobody can read opens nothing
		}
		if err := q.api.opts.Sessions.EndToken(q.r.Context(), o.user.ID, t.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// endToken ends one of the person's tokens.
func (q *request) endToken(o *owner) (page.AccountNotice, error) {
	id := q.body.text("id")
	if err := q.api.opts.Sessions.EndToken(q.r.Context(), o.user.ID, id); err != nil {
		return "", err
	}
	q.logAccount("token ended by its owner", o, zap.String("token_id", id))
	return page.AccountTokenEnded, nil
}
