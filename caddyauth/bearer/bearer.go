package bearer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

const (
	// MaxToken is the longest token that is looked at, in bytes.
	MaxToken = 8 << 10
	// believed is how long a verified token is not verified again: what a request
	// spares, for not much longer than the keys themselves are kept.
	believed = time.Minute
	// tolerance is how far the issuer's clock and ours may be apart.
	tolerance = 30 * time.Second
)

// ErrUnavailable means that nobody can tell whether a token is good: its issuer's
// keys cannot be had.
var ErrUnavailable = errors.New("bearer: the issuer's keys are not available")

// DefaultTypes are the accepted values of a token's header typ: that of RFC 9068,
// and that of issuers which came before it.
var DefaultTypes = []string{"at+jwt", "JWT"}

// Issuer is one authorization server, and which of its tokens are accepted.
type Issuer struct {
	// Keys verifies the tokens, Accounts says whom they are about. They are one
	// and the same unless the keys are somewhere of their own. Required.
	Keys, Accounts provider.TokenIssuer

	// Standalone says that nobody signs in with this issuer. Its accounts are
	// written with the issuer then, so that they are nobody else's: see
	// [StandaloneAccount].
	Standalone bool

	// Audience is whom a token must be meant for: one of these. Required.
	Audience []string

	// Algorithms are the accepted ones. Default: all of provider.SigningAlgs.
	Algorithms []string

	// Types are the accepted values of the header typ; JWT accepts tokens
	// without one as well. Default: DefaultTypes.
	Types []string
}

// StandaloneProvider is what the evidence of standalone issuers' tokens has for
// a provider.
const StandaloneProvider = "bearer"

// StandaloneAccount is the account that a subject has at a standalone issuer. An
// issuer has no fragment (RFC 8414 section 2), so that the first # ends it.
func StandaloneAccount(issuer, subject string) string { return issuer + "#" + subject }

// Options configures a Verifier.
type Options struct {
	// Issuers are those whose tokens are accepted. One may be there several times,
	// for other audiences. Required.
	Issuers []Issuer

	// Roles and Groups are the claim paths that become the session's roles and
	// groups. Default of Roles: the union of roles, realm_access.roles and
	// resource_access.<name>.roles for the audiences and for the client that the
	// site itself is. Default of Groups: groups.
	Roles, Groups []string

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log hears, at level debug, why a token was refused. Default: nothing is
	// logged.
	Log *zap.Logger
}

// Verifier turns access tokens into sessions. It is safe for concurrent use.
type Verifier struct {
	opts    Options
	issuers map[string][]*Issuer
	cache   *session.BearerCache
}

// New returns a Verifier.
func New(opts Options) (*Verifier, error) {
	if len(opts.Issuers) == 0 {
		return nil, errors.New("bearer: no issuer")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	v := &Verifier{opts: opts, issuers: make(map[string][]*Issuer), cache: session.NewBearerCache(believed)}
	for _, i := range opts.Issuers {
		name := ""
		if i.Accounts != nil {
			name = i.Accounts.Info().Issuer
		}
		if err := i.complete(name); err != nil {
			return nil, err
		}
		v.issuers[name] = append(v.issuers[name], &i)
	}
	return v, nil
}

// complete checks an issuer and fills in the defaults.
func (i *Issuer) complete(name string) error {
	if name == "" || i.Keys == nil {
		return errors.New("bearer: an issuer without a name or without keys")
	}
	if len(i.Audience) == 0 || slices.Contains(i.Audience, "") {
		return fmt.Errorf("bearer: issuer %s: it needs an audience: without one, tokens that are meant for others would be accepted", name)
	}
	known := provider.SigningAlgs()
	for _, alg := range i.Algorithms {
		if !slices.Contains(known, alg) {
			return fmt.Errorf("bearer: issuer %s: alg '%s' is not one of %s", name, alg, strings.Join(known, ", "))
		}
	}
	if len(i.Algorithms) == 0 {
		i.Algorithms = known
	}
	if len(i.Types) == 0 {
		i.Types = DefaultTypes
	}
	types := make([]string, len(i.Types))
	for n, typ := range i.Types {
		types[n] = mediaType(typ)
	}
	i.Types = types
	return nil
}

// Shaped reports whether a token has the form of a signed JWT, which is what
// access tokens are here: three parts.
func Shaped(token string) bool { return strings.Count(token, ".") == 2 }

// Read returns the session of an access token. The error is
// [session.ErrExpired], [session.ErrInvalid] or [ErrUnavailable].
func (v *Verifier) Read(ctx context.Context, token string) (*session.Session, error) {
	now := v.opts.Now()
	if s := v.cache.Get(token, now); s != nil {
		if late := now.Sub(s.Expires); late >= tolerance {
			return nil, session.ErrExpired
		}
		return s, nil
	}
	s, err := v.verify(ctx, token, now)
	if err != nil {
		if c := v.opts.Log.Check(zap.DebugLevel, "a bearer token was refused"); c != nil {
			c.Write(zap.Error(err))
		}
		return nil, err
	}
	v.cache.Put(token, s, now)
	return s, nil
}

// verify asks every issuer of the token's name, and no other: nobody who sends a
// token decides where keys are fetched.
func (v *Verifier) verify(ctx context.Context, token string, now time.Time) (*session.Session, error) {
	t, err := parse(token)
	if err != nil {
		return nil, invalid(err)
	}
	iss, _ := t.claims["iss"].(string)
	issuers := v.issuers[iss]
	if len(issuers) == 0 {
		return nil, invalid(fmt.Errorf("iss %q is no issuer of this site's", clip(iss)))
	}
	var worst error
	for _, i := range issuers {
		s, err := v.verifyWith(ctx, i, t, now)
		if err == nil {
			return s, nil
		}
		// That nobody can tell weighs more than a refusal, and that a token has
		// expired says more than that it is for somebody else.
		if worst == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, session.ErrExpired) && !errors.Is(worst, ErrUnavailable) {
			worst = err
		}
	}
	return nil, worst
}

// verifyWith checks the claims first: what cannot be accepted anyway costs no
// signature and no fetch.
func (v *Verifier) verifyWith(ctx context.Context, i *Issuer, t *token, now time.Time) (*session.Session, error) {
	if err := i.check(t, now); err != nil {
		return nil, err
	}
	payload, err := i.Keys.VerifyToken(ctx, t.raw, i.Algorithms)
	switch {
	case provider.ReasonOf(err) != "":
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case err != nil:
		return nil, invalid(err)
	case string(payload) != t.payload:
		return nil, invalid(errors.New("the signature is about something else"))
	}
	s, err := v.session(i, t)
	if err != nil {
		return nil, invalid(err)
	}
	return s, nil
}

// invalid keeps the reason for the log.
func invalid(err error) error { return fmt.Errorf("%w: %w", session.ErrInvalid, err) }

// clip bounds what strangers may write into the log.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 200)], "?")
}

// providerOf is what the evidence has for the provider.
func (i *Issuer) providerOf() string {
	if i.Standalone {
		return StandaloneProvider
	}
	return i.Accounts.Info().ID
}
