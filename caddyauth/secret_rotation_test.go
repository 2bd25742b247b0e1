package caddyauth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
)

// clock is one that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// secrets returns what an instance has, read again or not.
func secrets(t *testing.T, g *generatedSecret, again bool) []string {
	t.Helper()
	ask := g.get
	if again {
		ask = g.attempt
	}
	list, err := ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRotationOnSeveralInstances goes through a whole rotation: whoever seals,
// everybody else opens.
func TestRotationOnSeveralInstances(t *testing.T) {
	c, dir := &clock{t: day0}, t.TempDir()
	var instances [3]*generatedSecret
	for i := range instances {
		instances[i] = newGenerated(&certmagic.FileStorage{Path: dir})
		instances[i].now = c.now
	}
	a, b := instances[0], instances[1]
	old := secrets(t, a, false)
	for _, g := range instances {
		if !slices.Equal(secrets(t, g, false), old) {
			t.Fatal("the instances do not agree")
		}
	}
	const keep = 31 * 24 * time.Hour
	done, err := a.rotate(t.Context(), keep)
	if err != nil {
		t.Fatal(err)
	}
	if want := day0.Add(defaultPacing.lead); !done.SealsFrom.Equal(want) || !done.RetiresAt.Equal(want.Add(keep)) {
		t.Errorf("announced %v", done)
	}

	// The one that rotated opens at once with the new one, the others within the
	// minute in which they look. None of them seals with it.
	both := secrets(t, a, false)
	if len(both) != 2 || both[0] != old[0] {
		t.Fatalf("right after: %d secrets", len(both))
	}
	if !slices.Equal(secrets(t, b, false), old) {
		t.Error("an instance knew without looking")
	}
	if a.wait() > defaultPacing.reread || b.wait() != defaultPacing.reread {
		t.Errorf("look again after %v and %v", a.wait(), b.wait())
	}
	c.move(defaultPacing.reread)
	for _, g := range instances {
		if !slices.Equal(secrets(t, g, true), both) {
			t.Error("after a minute, the instances do not agree")
		}
	}

	// Its time comes without another look, which the next instance may be late with.
	c.move(defaultPacing.lead - defaultPacing.reread - time.Nanosecond)
	if !slices.Equal(secrets(t, b, false), both) || b.wait() > time.Millisecond {
		t.Errorf("just before: next look in %v", b.wait())
	}
	c.move(time.Nanosecond)
	turned := []string{both[1], both[0]}
	for _, g := range instances {
		if !slices.Equal(secrets(t, g, false), turned) {
			t.Error("at its time, the new secret does not seal")
		}
	}
	restarted := newGenerated(&certmagic.FileStorage{Path: dir})
	restarted.now = c.now
	if !slices.Equal(secrets(t, restarted, false), turned) {
		t.Error("after a restart, the secrets are others")
	}

	// What the old one sealed a moment before is good for as long as it was.
	c.move(keep - time.Nanosecond)
	if !slices.Equal(secrets(t, b, false), turned) {
		t.Error("the old one went too early")
	}
	c.move(time.Nanosecond)
	for _, g := range append(instances[:], restarted) {
		if !slices.Equal(secrets(t, g, false), turned[:1]) {
			t.Error("the old one does not go")
		}
	}
}

// TestRotationAtOnce lets several instances rotate together: one does.
func TestRotationAtOnce(t *testing.T) {
	dir := t.TempDir()
	first := newGenerated(&certmagic.FileStorage{Path: dir})
	old := secrets(t, first, false)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		wins int
	)
	for range 4 {
		wg.Go(func() {
			g := newGenerated(&certmagic.FileStorage{Path: dir})
			_, err := g.rotate(t.Context(), time.Hour)
			for deadline := time.Now().Add(time.Minute); errors.Is(err, errStorage) && time.Now().Before(deadline); {
				_, err = g.rotate(t.Context(), time.Hour) // waited too long for the lock
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case !errors.Is(err, errRotating):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := secrets(t, first, true); wins != 1 || len(got) != 2 || got[0] != old[0] {
		t.Errorf("%d rotations, %d secrets", wins, len(got))
	}
}

// observed is an instance whose log and storage a test has in its hands.
func observed(t *testing.T) (*generatedSecret, *brokenStorage, *observer.ObservedLogs) {
	t.Helper()
	storage := &brokenStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}}
	core, logs := observer.New(zapcore.InfoLevel)
	g := newGenerated(storage)
	g.log = zap.New(core)
	return g, storage, logs
}

// TestRereadFails has storages that are down, or hold garbage, when the secret is
// read again: nothing changes, and one line says so.
func TestRereadFails(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *brokenStorage){
		"down":    func(_ *testing.T, s *brokenStorage) { s.broken = "load" },
		"garbage": func(t *testing.T, s *brokenStorage) { put(t, s, "{") },
		"emptied": func(t *testing.T, s *brokenStorage) { put(t, s, "") },
		"deleted": func(t *testing.T, s *brokenStorage) {
			if err := s.Delete(t.Context(), secretKey); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, storage, logs := observed(t)
			before := secrets(t, g, false)
			raw, err := storage.Load(t.Context(), secretKey)
			if err != nil {
				t.Fatal(err)
			}
			logs.TakeAll()
			spoil(t, storage)
			for range 3 {
				if !slices.Equal(secrets(t, g, true), before) {
					t.Fatal("the secret changed")
				}
			}
			if lines := logs.TakeAll(); len(lines) != 1 || lines[0].Level != zap.ErrorLevel || !strings.Contains(lines[0].Message, "cannot be read again") {
				t.Errorf("logged %v", lines)
			}
			storage.broken = ""
			put(t, storage, string(raw))
			for range 2 {
				secrets(t, g, true)
			}
			if lines := logs.TakeAll(); len(lines) != 1 || lines[0].Level != zap.InfoLevel {
				t.Errorf("afterwards logged %v", lines)
			}
		})
	}
}

func put(t *testing.T, s *brokenStorage, text string) {
	t.Helper()
	if err := s.Storage.Store(t.Context(), secretKey, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestRotationFails has storages that fail during a rotation: it has not happened.
func TestRotationFails(t *testing.T) {
	for _, operation := range []string{"load", "lock", "store"} {
		g, storage, _ := observed(t)
		before := secrets(t, g, false)
		storage.broken = operation
		if _, err := g.rotate(t.Context(), time.Hour); !errors.Is(err, errStorage) || !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", operation, err)
		}
		storage.broken = ""
		if got := secrets(t, g, true); !slices.Equal(got, before) {
			t.Errorf("%s: %d secrets", operation, len(got))
		}
		if _, err := g.rotate(t.Context(), time.Hour); err != nil {
			t.Errorf("%s: afterwards %v", operation, err)
		}
	}
}

// TestRotationAfterDeletion rotates what somebody has deleted: sessions that this
// process seals must not be lost by it.
func TestRotationAfterDeletion(t *testing.T) {
	g, storage, _ := observed(t)
	before := secrets(t, g, false)
	if err := storage.Delete(t.Context(), secretKey); err != nil {
		t.Fatal(err)
	}
	if _, err := g.rotate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := secrets(t, newGenerated(storage), false); len(got) != 2 || got[0] != before[0] {
		t.Errorf("%d secrets", len(got))
	}
}

// TestRereadDuringRotation has a reading that began before a rotation and ends
// after it.
func TestRereadDuringRotation(t *testing.T) {
	dir := t.TempDir()
	slow := &slowStorage{Storage: &certmagic.FileStorage{Path: dir}, loaded: make(chan struct{}), goOn: make(chan struct{})}
	g := newGenerated(slow.Storage)
	secrets(t, g, false)
	g.storage = slow
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = g.attempt(t.Context()) })
	<-slow.loaded
	g.storage = slow.Storage
	if _, err := g.rotate(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
	close(slow.goOn)
	wg.Wait()
	if got := secrets(t, g, false); len(got) != 2 {
		t.Error("the reading took the new secret away")
	}
}

// slowStorage keeps what it has read to itself for a while.
type slowStorage struct {
	certmagic.Storage
	loaded, goOn chan struct{}
}

func (s *slowStorage) Load(ctx context.Context, key string) ([]byte, error) {
	b, err := s.Storage.Load(ctx, key)
	close(s.loaded)
	<-s.goOn
	return b, err
}

// TestRotationKeepsProviderTokens: what a store has of providers is sealed as well.
func TestRotationKeepsProviderTokens(t *testing.T) {
	conn := store.NewConn(store.Options{Open: func(context.Context) (store.Driver, error) { return memory.New(), nil }})
	t.Cleanup(func() { conn.Close() })
	o := &openStore{conn: conn, ended: session.NewEnded()}
	old, next := secretOf("a"), secretOf("b")
	as := func(secrets ...string) store.Driver {
		t.Helper()
		d, err := o.driver(secrets)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	a := store.Account{Type: "oauth", Provider: "p", ProviderAccountID: "1", AccessToken: "access", RefreshToken: "refresh", IDToken: "id"}
	u, err := as(old).CreateUserAndAccount(t.Context(), store.User{Name: "A"}, a)
	if err != nil {
		t.Fatal(err)
	}
	check := func(step, provider string, want bool, secrets ...string) {
		t.Helper()
		got, err := as(secrets...).Account(t.Context(), provider, "1")
		if err != nil || (got.AccessToken == "access" && got.RefreshToken == "refresh" && got.IDToken == "id") != want {
			t.Errorf("%s: %+v, %v", step, got, err)
		}
	}
	check("pending", "p", true, old, next)
	check("turned", "p", true, next, old)
	a.UserID, a.Provider = u.ID, "q"
	if err := as(next, old).LinkAccount(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	check("elsewhere, where it has not turned yet", "q", true, old, next)
	check("retired", "q", true, next)
	check("sealed with what is gone", "p", false, next)
}
