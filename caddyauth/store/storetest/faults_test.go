package storetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// A fault is a mistake that a driver may make. Each is put over a driver that
// makes none.
type fault struct {
	// test is the part of the suite that has to notice.
	test string
	put  func(store.Driver) store.Driver
}

var faults = map[string]fault{
	"an address twice":            {"Users/CreateUser", func(d store.Driver) store.Driver { return twice{d} }},
	"someone without address":     {"Users/an_empty_address", func(d store.Driver) store.Driver { return emptyEmail{d} }},
	"an update makes a user":      {"Users/UpdateUser/nobody", func(d store.Driver) store.Driver { return lenientUpdate{d} }},
	"half of user and account":    {"Accounts/CreateUserAndAccount", func(d store.Driver) store.Driver { return half{d} }},
	"unlinking complains":         {"Accounts/UnlinkAccount", func(d store.Driver) store.Driver { return strictUnlink{d} }},
	"an account moves":            {"Accounts/UpdateAccount", func(d store.Driver) store.Driver { return movesAccount{d} }},
	"a session comes back":        {"ExtendSession/STORE-08", func(d store.Driver) store.Driver { return &upsert{Driver: d} }},
	"everybody extends":           {"ExtendSession/one_winner", func(d store.Driver) store.Driver { return readThenWrite{d} }},
	"extended from anywhere":      {"ExtendSession/from_another_time", func(d store.Driver) store.Driver { return anyFrom{d} }},
	"a link works twice":          {"VerificationTokens/once", func(d store.Driver) store.Driver { return &reusable{Driver: d} }},
	"a link for two":              {"VerificationTokens/one_winner", func(d store.Driver) store.Driver { return &slowLink{Driver: d} }},
	"a guess spoils the link":     {"VerificationTokens/another_identifier", func(d store.Driver) store.Driver { return &spoils{Driver: d} }},
	"expired sessions are hidden": {"Sessions/expired", func(d store.Driver) store.Driver { return hides{d} }},
	"evidence is tidied":          {"Sessions/CreateSession/the_bytes", func(d store.Driver) store.Driver { return tidies{d} }},
	"spaces do not count":         {"Sessions/STORE-06", func(d store.Driver) store.Driver { return trims{d} }},
	"deleting complains":          {"Sessions/DeleteSession", func(d store.Driver) store.Driver { return strictDelete{d} }},
	"none is spared":              {"DeleteUserSessions/all_but_one", func(d store.Driver) store.Driver { return sparesNone{d} }},
	"pages have no end":           {"ListSessions", func(d store.Driver) store.Driver { return noLimit{d} }},
	"the filter comes last":       {"ListSessions/the_limit", func(d store.Driver) store.Driver { return filtersLast{d} }},
	"its own clock":               {"Clock", func(d store.Driver) store.Driver { return ownClock{d} }},
	"a passkey changes hands":     {"Authenticators/DeleteAuthenticator", func(d store.Driver) store.Driver { return anybodysKey{d} }},
	"tokens outlive their user":   {"DeleteUser/and_all", func(d store.Driver) store.Driver { return &orphans{Driver: d} }},
	"looks, then listens":         {"Revocations/none_is_missed", func(d store.Driver) store.Driver { return gap{d} }},
	"synced too soon":             {"Revocations/what_there_was", func(d store.Driver) store.Driver { return eager{d} }},
	"synced once":                 {"Revocations/synced_goes_on", func(d store.Driver) store.Driver { return syncsOnce{d} }},
	"deaf":                        {"Revocations/as_they_come", func(d store.Driver) store.Driver { return deaf{d} }},
	"anybody unlocks":             {"Locks/given_back", func(d store.Driver) store.Driver { return &unlocks{Driver: d} }},
	"sweeps too much":             {"Sweep/nothing_before", func(d store.Driver) store.Driver { return sweepsAll{d} }},
	"sweeps nothing":              {"Sweep/what_has", func(d store.Driver) store.Driver { return sweepsNone{d} }},
	"cuts short":                  {"Values/whole", func(d store.Driver) store.Driver { return cuts{d, 255} }},
	"cuts long ids":               {"Values/long", func(d store.Driver) store.Driver { return cuts{d, 1000} }},
	"whole seconds":               {"Values/times", func(d store.Driver) store.Driver { return seconds{d} }},
	"deaf to contexts":            {"Contexts/canceled_before", func(d store.Driver) store.Driver { return noContext{d} }},
	"an answer though closed":     {"Close", func(d store.Driver) store.Driver { return answersClosed{d} }},
}

type twice struct{ store.Driver }

func (d twice) CreateUser(ctx context.Context, u store.User) (store.User, error) {
	made, err := d.Driver.CreateUser(ctx, u)
	if errors.Is(err, store.ErrConflict) {
		return d.Driver.CreateUser(ctx, store.User{Name: u.Name})
	}
	return made, err
}

type emptyEmail struct{ store.Driver }

func (d emptyEmail) UserByEmail(ctx context.Context, email string) (store.User, error) {
	if email == "" {
		return store.User{ID: "1"}, nil
	}
	return d.Driver.UserByEmail(ctx, email)
}

type lenientUpdate struct{ store.Driver }

func (d lenientUpdate) UpdateUser(ctx context.Context, u store.User) error {
	err := d.Driver.UpdateUser(ctx, u)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

type half struct{ store.Driver }

func (d half) CreateUserAndAccount(ctx context.Context, u store.User, a store.Account) (store.User, error) {
	u, err := d.CreateUser(ctx, u)
	if err != nil {
		return u, err
	}
	a.UserID = u.ID
	return u, d.LinkAccount(ctx, a)
}

type strictUnlink struct{ store.Driver }

func (d strictUnlink) UnlinkAccount(ctx context.Context, provider, id string) error {
	if _, err := d.Account(ctx, provider, id); err != nil {
		return err
	}
	return d.Driver.UnlinkAccount(ctx, provider, id)
}

type movesAccount struct{ store.Driver }

func (d movesAccount) UpdateAccount(ctx context.Context, a store.Account) error {
	if err := d.Driver.UpdateAccount(ctx, a); err != nil {
		return err
	}
	return errors.Join(d.UnlinkAccount(ctx, a.Provider, a.ProviderAccountID), d.LinkAccount(ctx, a))
}

// upsert writes back what it has read.
type upsert struct {
	store.Driver
	mu sync.Mutex
}

func (d *upsert) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	a, err := d.SessionByID(ctx, id)
	if err != nil || !a.Session.Expires.Equal(from) {
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	time.Sleep(time.Millisecond)
	_ = d.Driver.DeleteSession(ctx, id)
	a.Session.Expires, a.Session.Seen = to, seen
	return d.CreateSession(ctx, a.Session) == nil, nil
}

type readThenWrite struct{ store.Driver }

func (d readThenWrite) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	a, err := d.SessionByID(ctx, id)
	if err != nil || !a.Session.Expires.Equal(from) {
		return false, nil
	}
	time.Sleep(5 * time.Millisecond)
	_, err = d.Driver.ExtendSession(ctx, id, from, to, seen)
	return true, err
}

type anyFrom struct{ store.Driver }

func (d anyFrom) ExtendSession(ctx context.Context, id string, _, to, seen time.Time) (bool, error) {
	a, err := d.SessionByID(ctx, id)
	if err != nil {
		return false, nil
	}
	return d.Driver.ExtendSession(ctx, id, a.Session.Expires, to, seen)
}

// reusable never forgets a link.
type reusable struct {
	store.Driver
	used sync.Map
}

func (d *reusable) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	v, err := d.Driver.UseVerificationToken(ctx, identifier, token)
	if err == nil {
		d.used.Store(identifier+token, v)
	} else if had, ok := d.used.Load(identifier + token); ok {
		return had.(store.VerificationToken), nil
	}
	return v, err
}

// slowLink forgets a link some time after it was used.
type slowLink struct{ store.Driver }

func (d *slowLink) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	v, err := d.Driver.UseVerificationToken(ctx, identifier, token)
	if err == nil && !strings.HasPrefix(token, "again ") {
		again := v
		again.Token = "again " + token
		_ = d.CreateVerificationToken(ctx, again)
		return v, nil
	}
	if got, err := d.Driver.UseVerificationToken(ctx, identifier, "again "+token); err == nil {
		got.Token = token
		return got, nil
	}
	return v, err
}

// spoils removes a token whoever asks for it.
type spoils struct {
	store.Driver
	known sync.Map
}

func (d *spoils) CreateVerificationToken(ctx context.Context, v store.VerificationToken) error {
	d.known.Store(v.Token, v.Identifier)
	return d.Driver.CreateVerificationToken(ctx, v)
}

func (d *spoils) UseVerificationToken(ctx context.Context, identifier, token string) (store.VerificationToken, error) {
	if of, ok := d.known.Load(token); ok && of != identifier {
		_, _ = d.Driver.UseVerificationToken(ctx, of.(string), token)
	}
	return d.Driver.UseVerificationToken(ctx, identifier, token)
}

type hides struct{ store.Driver }

func (d hides) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	a, err := d.Driver.SessionByToken(ctx, token)
	if err == nil && a.Session.Expires.Before(time.Date(2041, 3, 4, 5, 6, 7, 0, time.UTC)) {
		return store.SessionAndUser{}, store.ErrNotFound
	}
	return a, err
}

type tidies struct{ store.Driver }

func (d tidies) CreateSession(ctx context.Context, a store.Session) error {
	var b bytes.Buffer
	if json.Compact(&b, a.Evidence) == nil {
		a.Evidence = b.Bytes()
	}
	return d.Driver.CreateSession(ctx, a)
}

type trims struct{ store.Driver }

func (d trims) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	return d.Driver.SessionByToken(ctx, strings.TrimSpace(token))
}

type strictDelete struct{ store.Driver }

func (d strictDelete) DeleteSession(ctx context.Context, id string) error {
	if _, err := d.SessionByID(ctx, id); err != nil {
		return err
	}
	return d.Driver.DeleteSession(ctx, id)
}

type sparesNone struct{ store.Driver }

func (d sparesNone) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	ids, err := d.Driver.DeleteUserSessions(ctx, userID, "")
	return slices.DeleteFunc(ids, func(id string) bool { return id == except }), err
}

type noLimit struct{ store.Driver }

func (d noLimit) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	f.Limit = 1000
	return d.Driver.ListSessions(ctx, f, now)
}

type filtersLast struct{ store.Driver }

func (d filtersLast) ListSessions(ctx context.Context, f store.SessionFilter, now time.Time) ([]store.SessionAndUser, error) {
	provider := f.Provider
	f.Provider = ""
	list, err := d.Driver.ListSessions(ctx, f, now)
	return slices.DeleteFunc(list, func(a store.SessionAndUser) bool {
		return provider != "" && a.Session.Provider != provider
	}), err
}

type ownClock struct{ store.Driver }

func (d ownClock) ListSessions(ctx context.Context, f store.SessionFilter, _ time.Time) ([]store.SessionAndUser, error) {
	return d.Driver.ListSessions(ctx, f, time.Now())
}

type anybodysKey struct{ store.Driver }

func (d anybodysKey) DeleteAuthenticator(ctx context.Context, _, id string) error {
	a, err := d.Authenticator(ctx, id)
	if err != nil {
		return nil
	}
	return d.Driver.DeleteAuthenticator(ctx, a.UserID, id)
}

// orphans keeps the personal access tokens of users who are gone.
type orphans struct {
	store.Driver
	kept sync.Map
}

func (d *orphans) CreateToken(ctx context.Context, p store.Token) error {
	d.kept.Store(p.Hash, p)
	return d.Driver.CreateToken(ctx, p)
}

func (d *orphans) TokenByHash(ctx context.Context, hash string) (store.Token, store.User, error) {
	p, u, err := d.Driver.TokenByHash(ctx, hash)
	if kept, ok := d.kept.Load(hash); ok && err != nil {
		return kept.(store.Token), store.User{}, nil
	}
	return p, u, err
}

// gap misses what comes between a first look and the listening.
type gap struct{ store.Driver }

func (d gap) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	looking, stop := context.WithCancel(ctx)
	_ = d.Driver.WatchRevocations(looking, now, heard, stop)
	stop()
	time.Sleep(5 * time.Millisecond)
	first := true
	return d.Driver.WatchRevocations(ctx, now, func(r store.Revocation) {
		if !first {
			heard(r)
		}
	}, func() { first = false; synced() })
}

type eager struct{ store.Driver }

func (d eager) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	synced()
	return d.Driver.WatchRevocations(ctx, now, heard, synced)
}

type syncsOnce struct{ store.Driver }

func (d syncsOnce) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	return d.Driver.WatchRevocations(ctx, now, heard, sync.OnceFunc(synced))
}

type deaf struct{ store.Driver }

func (d deaf) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	there := true
	return d.Driver.WatchRevocations(ctx, now, func(r store.Revocation) {
		if there {
			heard(r)
		}
	}, func() { there = false; synced() })
}

// unlocks gives every lock back, whoever asks.
type unlocks struct {
	store.Driver
	owners sync.Map
}

func (d *unlocks) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	got, err := d.Driver.Lock(ctx, name, owner, ttl)
	if got {
		d.owners.Store(name, owner)
	}
	return got, err
}

func (d *unlocks) Unlock(ctx context.Context, name, owner string) error {
	if has, ok := d.owners.Load(name); ok {
		owner = has.(string)
	}
	return d.Driver.Unlock(ctx, name, owner)
}

type sweepsAll struct{ store.Driver }

func (d sweepsAll) Sweep(ctx context.Context, now time.Time) error {
	return d.Driver.Sweep(ctx, now.Add(3*time.Hour))
}

type sweepsNone struct{ store.Driver }

func (sweepsNone) Sweep(ctx context.Context, _ time.Time) error { return ctx.Err() }

// cuts keeps the first bytes of ids and tokens.
type cuts struct {
	store.Driver
	n int
}

func (d cuts) cut(s string) string { return s[:min(len(s), d.n)] }

func (d cuts) CreateSession(ctx context.Context, a store.Session) error {
	a.ID, a.Token = d.cut(a.ID), d.cut(a.Token)
	return d.Driver.CreateSession(ctx, a)
}

func (d cuts) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	return d.Driver.SessionByToken(ctx, d.cut(token))
}

func (d cuts) SessionByID(ctx context.Context, id string) (store.SessionAndUser, error) {
	return d.Driver.SessionByID(ctx, d.cut(id))
}

type seconds struct{ store.Driver }

func (d seconds) CreateSession(ctx context.Context, a store.Session) error {
	a.Seen = a.Seen.Truncate(time.Second)
	return d.Driver.CreateSession(ctx, a)
}

type noContext struct{ store.Driver }

func (d noContext) User(ctx context.Context, id string) (store.User, error) {
	return d.Driver.User(context.WithoutCancel(ctx), id)
}

type answersClosed struct{ store.Driver }

func (d answersClosed) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	a, err := d.Driver.SessionByToken(ctx, token)
	if err != nil {
		err = store.ErrNotFound
	}
	return a, err
}
