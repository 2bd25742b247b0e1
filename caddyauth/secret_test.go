package caddyauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

func newGenerated(storage certmagic.Storage) *generatedSecret {
	return &generatedSecret{storage: storage, log: zap.NewNop(), now: time.Now, pacing: defaultPacing}
}

// one is the only secret of a set, empty if there are more or none.
func one(secrets []string, err error) (string, error) {
	if len(secrets) != 1 {
		return "", err
	}
	return secrets[0], err
}

// TestGeneratedSecretAgrees starts several instances at once on one storage, as
// a cluster does.
func TestGeneratedSecretAgrees(t *testing.T) {
	dir := t.TempDir()
	const instances = 8
	values := make([]string, instances)
	var wg sync.WaitGroup
	for i := range instances {
		wg.Go(func() {
			g := newGenerated(&certmagic.FileStorage{Path: dir})
			value, err := one(g.get(t.Context()))
			// Who waited too long for the lock asks again, as the next request
			// does.
			for deadline := time.Now().Add(time.Minute); errors.Is(err, errStorage) && time.Now().Before(deadline); {
				time.Sleep(retrySecret)
				value, err = one(g.get(t.Context()))
			}
			if err != nil {
				t.Error(err)
			}
			values[i] = value
		})
	}
	wg.Wait()
	for _, v := range values {
		if v != values[0] || len(v) < minSecret {
			t.Fatalf("the instances have %q", values)
		}
	}
	if err := strong(values[0]); err != nil {
		t.Errorf("the generated secret %v", err)
	}
	later, err := one(newGenerated(&certmagic.FileStorage{Path: dir}).get(t.Context()))
	if err != nil || later != values[0] {
		t.Errorf("after a restart: %q, %v", later, err)
	}
	elsewhere, err := one(newGenerated(&certmagic.FileStorage{Path: t.TempDir()}).get(t.Context()))
	if err != nil || elsewhere == values[0] {
		t.Errorf("on another storage: %q, %v", elsewhere, err)
	}
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(secretKey)))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

// brokenStorage fails at one operation.
type brokenStorage struct {
	certmagic.Storage
	broken         string
	calls, unlocks int
}

var errBroken = errors.New("broken")

func (b *brokenStorage) fails(operation string) error {
	b.calls++
	if b.broken == operation {
		return errBroken
	}
	return nil
}

func (b *brokenStorage) Load(ctx context.Context, key string) ([]byte, error) {
	if err := b.fails("load"); err != nil {
		return nil, err
	}
	return b.Storage.Load(ctx, key)
}

func (b *brokenStorage) Lock(ctx context.Context, name string) error {
	if err := b.fails("lock"); err != nil {
		return err
	}
	return b.Storage.Lock(ctx, name)
}

func (b *brokenStorage) Unlock(ctx context.Context, name string) error {
	b.unlocks++
	if err := ctx.Err(); err != nil {
		return err // as storages do that ask a server
	}
	return b.Storage.Unlock(ctx, name)
}

func (b *brokenStorage) Store(ctx context.Context, key string, value []byte) error {
	if err := b.fails("store"); err != nil {
		return err
	}
	return b.Storage.Store(ctx, key, value)
}

// TestGeneratedSecretRecovers lets the storage fail and come back.
func TestGeneratedSecretRecovers(t *testing.T) {
	for _, operation := range []string{"load", "lock", "store"} {
		t.Run(operation, func(t *testing.T) {
			storage := &brokenStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}, broken: operation}
			g := newGenerated(storage)
			if _, err := g.get(t.Context()); !errors.Is(err, errStorage) || !errors.Is(err, errBroken) {
				t.Fatalf("error %v", err)
			}
			if (operation == "store") != (storage.unlocks == 1) {
				t.Errorf("unlocked %d times", storage.unlocks)
			}
			storage.broken = ""

			// Requests do not queue up for a storage that has just failed.
			calls := storage.calls
			if _, err := g.get(t.Context()); !errors.Is(err, errBroken) || storage.calls != calls {
				t.Errorf("right after: %v, asked %d times more", err, storage.calls-calls)
			}
			g.failed = time.Now().Add(-retrySecret)
			value, err := one(g.get(t.Context()))
			if err != nil || len(value) < minSecret {
				t.Fatalf("after the storage came back: %q, %v", value, err)
			}

			// From then on it is not needed.
			storage.broken = "load"
			if again, err := one(g.get(t.Context())); err != nil || again != value {
				t.Errorf("afterwards: %q, %v", again, err)
			}
		})
	}
}

// TestGeneratedSecretUnlocks checks that a request which went away leaves no
// lock behind.
func TestGeneratedSecretUnlocks(t *testing.T) {
	storage := &brokenStorage{Storage: &certmagic.FileStorage{Path: t.TempDir()}, broken: "store"}
	ctx, cancel := context.WithCancel(t.Context())
	canceling := &cancelingStorage{storage, cancel}
	if _, err := newGenerated(canceling).get(ctx); err == nil {
		t.Fatal("no error")
	}
	// Another instance: the attempt may outlive the request.
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := newGenerated(storage.Storage).get(ctx); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// cancelingStorage ends the request when the lock is held.
type cancelingStorage struct {
	*brokenStorage
	cancel context.CancelFunc
}

func (c *cancelingStorage) Lock(ctx context.Context, name string) error {
	defer c.cancel()
	return c.brokenStorage.Lock(ctx, name)
}

// TestGeneratedSecretHalfWritten finds a key that somebody else did not finish.
// It is neither used nor replaced: sessions may have been sealed with the whole.
func TestGeneratedSecretHalfWritten(t *testing.T) {
	for _, held := range []string{"", "c2hvcnQ=\n", strings.Repeat(" ", 100)} {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		if err := storage.Store(t.Context(), secretKey, []byte(held)); err != nil {
			t.Fatal(err)
		}
		_, err := newGenerated(storage).get(t.Context())
		if err == nil || !strings.Contains(err.Error(), "storage key caddyauth/secret holds") || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("%q: %v", held, err)
		}
		if left, _ := storage.Load(t.Context(), secretKey); string(left) != held {
			t.Errorf("%q became %q", held, left)
		}
	}
}

// TestSecretFromEnvironment has the variables in the order of each dialect.
func TestSecretFromEnvironment(t *testing.T) {
	a, b, c, d := strings.Repeat("0a", 16), strings.Repeat("0b", 16), strings.Repeat("0c", 16), strings.Repeat("0d", 16)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(c+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name       string
		env        map[string]string
		configured []string
		v4, v5     []string
		warnings   int // in each dialect
	}{
		{"none", nil, nil, nil, nil, 0},
		{"NEXTAUTH_SECRET", map[string]string{"NEXTAUTH_SECRET": a}, nil, []string{a}, []string{a}, 0},
		{"AUTH_SECRET", map[string]string{"AUTH_SECRET": b}, nil, []string{b}, []string{b}, 0},
		{"both alike", map[string]string{"NEXTAUTH_SECRET": a, "AUTH_SECRET": a}, nil, []string{a}, []string{a}, 0},
		{"both, differing", map[string]string{"NEXTAUTH_SECRET": a, "AUTH_SECRET": b}, nil, []string{a}, []string{b}, 1},
		{"AUTH_SECRET_FILE", map[string]string{"AUTH_SECRET_FILE": file}, nil, []string{c}, []string{c}, 0},
		{"variable before file", map[string]string{"AUTH_SECRET": b, "AUTH_SECRET_FILE": file}, nil, []string{b}, []string{b}, 0},
		{"differing from the file", map[string]string{"NEXTAUTH_SECRET": a, "AUTH_SECRET_FILE": file}, nil, []string{a}, []string{c}, 1},
		{"numbered", map[string]string{"AUTH_SECRET_1": b, "AUTH_SECRET_2_FILE": file, "AUTH_SECRET_3": d}, nil, nil, []string{d, c, b}, 0},
		{"numbered alone", map[string]string{"AUTH_SECRET_2": b}, nil, nil, []string{b}, 0},
		{"configured before all", map[string]string{"NEXTAUTH_SECRET": a, "AUTH_SECRET": b}, []string{c, a}, []string{c, a}, []string{c, a}, 0},
		{"configured as the variable", map[string]string{"MY_SECRET": b}, []string{"{env.MY_SECRET}"}, []string{b}, []string{b}, 0},
		{"configured as the file", nil, []string{"{file." + file + "}"}, []string{c}, []string{c}, 0},
		{"put together", map[string]string{"MY_SECRET": b}, []string{"{env.MY_SECRET}-suffix"}, []string{b + "-suffix"}, []string{b + "-suffix"}, 0},
	} {
		for which, want := range map[dialect.Dialect][]string{dialect.V4: test.v4, dialect.V5: test.v5} {
			t.Run(test.name+"/"+which.String(), func(t *testing.T) {
				for name, value := range test.env {
					t.Setenv(name, value)
				}
				core, logged := observer.New(zapcore.WarnLevel)
				got, err := resolveSecrets(test.configured, which, zap.New(core))
				if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("got %q, %v, want %q", got, err, want)
				}
				if logged.Len() != test.warnings {
					t.Errorf("warnings %v", logged.All())
				}
				for _, line := range logged.All() {
					if text := line.Message; strings.Contains(text, a) || len(line.Context) > 0 {
						t.Errorf("the log has %q %v", text, line.Context)
					}
				}
			})
		}
	}
}

// TestNumberedSecrets checks that numbered secrets come before AUTH_SECRET, and
// that it is said which packages see it otherwise.
func TestNumberedSecrets(t *testing.T) {
	a, b := strings.Repeat("0a", 16), strings.Repeat("0b", 16)
	t.Setenv("AUTH_SECRET", a)
	t.Setenv("AUTH_SECRET_2", b)
	core, logged := observer.New(zapcore.WarnLevel)
	got, err := resolveSecrets(nil, dialect.V5, zap.New(core))
	if err != nil || strings.Join(got, " ") != b+" "+a {
		t.Errorf("got %q, %v", got, err)
	}
	if lines := logged.All(); len(lines) != 1 || !strings.Contains(lines[0].Message, "next-auth 5 knows AUTH_SECRET alone") {
		t.Errorf("warnings %v", lines)
	}
}

// TestRELOAD06WeakSecrets has what anybody could guess, and what only looks
// like it.
func TestRELOAD06WeakSecrets(t *testing.T) {
	for _, weak := range []string{
		"", "a", strings.Repeat("x", 31), strings.Repeat("x", 64),
		"changeme-changeme-changeme-changeme", "CHANGE-ME-0123456789-0123456789-0123", "please_change_me_0123456789_0123456789",
		"your-secret-0123456789-0123456789-012", "replace-this-with-a-long-random-string", "<insert a long random string here 0123>",
	} {
		if err := strong(weak); err == nil || !strings.Contains(err.Error(), "openssl rand") {
			t.Errorf("%q: %v", weak, err)
		}
	}
	for _, good := range []string{
		"mQZ4yH1x2lVxG0m9rB1nJ5tYk3pW7sD8", "correct horse battery staple and so on", "0123456789abcdef0123456789abcdef",
	} {
		if err := strong(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// TestRELOAD06Resolve checks that a placeholder never becomes the secret
// itself.
func TestRELOAD06Resolve(t *testing.T) {
	t.Setenv("EMPTY", "")
	for _, value := range []string{
		"{env.NOT_SET}", "{env.EMPTY}", "{env.NOT_SET}" + strings.Repeat("x", 32), "{nothing}", "{file./nonexistent}",
		"{http.request.host}", "x{http.auth.user.id}", "{$NOT_SET}",
	} {
		if got, err := resolve(value); err == nil {
			t.Errorf("%s became %q", value, got)
		}
	}
}
