package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// rowFresh is how long a row that was read is believed. What a caddyauth ends is
// refused sooner, as Ended knows of it; what an application ends in a database
// that it shares with us is refused after this time.
const rowFresh = 2 * time.Second

// maxRowToken bounds what is looked up. NextAuth's tokens have 36 bytes, those of
// applications with a generator of their own may have more.
const maxRowToken = 512

// rows is strategy database: the cookie has a random token, and the session is
// in the store.
type rows struct {
	opts  *Options
	cache *cache
	// asking makes one question to the store of the many that a page's requests
	// ask at once.
	asking singleflight.Group
}

func newRows(opts *Options) *rows { return &rows{opts: opts, cache: newCache()} }

func (r *rows) open(ctx context.Context, _ *cookie.Names, token string) (*Session, *entry, error) {
	if len(token) > maxRowToken {
		return nil, nil, ErrInvalid
	}
	now := r.opts.Now()
	hash := r.cache.hash(token)
	e := r.remembered(hash, token, now)
	if e == nil {
		var err error
		if e, err = r.ask(ctx, hash, token, now); err != nil {
			return nil, nil, err
		}
	}
	return e.session, e, nil
}

// remembered returns a row that was read a moment ago, nil if none was.
func (r *rows) remembered(hash uint64, token string, now time.Time) *entry {
	e := r.cache.get(hash, token)
	if e == nil || now.UnixNano()-e.at >= int64(rowFresh) || !e.session.Expires.After(now) {
		return nil
	}
	return e
}

// ask asks the store. The question outlives whoever asked first: others may be
// waiting for the same answer.
func (r *rows) ask(ctx context.Context, hash uint64, token string, now time.Time) (*entry, error) {
	ch := r.asking.DoChan(token, func() (any, error) {
		if e := r.remembered(hash, token, now); e != nil {
			return e, nil // the answer has just come
		}
		s, err := r.load(context.WithoutCancel(ctx), token, now)
		if err != nil {
			return nil, err
		}
		return r.cache.put(hash, token, s, now), nil
	})
	select {
	case answer := <-ch:
		if answer.Err != nil {
			return nil, answer.Err
		}
		return answer.Val.(*entry), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
}

func (r *rows) load(ctx context.Context, token string, now time.Time) (*Session, error) {
	row, err := r.opts.Store.SessionByToken(ctx, token)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, ErrInvalid
	case err != nil:
		return nil, unavailable(err)
	case !row.Session.Expires.After(now):
		// As NextAuth does; nobody can use it, so it matters little if this fails.
		if err := r.opts.Store.DeleteSession(ctx, row.Session.ID); err != nil {
			r.opts.Log.Warn("an expired session could not be deleted", zap.Error(err))
		}
		return nil, ErrExpired
	}
	s, err := fromRow(row)
	if err != nil || !r.opts.known(s) {
		return nil, ErrInvalid
	}
	if s.IssuedAt.IsZero() {
		// Auth.js does not say when a session began. What ended before this one
		// was read did not end it, or there would be no row.
		s.IssuedAt = now
	}
	s.token = strings.Clone(token) // it is a part of the request's Cookie line
	return s, nil
}

// unavailable makes sure that whoever could not be asked is not taken for one who
// said no.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// fromRow makes a session of a row: its claims are those that a token would have,
// so that rules, headers and callbacks need not know the difference.
func fromRow(row store.SessionAndUser) (*Session, error) {
	u := row.User
	claims := map[string]any{"sub": u.ID, "name": orNull(u.Name), "email": orNull(u.Email), "picture": orNull(u.Image)}
	if row.Session.Evidence != nil {
		claims[EvidenceClaim] = row.Session.Evidence
	}
	s, err := draft(claims)
	if err == nil && s.disowned(u) {
		s.Evidence.Verified = false
		claims[EvidenceClaim] = s.Evidence
		s, err = draft(claims)
	}
	if err != nil {
		return nil, err
	}
	if row.Session.Evidence != nil && !s.HasEvidence {
		// Nobody can read it. Without any, more would be believed.
		return nil, ErrInvalid
	}
	if s.HasEvidence {
		// The row is what counts, whatever was written beside it.
		s.Evidence.SID, s.Evidence.User = row.Session.ID, row.Session.UserID
	}
	s.JTI = row.Session.ID
	s.IssuedAt, s.Expires = row.Session.Created, row.Session.Expires
	s.times = jwt.Standard{Exp: row.Session.Expires.Unix(), HasExp: true}
	return s, nil
}

// kept is evidence as a store has it. The user's address may change there, by
// the hand of the user even, and nobody vouched for the next one.
type kept struct {
	Evidence
	// Email is the address that Verified is about.
	Email string `json:"email,omitempty"`
}

// KeptEvidence is the session's evidence as it goes into a store.
func (s *Session) KeptEvidence() (json.RawMessage, error) {
	return json.Marshal(kept{s.Evidence, s.User.Email})
}

// PasskeyEvidence is what a passkey keeps of the session that it is registered in:
// who the person is, and the roles, groups and organizations of that sign-in, as
// personal access tokens do. Without them, nobody would be denied for being in one.
// How and when the person signed in is another matter each time.
func (s *Session) PasskeyEvidence() (json.RawMessage, error) {
	e := s.Evidence
	e.SID, e.Since, e.AuthTime, e.Method, e.Passkey, e.Family = "", 0, 0, "", "", ""
	e.IdPSession = "" // nothing that begins from a passkey is a part of it
	e.ACR, e.StepUp = "", ""
	return json.Marshal(kept{e, s.User.Email})
}

// OpenEvidence reads evidence from a store. The address is the one that Verified
// is about.
func OpenEvidence(raw json.RawMessage) (e Evidence, email string, err error) {
	var k kept
	err = json.Unmarshal(raw, &k)
	return k.Evidence, k.Email, err
}

// disowned reports whether the evidence vouches for an address that is not the
// user's any more, and that the user has not proved to have either.
func (s *Session) disowned(u store.User) bool {
	if !s.Evidence.Verified || !u.EmailVerified.IsZero() {
		return false
	}
	about, ok := s.Claim(EvidenceClaim + ".email")
	return ok && about.String() != u.Email
}

// orNull is a value as adapters return it: what is not there is null.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (r *rows) issue(ctx context.Context, _ *cookie.Names, draft *Session, _ map[string]any, now time.Time, from Client) (*Session, string, error) {
	row, err := rowOf(draft, now, from)
	if err != nil {
		return nil, "", err
	}
	row.Token = newToken()
	row.Expires = r.opts.until(now, now)
	if err := r.opts.Store.CreateSession(ctx, row); err != nil {
		return nil, "", unavailable(err)
	}
	s := *draft
	s.JTI, s.IssuedAt, s.Expires, s.token = row.ID, now, row.Expires, row.Token
	s.times = jwt.Standard{Exp: row.Expires.Unix(), HasExp: true}
	return &s, row.Token, nil
}

// newToken returns a session token of the form that NextAuth's have.
func newToken() string { return string(jwt.AppendUUID(nil, store.Random16())) }

// refresh moves the end of the row if that is due. The session that it returns
// still has the old one, as NextAuth's does.
func (r *rows) refresh(ctx context.Context, _ *cookie.Names, s *Session, _ string, now time.Time) (*Session, string, error) {
	if !r.due(s, now) {
		return s, s.token, nil
	}
	extended, err := r.opts.Store.ExtendSession(ctx, s.Key(), s.Expires, r.opts.until(s.Since(), now), now)
	if err != nil {
		return nil, "", unavailable(err)
	}
	if !extended {
		// Another request was first, or the session is gone. Which of them, the
		// next request finds out.
		r.opts.Log.Debug("a session was renewed by another request", zap.String("sid", s.Key()))
	}
	r.cache.drop(s.token)
	return s, s.token, nil
}

// due is NextAuth's condition: expires - maxAge + updateAge is over.
func (r *rows) due(s *Session, now time.Time) bool {
	return r.opts.until(s.Since(), now).Sub(s.Expires) >= r.opts.UpdateAge
}

// draft is a session as its claims describe it, before it has a token.
func draft(claims map[string]any) (*Session, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return nil, err
	}
	return parse(string(payload))
}
