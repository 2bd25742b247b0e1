package caddyauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// maxGenerations is how many secrets a set has at most. All of them are tried
// on a token that none of them opens.
const maxGenerations = 8

// generation is one of the secrets that were made, in the form that Caddy's
// storage has it.
type generation struct {
	Secret string `json:"secret"`
	// From is when it begins to seal. It opens before that, as another instance
	// may have a faster clock.
	From time.Time `json:"from"`
	// Until is when nothing that it sealed can be good any more. It is zero for
	// the newest one.
	Until time.Time `json:"until,omitzero"`
}

// secretSet is what was made, in the order in which it seals.
type secretSet []generation

// storedSet is a set as it is kept once there was a rotation. Before that, the
// key holds the one secret and nothing else.
type storedSet struct {
	Secrets secretSet `json:"secrets"`
}

// oneSecret returns a set with one secret that seals for as long as it is alone.
func oneSecret(secret string) secretSet { return secretSet{{Secret: secret}} }

// at returns the secrets that count at a moment: first the one that seals, then
// those that open only, the latest first.
func (s secretSet) at(now time.Time) []string {
	sealing := s.sealing(now)
	list := []string{s[sealing].Secret}
	for i := range slices.Backward(s) {
		if i != sealing && !s[i].retired(now) {
			list = append(list, s[i].Secret)
		}
	}
	return list
}

// sealing is the index of the secret that seals: the latest one whose time has
// come. Before all times, as with a clock that was set back, it is the first.
func (s secretSet) sealing(now time.Time) int {
	for i := range slices.Backward(s) {
		if !s[i].From.After(now) {
			return i
		}
	}
	return 0
}

func (g *generation) retired(now time.Time) bool {
	return !g.Until.IsZero() && !g.Until.After(now)
}

// change returns when at next has another answer, and false if it never will.
func (s secretSet) change(now time.Time) (next time.Time, ok bool) {
	for _, g := range s {
		for _, t := range []time.Time{g.From, g.Until} {
			if t.After(now) && (!ok || t.Before(next)) {
				next, ok = t, true
			}
		}
	}
	return next, ok
}

// errRotating is why a set cannot be rotated again yet.
var errRotating = errors.New("a rotation is under way")

// rotated returns the set with one more secret, which seals from a moment on,
// and without those that are retired. Keep is how long what a secret sealed can
// be good.
func (s secretSet) rotated(secret string, now, from time.Time, keep time.Duration) (secretSet, error) {
	var next secretSet
	for _, g := range s {
		switch {
		case g.retired(now):
			continue
		case g.From.After(now):
			return nil, fmt.Errorf("%w: the latest secret seals from %s", errRotating, g.From.Format(time.RFC3339))
		case g.Until.IsZero():
			g.Until = from.Add(keep)
		}
		next = append(next, g)
	}
	if len(next) >= maxGenerations {
		return nil, fmt.Errorf("%w: %d secrets still open sessions, the first of them until %s",
			errRotating, len(next), next[0].Until.Format(time.RFC3339))
	}
	return append(next, generation{Secret: secret, From: from}), nil
}

// errSecretKey is what a storage key deserves that cannot be a set. Neither is
// it used, as sealing with half a secret would be worse than refusing, nor is it
// replaced: sessions may have been sealed with the whole.
func errSecretKey(format string, args ...any) error {
	return fmt.Errorf("storage key %s holds %s: delete it to have a new one made", secretKey, fmt.Sprintf(format, args...))
}

// parseSet reads what the storage has.
func parseSet(raw []byte) (secretSet, error) {
	text := strings.TrimSpace(string(raw))
	if !strings.HasPrefix(text, "{") {
		if len(text) < minSecret {
			return nil, errSecretKey("%d characters, at least %d are needed", len(text), minSecret)
		}
		return oneSecret(text), nil
	}
	var stored storedSet
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&stored); err != nil {
		return nil, errSecretKey("no list of secrets (%v)", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errSecretKey("more than a list of secrets")
	}
	s := stored.Secrets
	if len(s) == 0 || len(s) > 2*maxGenerations {
		return nil, errSecretKey("%d secrets", len(s))
	}
	for i := range s {
		if n := len(s[i].Secret); n < minSecret {
			return nil, errSecretKey("a secret of %d characters, at least %d are needed", n, minSecret)
		}
	}
	slices.SortStableFunc(s, func(a, b generation) int { return a.From.Compare(b.From) })
	return s, nil
}

// encode is what the storage gets.
func (s secretSet) encode() ([]byte, error) { return json.Marshal(storedSet{s}) }
