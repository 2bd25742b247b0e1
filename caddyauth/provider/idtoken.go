package provider

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// clockTolerance is how far our clock and the provider's may be apart.
const clockTolerance = 60 * time.Second

// maxSubject is the longest subject (Core 2).
const maxSubject = 255

// logoutEvent marks a logout token (Back-Channel Logout 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// Google may leave the scheme out of iss, the one exception that go-oidc makes.
const (
	googleIssuer     = "https://accounts.google.com"
	googleIssuerBare = "accounts.google.com"
)

// idTokenCheck is what an ID token must agree with.
type idTokenCheck struct {
	issuer     string
	configured string
	// issuerFor tells the issuer of this token where one issuer stands for many,
	// nil elsewhere.
	issuerFor   func(configured, stated string, claims map[string]any) (string, error)
	clientID    string
	algs        []string
	keys        *keySet
	nonce       string // empty: the token must have none
	accessToken string
	maxAge      time.Duration // zero: auth_time is not asked for
	now         time.Time
	date        time.Time // the provider's Date header, zero if unknown
	what        string    // what messages call the token; empty: id_token
}

// verify checks an ID token (Core 3.1.3.7) and returns its claims.
//
// go-oidc verifies signature, issuer, audience and that the algorithm is one of
// algs. Everything else is checked here, on claims read by their exact names.
func (c *idTokenCheck) verify(ctx context.Context, raw string) (map[string]any, error) {
	if err := checkTokenType(raw, c.algs); err != nil {
		return nil, invalid(err)
	}
	token, err := c.signed(ctx, raw)
	if c.keys.unavailable != nil {
		return nil, failure(ctx, ReasonKeys, c.keys.unavailable)
	}
	if err != nil {
		return nil, invalid(err)
	}
	claims, err := claimsOf(token)
	if err != nil {
		return nil, invalid(err)
	}
	for _, check := range []func(map[string]any) error{c.parties, c.times, c.nonceMatches} {
		if err := check(claims); err != nil {
			return nil, invalid(err)
		}
	}
	if err := checkAccessTokenHash(token, claims, c.accessToken); err != nil {
		return nil, invalid(err)
	}
	return claims, nil
}

// claimsOf returns the claims under their exact names, where go-oidc's own
// fields are filled from any capitalization.
func claimsOf(token *oidc.IDToken) (map[string]any, error) {
	var payload json.RawMessage
	if err := token.Claims(&payload); err != nil {
		return nil, err
	}
	return decodeObject(payload)
}

// invalid gives an error the reason ReasonIDToken unless it has one already.
func invalid(err error) error {
	if ReasonOf(err) != "" {
		return err
	}
	return &Error{Reason: ReasonIDToken, Err: fmt.Errorf("id_token: %w", err)}
}

// parties checks who issued the token, about whom and for whom (rules 2 to 5).
func (c *idTokenCheck) parties(claims map[string]any) error {
	sub, ok := claims["sub"].(string)
	switch {
	case !ok || sub == "":
		return errors.New("sub is missing")
	case len(sub) > maxSubject:
		return errors.New("sub is longer than 255 bytes")
	}
	if err := c.issuedFor(claims); err != nil {
		return err
	}
	if events, ok := claims["events"].(map[string]any); ok {
		if _, ok := events[logoutEvent]; ok {
			return errors.New("a logout token instead of an ID token")
		}
	}
	return nil
}

// issuedFor checks the issuer and the audience.
func (c *idTokenCheck) issuedFor(claims map[string]any) error {
	// go-oidc compared a claim that it found under any capitalization.
	issuer, err := c.expectedIssuer(func() (map[string]any, error) { return claims, nil })
	if err != nil {
		return err
	}
	if iss := claims["iss"]; iss != issuer && !(issuer == googleIssuer && iss == googleIssuerBare) {
		return errors.New("iss is missing or another issuer")
	}
	aud, err := audience(claims["aud"])
	if err != nil {
		return err
	}
	azp, hasAZP := claims["azp"]
	switch {
	case !slices.Contains(aud, c.clientID):
		return errors.New("aud is another client")
	case hasAZP && azp != c.clientID:
		return errors.New("azp is another client")
	case !hasAZP && slices.ContainsFunc(aud, func(a string) bool { return a != c.clientID }):
		return errors.New("aud has further clients and azp is missing")
	}
	return nil
}

// expectedIssuer is the issuer that the token must have. Where one stands for
// many, the claims choose among them: first as they are read, for go-oidc to
// compare, and again once they are verified. Nothing is fetched from it.
func (c *idTokenCheck) expectedIssuer(read func() (map[string]any, error)) (string, error) {
	if c.issuerFor == nil {
		return c.issuer, nil
	}
	claims, err := read()
	if err != nil {
		return "", err
	}
	return c.issuerFor(c.configured, c.issuer, claims)
}

func audience(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		return []string{v}, nil
	case []any:
		list := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, errors.New("aud has a member that is no string")
			}
			list = append(list, s)
		}
		return list, nil
	}
	return nil, errors.New("aud is missing")
}

// times checks exp, iat, nbf and, if asked for, auth_time (rules 9, 10, 13).
func (c *idTokenCheck) times(claims map[string]any) error {
	exp, ok := numericDate(claims["exp"])
	if !ok {
		return errors.New("exp is missing")
	}
	iat, ok := numericDate(claims["iat"])
	if !ok {
		return errors.New("iat is missing")
	}
	if ahead := iat.Sub(c.now); ahead > clockTolerance {
		return c.skew("was issued %d s in the future: this host's clock is behind", ahead)
	}
	if late := c.now.Sub(exp); late >= clockTolerance {
		return c.skew("expired %d s ago: this host's clock is ahead of", late)
	}
	if v, has := claims["nbf"]; has {
		nbf, ok := numericDate(v)
		if !ok {
			return errors.New("nbf is no time")
		}
		if ahead := nbf.Sub(c.now); ahead > clockTolerance {
			return c.skew("is not valid for another %d s: this host's clock is behind", ahead)
		}
	}
	if c.maxAge > 0 {
		authTime, ok := numericDate(claims["auth_time"])
		if !ok {
			return errors.New("auth_time is missing although max_age was asked for")
		}
		if c.now.Sub(authTime) > c.maxAge+clockTolerance {
			return errors.New("auth_time is older than max_age")
		}
	}
	return nil
}

// skew words a time error so that whoever reads the log knows which clock to
// look at. The provider's Date header is the witness.
func (c *idTokenCheck) skew(format string, by time.Duration) error {
	text := cmp.Or(c.what, "id_token") + " " + fmt.Sprintf(format, int64(by/time.Second)) + " " + hostOf(c.issuer) +
		" by about " + by.Round(time.Second).String()
	if !c.date.IsZero() {
		apart := c.date.Sub(c.now).Abs()
		if (apart - by).Abs() <= clockTolerance {
			text += " (its Date header agrees)"
		} else {
			text += " (its Date header does not agree: that may be a fault of the provider)"
		}
	}
	return &Error{Reason: ReasonClock, Err: errors.New(text + "; check NTP")}
}

// nonceMatches checks rule 11, and its reverse: a token with a nonce that was
// not asked for was made for another flow.
func (c *idTokenCheck) nonceMatches(claims map[string]any) error {
	v, has := claims["nonce"]
	if c.nonce == "" {
		if has {
			return &Error{Reason: ReasonNonce, Err: errors.New("id_token has a nonce though none was sent")}
		}
		return nil
	}
	nonce, ok := v.(string)
	if !ok {
		return &Error{Reason: ReasonNonce, Err: errors.New("id_token has no nonce")}
	}
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(c.nonce)) != 1 {
		return &Error{Reason: ReasonNonce, Err: errors.New("id_token has another nonce than the one sent")}
	}
	return nil
}

// checkAccessTokenHash checks at_hash (Core 3.1.3.8). In the code flow it may be
// absent, but if it is there it must be right, whatever the algorithm.
func checkAccessTokenHash(token *oidc.IDToken, claims map[string]any, accessToken string) error {
	v, has := claims["at_hash"]
	if !has {
		return nil
	}
	if s, ok := v.(string); !ok || s == "" || s != token.AccessTokenHash {
		return errors.New("at_hash is unusable")
	}
	return token.VerifyAccessToken(accessToken)
}

// checkTokenType looks at the header before anything is verified: for a type
// that says the token is something else (RFC 8725 3.11), and for an algorithm
// that a line of configuration would allow.
func checkTokenType(raw string, algs []string) error {
	header, err := tokenHeader(raw)
	if err != nil {
		return err
	}
	typ, _ := header["typ"].(string)
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if strings.HasSuffix(typ, "+jwt") && typ != "id_token+jwt" {
		return fmt.Errorf("a token of type %q instead of an ID token", clip(typ))
	}
	if alg, _ := header["alg"].(string); !slices.Contains(algs, alg) {
		hint := ""
		if slices.Contains(signingAlgs, alg) {
			hint = "; if the client is registered so, write: id_token_alg " + alg
		}
		return fmt.Errorf("signed with %q instead of %s%s", clip(alg), strings.Join(algs, " or "), hint)
	}
	return nil
}

// tokenHeader reads the header of a token that is signed and no more.
func tokenHeader(raw string) (map[string]any, error) {
	first, _, _ := strings.Cut(raw, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return nil, errors.New("not a JWT")
	}
	header, err := decodeObject(decoded)
	if err != nil {
		return nil, errors.New("not a JWT")
	}
	if strings.Count(raw, ".") == 4 {
		return nil, errors.New("encrypted, which was not asked for")
	}
	return header, nil
}

// numericDate reads seconds since the epoch, fractions allowed (RFC 7519 2).
func numericDate(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	// The bound keeps sums of times and tolerances within what int64 holds.
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}
