package session

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyauth/gateway/caddyauth/store"
)

const (
	// MaxTokens is how many personal access tokens one person can have.
	MaxTokens = 100

	maxTokenName   = 100 // runes
	maxTokenScope  = 20  // paths or methods
	maxTokenPath   = 256 // bytes
	maxTokenMethod = 32  // bytes
)

// TokenField is a part of a personal access token that people write.
type TokenField string

// The fields.
const (
	TokenName    TokenField = "name"
	TokenPaths   TokenField = "paths"
	TokenMethods TokenField = "methods"
)

// TokenError is what is wrong with a personal access token that is to be made.
type TokenError struct {
	Field TokenField
	Err   error
}

func (e *TokenError) Error() string {
	return "session: token " + string(e.Field) + ": " + e.Err.Error()
}

func (e *TokenError) Unwrap() error { return e.Err }

// CheckToken brings the name, paths and methods of a token that is to be made into
// form, or returns a *TokenError. check tells what else is wrong with the paths, and
// may be nil: what patterns there are is for the gate to know.
func CheckToken(t *store.Token, check func(patterns ...string) error) error {
	bad := func(f TokenField, format string, args ...any) error {
		return &TokenError{f, fmt.Errorf(format, args...)}
	}
	t.Name = strings.TrimSpace(t.Name)
	switch {
	case t.Name == "" || !utf8.ValidString(t.Name) || strings.ContainsFunc(t.Name, isHidden):
		return bad(TokenName, "it is empty, or has characters that cannot be shown")
	case utf8.RuneCountInString(t.Name) > maxTokenName:
		return bad(TokenName, "it has more than %d characters", maxTokenName)
	case len(t.Paths) > maxTokenScope:
		return bad(TokenPaths, "there are more than %d paths", maxTokenScope)
	}
	for _, p := range t.Paths {
		if !strings.HasPrefix(p, "/") || len(p) > maxTokenPath {
			return bad(TokenPaths, "%.256q: it begins with a slash and has no more than %d bytes", p, maxTokenPath)
		}
	}
	if len(t.Paths) == 0 {
		t.Paths = nil
	} else if check != nil {
		if err := check(t.Paths...); err != nil {
			return bad(TokenPaths, "%w", err)
		}
	}
	return checkMethods(t)
}

// isHidden reports whether a character could do anything to a terminal, or to the
// order of others. Some languages cannot be written without joiners.
func isHidden(r rune) bool { return !unicode.IsPrint(r) && r != '‌' && r != '‍' }

// checkMethods is CheckToken for the methods. RFC 9110, section 9.1, lets their names
// be stranger.
func checkMethods(t *store.Token) error {
	if len(t.Methods) > maxTokenScope {
		return &TokenError{TokenMethods, fmt.Errorf("there are more than %d methods", maxTokenScope)}
	}
	var methods []string
	for _, m := range t.Methods {
		// Before they are made capitals: letters of other alphabets may become these.
		if m == "" || len(m) > maxTokenMethod || m[0] == '-' || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") != "" {
			return &TokenError{TokenMethods, fmt.Errorf("%.40q is no method of HTTP", m)}
		}
		if upper := strings.ToUpper(m); !slices.Contains(methods, upper) {
			methods = append(methods, upper)
		}
	}
	t.Methods = methods
	return nil
}
