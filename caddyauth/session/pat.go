package session

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// TokenPrefix begins every personal access token, so that scanners for leaked
// secrets know one.
const TokenPrefix = "caddyauth_pat_"

// tokenLen is the length of a personal access token: 256 random bits in base64
// follow the prefix.
const tokenLen = len(TokenPrefix) + 43

// touchEvery is how often at most it is noted that a token was used.
const touchEvery = time.Minute

// PAT is the personal access token that stands in for a session.
type PAT struct {
	ID string
	// Paths and Methods are where it is good for. None means everywhere.
	Paths, Methods []string
}

// NewToken returns a fresh personal access token.
func NewToken() string {
	a, b := store.Random16(), store.Random16()
	return TokenPrefix + base64.RawURLEncoding.EncodeToString(append(a[:], b[:]...))
}

// TokenOf returns the personal access token of a request's Authorization field:
// as Bearer (RFC 6750) or as the password of Basic (RFC 7617), which is what git,
// WebDAV clients and curl send. Anything else in that field is not for us.
func TokenOf(h http.Header) (token string, ok bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	switch rest = strings.Trim(rest, " "); {
	case strings.EqualFold(scheme, "Bearer"):
		token = rest
	case strings.EqualFold(scheme, "Basic"):
		if len(rest) > 1024 {
			return "", false
		}
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return "", false
		}
		_, token, _ = strings.Cut(string(plain), ":")
	}
	return token, strings.HasPrefix(token, TokenPrefix)
}

// spelling makes one alphabet of the two of base64 (RFC 4648, sections 4 and 5).
var spelling = strings.NewReplacer("-", "+", "_", "/", "=", "")

// CarriesToken reports whether an Authorization field has a personal access token
// anywhere in it, in whatever form an upstream could find it: more than TokenOf
// takes.
func CarriesToken(field string) bool {
	if strings.Contains(field, TokenPrefix) {
		return true
	}
	const basic = "basic"
	field = strings.TrimSpace(field)
	if len(field) < len(basic) || !strings.EqualFold(field[:len(basic)], basic) {
		return false
	}
	// What comes before a mistake is decoded all the same.
	plain, _ := base64.RawStdEncoding.AppendDecode(nil, []byte(spelling.Replace(strings.TrimSpace(field[len(basic):]))))
	return bytes.Contains(plain, []byte(TokenPrefix))
}

// tokens reads personal access tokens.
type tokens struct {
	opts  *Options
	cache *cache
}

// ReadToken returns the session that a personal access token stands for: its
// owner's, with the evidence of the session that made it. The errors are those of
// Read.
func (m *Manager) ReadToken(ctx context.Context, token string) (*Session, error) {
	if m.opts.Store == nil || len(token) != tokenLen {
		return nil, ErrInvalid
	}
	s, e, err := m.tokens.open(ctx, token)
	if err != nil {
		return nil, err
	}
	return m.check(ctx, s, e)
}

func (t *tokens) open(ctx context.Context, token string) (*Session, *entry, error) {
	now := t.opts.Now()
	hash := t.cache.hash(token)
	if e := t.cache.get(hash, token); e != nil && now.UnixNano()-e.at < int64(rowFresh) {
		return e.session, e, nil
	}
	row, user, err := t.opts.Store.TokenByHash(ctx, store.Hash(token))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, ErrInvalid
	case err != nil:
		return nil, nil, unavailable(err)
	case !row.Expires.IsZero() && !row.Expires.After(now):
		return nil, nil, ErrExpired
	}
	s, err := fromToken(row, user)
	if err != nil || !t.opts.known(s) {
		return nil, nil, ErrInvalid
	}
	t.touch(ctx, row, now)
	return s, t.cache.put(hash, token, s, now), nil
}

// touch notes that a token was used. Nobody is refused because that failed.
func (t *tokens) touch(ctx context.Context, row store.Token, now time.Time) {
	if now.Sub(row.Used) < touchEvery {
		return
	}
	if err := t.opts.Store.TouchToken(ctx, row.ID, now); err != nil && !errors.Is(err, store.ErrNotFound) {
		t.opts.Log.Warn("the use of a token could not be noted", zap.String("token_id", row.ID), zap.Error(err))
	}
}

// fromToken makes a session of a token.
func fromToken(row store.Token, user store.User) (*Session, error) {
	evidence, err := tokenEvidence(row)
	if err != nil {
		return nil, err
	}
	s, err := fromRow(store.SessionAndUser{
		Session: store.Session{ID: tokenKey(row.ID), UserID: user.ID, Created: row.Created, Seen: row.Created, Expires: row.Expires, Evidence: evidence},
		User:    user,
	})
	if err != nil {
		return nil, err
	}
	if row.Evidence != nil && !s.HasEvidence {
		// Without it, nobody would ask whether the account still exists.
		return nil, ErrInvalid
	}
	s.times = jwt.Standard{}
	s.PAT = &PAT{ID: row.ID, Paths: row.Paths, Methods: row.Methods}
	return s, nil
}

// TokenEvidence is the evidence of a session as it is kept with the personal
// access tokens that are made in it. They live on when the session ends.
func TokenEvidence(s *Session) (json.RawMessage, error) {
	if !s.HasEvidence {
		return nil, nil
	}
	e := s.Evidence
	e.SID, e.Since, e.Family, e.IdPSession = "", 0, "", ""
	return json.Marshal(kept{e, s.User.Email})
}

// tokenEvidence is the evidence of a token, which stands in for the session.
func tokenEvidence(row store.Token) (json.RawMessage, error) {
	if row.Evidence == nil {
		return nil, nil
	}
	e, email, err := OpenEvidence(row.Evidence)
	if err != nil {
		return nil, err
	}
	e.SID, e.Since = tokenKey(row.ID), 0
	return json.Marshal(kept{e, email})
}

// lastUse is how long an ended token is remembered: whoever has read it believes
// it for much less.
const lastUse = time.Hour

// EndToken ends a personal access token of a user's, in this process at once and
// elsewhere within a second. It is [store.ErrNotFound] if the user has no such
// token.
func (m *Manager) EndToken(ctx context.Context, userID, id string) error {
	now := m.opts.Now()
	if err := RevokeToken(ctx, m.opts.Store, userID, id, now); err != nil {
		return err
	}
	m.opts.Ended.AddToken(id, now)
	return nil
}

// AddToken ends the personal access token with that id, as Add ends a session.
func (e *Ended) AddToken(id string, now time.Time) { e.Add(tokenKey(id), now, now.Add(lastUse)) }

// RevokeToken ends a personal access token in a store. It is [store.ErrNotFound]
// if the user has no such token; an empty user id ends anybody's.
func RevokeToken(ctx context.Context, d store.Driver, userID, id string, now time.Time) error {
	if userID != "" {
		// The news is about the id alone: it must not end the token of another.
		list, err := d.Tokens(ctx, userID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(t store.Token) bool { return t.ID == id }) {
			return store.ErrNotFound
		}
	}
	if err := d.DeleteToken(ctx, userID, id); err != nil {
		return err
	}
	// Whoever has read it lately believes it for a moment.
	return d.Revoke(ctx, store.Revocation{Kind: store.ByToken, Key: id, At: now, Until: now.Add(lastUse)})
}
