package caddyauth

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// minSecret is how many characters a secret must have. Session tokens are
// sealed with nothing else.
const minSecret = 32

// resolveSecrets returns the configured secrets, or those of the environment.
// It returns none if neither is there: then one is generated.
func resolveSecrets(configured []string, d dialect.Dialect, log *zap.Logger) ([]string, error) {
	if configured != nil {
		var secrets []string
		for i, value := range configured {
			s, err := resolve(value)
			if err != nil {
				return nil, fmt.Errorf("secret %d: %w", i+1, err)
			}
			if err := strong(s); err != nil {
				return nil, fmt.Errorf("secret %d: %w", i+1, err)
			}
			secrets = append(secrets, s)
		}
		return secrets, nil
	}
	found, err := secretsFromEnv(d, log)
	if err != nil {
		return nil, err
	}
	var secrets []string
	for _, v := range found {
		if err := strong(v.value); err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", v.name, err)
		}
		secrets = append(secrets, v.value)
	}
	return secrets, nil
}

// variable is an environment variable that is set.
type variable struct{ name, value string }

// secretsFromEnv reads the variables that NextAuth and Auth.js read, in their
// order. Auth.js knows several at a time, so that one can be replaced. A
// variable that is set but empty counts as set: whoever wrote it expects it to
// be used.
func secretsFromEnv(d dialect.Dialect, log *zap.Logger) ([]variable, error) {
	next, hasNext := os.LookupEnv("NEXTAUTH_SECRET")
	names := []string{"AUTH_SECRET"}
	if d == dialect.V5 {
		names = []string{"AUTH_SECRET_3", "AUTH_SECRET_2", "AUTH_SECRET_1", "AUTH_SECRET"}
	}
	var auth []variable
	for _, name := range names {
		value, from, ok, err := lookupEnvOrFile(name)
		if err != nil {
			return nil, err
		}
		if ok {
			auth = append(auth, variable{from, value})
		}
	}
	if len(auth) > 1 && auth[len(auth)-1].name == "AUTH_SECRET" {
		// Its lib/env.js looks no further once it has found that one.
		log.Warn("a numbered AUTH_SECRET seals sessions, as in Auth.js; next-auth 5 knows AUTH_SECRET alone: give a Next.js application behind this site the whole list")
	}
	if !hasNext {
		return auth, nil
	}
	used, differ := []variable{{"NEXTAUTH_SECRET", next}}, "NEXTAUTH_SECRET and AUTH_SECRET differ; NEXTAUTH_SECRET is used"
	if d == dialect.V5 && auth != nil {
		used, differ = auth, "NEXTAUTH_SECRET and AUTH_SECRET differ; AUTH_SECRET is used"
	}
	if slices.ContainsFunc(auth, func(v variable) bool { return v.value != next }) {
		log.Warn(differ)
	}
	return used, nil
}

// lookupEnvOrFile reads a variable, or the file that the variable of that name
// and the suffix _FILE names, as containers are given secrets.
func lookupEnvOrFile(name string) (value, from string, ok bool, err error) {
	if value, ok = os.LookupEnv(name); ok {
		return value, name, true, nil
	}
	file, ok := os.LookupEnv(name + "_FILE")
	if !ok {
		return "", "", false, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", "", false, fmt.Errorf("environment variable %s_FILE: %w", name, err)
	}
	return strings.TrimRight(string(b), "\r\n"), name + "_FILE", true, nil
}

// placeholders are what people leave in a configuration that they have copied.
var placeholders = []string{
	"changeme", "change-me", "change_me", "replace", "your-secret", "your_secret", "yoursecret",
	"insert", "placeholder", "example", "secret-here", "mysecret",
}

// strong refuses a secret that anybody could guess.
func strong(s string) error {
	const hint = "; leave it out and one is generated, or make one with: openssl rand -base64 33"
	switch {
	case s == "":
		return errors.New("is empty" + hint)
	case len(s) < minSecret:
		return fmt.Errorf("has %d characters, at least %d are needed%s", len(s), minSecret, hint)
	case strings.Count(s, s[:1]) == len(s):
		return errors.New("repeats one character" + hint)
	}
	lower := strings.ToLower(s)
	for _, p := range placeholders {
		if strings.Contains(lower, p) {
			return fmt.Errorf("looks like a placeholder (it contains %q)%s", p, hint)
		}
	}
	return nil
}

// resolveKey is resolve for a private key. One that is written out stays as it
// is: a JWK has braces, and what is no placeholder would be in the error.
func resolveKey(value string) (string, error) {
	text := strings.TrimSpace(value)
	if strings.Contains(text, "-----BEGIN ") || strings.ContainsAny(text, "\"\n") {
		return value, nil
	}
	return resolve(value)
}

// resolve expands the placeholders of a configured value. One that is unknown
// or empty is an error: a literal "{env.X}" must never become a secret.
func resolve(value string) (string, error) {
	if i := strings.Index(value, "{http."); i >= 0 {
		name, _, _ := strings.Cut(value[i:], "}")
		return "", fmt.Errorf("%s}: placeholders of requests have no value when the configuration loads", name)
	}
	s, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("%w (is the variable set in Caddy's own environment?)", err)
	}
	return s, nil
}
