package bearer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// maxSubject is the longest subject (OpenID Connect Core, section 2).
const maxSubject = 255

// token is a token taken apart, of which nothing is verified.
type token struct {
	raw, payload string
	alg, typ     string
	claims       map[string]any
}

// parse takes a token apart. It is stricter than it would have to be where two
// readers could see two things: a claim that is there twice, base64 with bits to
// spare.
func parse(raw string) (*token, error) {
	if len(raw) > MaxToken {
		return nil, errors.New("longer than 8 KiB")
	}
	if !Shaped(raw) {
		return nil, errors.New("not a signed JWT")
	}
	parts := strings.Split(raw, ".")
	header, err := decode(parts[0])
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	t := &token{raw: raw}
	if err := t.readHeader(header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if t.payload, err = decode(parts[1]); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if _, err := unique(t.payload); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(t.payload))
	d.UseNumber()
	if err := d.Decode(&t.claims); err != nil {
		return nil, errors.New("payload: not JSON")
	}
	return t, nil
}

func decode(part string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil || strings.ContainsAny(part, "\r\n") {
		return "", errors.New("not base64url")
	}
	return string(b), nil
}

// unique returns the members of an object, each of which is there once (RFC 7519
// section 4).
func unique(object string) (map[string]jwt.Value, error) {
	members := make(map[string]jwt.Value)
	var twice error
	err := jwt.Members(object, func(name string, v jwt.Value) bool {
		if _, seen := members[name]; seen && twice == nil {
			twice = fmt.Errorf("%q is there twice", clip(name))
		}
		members[name] = v
		return true
	})
	if err == nil {
		err = twice
	}
	return members, err
}

// readHeader takes nothing from the header but what the token is. Keys in it, or
// links to keys, are the sender's word (RFC 8725 section 3.10).
func (t *token) readHeader(header string) error {
	members, err := unique(header)
	if err != nil {
		return err
	}
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if _, has := members[name]; has {
			return fmt.Errorf("%s is not understood", name)
		}
	}
	alg, typ := members["alg"], members["typ"]
	if alg.Kind() != jwt.String {
		return errors.New("alg is missing")
	}
	if _, has := members["typ"]; has && typ.Kind() != jwt.String {
		return errors.New("typ is no string")
	}
	t.alg, t.typ = alg.String(), mediaType(typ.String())
	return nil
}

// mediaType is a media type as typ has it: in any case, and mostly without
// application/ (RFC 7515 section 4.1.9).
func mediaType(s string) string { return strings.TrimPrefix(strings.ToLower(s), "application/") }

// The types of tokens: of RFC 9068, and of those that say no more than that they
// are JWTs.
const (
	typeAccess = "at+jwt"
	typeJWT    = "jwt"
)

// check looks at everything but the signature.
func (i *Issuer) check(t *token, now time.Time) error {
	if !slices.Contains(i.Algorithms, t.alg) {
		return invalid(fmt.Errorf("alg %q is not accepted", clip(t.alg)))
	}
	typ := t.typ
	if typ == "" {
		typ = typeJWT
	}
	if !slices.Contains(i.Types, typ) {
		return invalid(fmt.Errorf("typ %q is not accepted", clip(t.typ)))
	}
	if sub, ok := t.claims["sub"].(string); !ok || sub == "" || len(sub) > maxSubject {
		return invalid(errors.New("sub is missing or too long"))
	}
	if err := i.checkAudience(t); err != nil {
		return invalid(err)
	}
	if err := checkKind(t); err != nil {
		return invalid(err)
	}
	return checkTimes(t.claims, now)
}

// checkAudience demands one of the configured audiences.
func (i *Issuer) checkAudience(t *token) error {
	var aud []string
	switch v := t.claims["aud"].(type) {
	case string:
		aud = []string{v}
	case []any:
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return errors.New("aud is no list of strings")
			}
			aud = append(aud, s)
		}
	}
	var ours []string
	for _, a := range i.Audience {
		if slices.Contains(aud, a) {
			ours = append(ours, a)
		}
	}
	switch {
	case ours == nil:
		return fmt.Errorf("aud is none of %q", i.Audience)
	case slices.Contains(ours, i.Accounts.ClientID()) && !saysAccess(t):
		// The ID tokens of the site's own sign-ins have this audience, too, and may
		// have others beside it.
		return errors.New("aud is the client itself, and nothing says that this is no ID token: it has neither a scope nor typ at+jwt")
	}
	return nil
}

// saysAccess reports whether a token says of itself that it is an access token.
func saysAccess(t *token) bool {
	if t.typ == typeAccess {
		return true
	}
	for _, name := range []string{"scope", "scp"} {
		if _, has := t.claims[name]; has {
			return true
		}
	}
	kind, _ := t.claims["typ"].(string)
	return strings.EqualFold(kind, "Bearer") || t.claims["token_use"] == "access"
}

// checkKind refuses tokens of the same issuer that are something else. ID tokens
// and access tokens can have the same issuer, audience and keys (RFC 8725 section
// 3.12), and not all issuers say which is which with typ.
func checkKind(t *token) error {
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		if _, has := t.claims[name]; has {
			return fmt.Errorf("it has %s, as ID tokens have", name)
		}
	}
	if _, has := t.claims["events"]; has {
		return errors.New("it has events, as logout tokens have")
	}
	if _, has := t.claims["cnf"]; has {
		// RFC 9449 section 7.1: such a token is worth nothing without the proof.
		return errors.New("it is bound to a key, which a bearer token cannot prove")
	}
	// Keycloak's word for what a token is, and Cognito's.
	if kind, _ := t.claims["typ"].(string); slices.Contains([]string{"id", "refresh", "offline", "logout", "serialized-id"}, strings.ToLower(kind)) {
		return fmt.Errorf("it is a token of kind %q", clip(kind))
	}
	if use, has := t.claims["token_use"]; has && use != "access" {
		return errors.New("its token_use is something else than access")
	}
	return nil
}

// checkTimes wants an end (RFC 9068 section 4), and a beginning that is not ahead.
func checkTimes(claims map[string]any, now time.Time) error {
	exp, ok := numericDate(claims["exp"])
	if !ok {
		return invalid(errors.New("exp is missing"))
	}
	for _, name := range []string{"nbf", "iat"} {
		v, has := claims[name]
		if !has {
			continue
		}
		begins, ok := numericDate(v)
		if !ok {
			return invalid(fmt.Errorf("%s is no time", name))
		}
		if ahead := begins.Sub(now); ahead > tolerance {
			return invalid(fmt.Errorf("%s is %v ahead of this host's clock", name, ahead.Round(time.Second)))
		}
	}
	if late := now.Sub(exp); late >= tolerance {
		return fmt.Errorf("%w: %v ago", session.ErrExpired, late.Round(time.Second))
	}
	return nil
}

// numericDate reads seconds since the epoch, fractions allowed (RFC 7519 section
// 2).
func numericDate(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// scopes are what the token was granted, as a list: scope is one string with
// spaces (RFC 8693 section 4.2), scp is Okta's and Microsoft's name for it.
func scopes(claims map[string]any) []string {
	all := []string{}
	for _, name := range []string{"scope", "scp", "scopes"} {
		for _, s := range claim.Strings(claims[name]) {
			for one := range strings.FieldsSeq(s) {
				if !slices.Contains(all, one) {
					all = append(all, one)
				}
			}
		}
	}
	return all
}
