package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// argonHash is cheap, so that tests are quick.
func argonHash(password string, memory, time uint32) string {
	salt := []byte("sixteen bytes ok")
	key := argon2.IDKey([]byte(password), salt, time, memory, 1, 32)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", memory, time, enc.EncodeToString(salt), enc.EncodeToString(key))
}

func bcryptHash(password string) string {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	return string(h)
}

// usersFixture is a file of users, a clock and a log.
type usersFixture struct {
	t    *testing.T
	path string
	now  time.Time
	logs *observer.ObservedLogs
	*Users
}

func writeUsers(t *testing.T, text string) *usersFixture {
	t.Helper()
	f := &usersFixture{t: t, path: filepath.Join(t.TempDir(), "users.yml"), now: time.Now().Add(time.Hour)}
	f.write(text)
	core, logs := observer.New(zap.DebugLevel)
	f.logs = logs
	u, err := NewUsers("", f.path, Options{Now: func() time.Time { return f.now }, Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	f.Users = u
	return f
}

func (f *usersFixture) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// edit changes the file and lets the time pass until it counts.
func (f *usersFixture) edit(text string) {
	f.t.Helper()
	f.write(text)
	f.now = f.now.Add(lookEvery)
}

func (f *usersFixture) signIn(username, password string) (*Identity, error) {
	return f.Authorize(f.t.Context(), url.Values{"username": {username}, "password": {password}})
}

func (f *usersFixture) mustSignIn(username, password string) *Identity {
	f.t.Helper()
	id, err := f.signIn(username, password)
	if err != nil {
		f.t.Fatalf("%s: %v", username, err)
	}
	return id
}

const usersText = `
users:
  alice:
    id: "42"
    displayname: Alice Example
    email: Alice@Example.com
    password: %s
    groups: [staff, admins]
  bob:
    password: %s
  carol:
    displayname: Carol
    password: %s
    disabled: true
`

func usersFileText() string {
	return fmt.Sprintf(usersText, argonHash("alice's", 64, 1), bcryptHash("bob's"), argonHash("carol's", 64, 1))
}

func TestUsersSignIn(t *testing.T) {
	f := writeUsers(t, usersFileText())
	id := f.mustSignIn("alice", "alice's")
	if id.User.ID != "42" || id.User.Name.String() != "Alice Example" || id.User.Email.String() != "alice@example.com" || !id.User.Image.IsZero() {
		t.Errorf("%+v", id.User)
	}
	if id.Account.Type != TypeCredentials || id.Account.ProviderAccountID != "42" || id.Login != "alice" {
		t.Errorf("%+v, login %q", id.Account, id.Login)
	}
	if !id.Verified || id.Domain != "example.com" || strings.Join(id.Groups, ",") != "staff,admins" || !id.AuthTime.Equal(f.now) {
		t.Errorf("%+v", id)
	}
	id = f.mustSignIn("bob", "bob's")
	if id.User.ID != "bob" || id.User.Name.String() != "bob" || !id.User.Email.IsZero() || id.Verified || id.Domain != "" {
		t.Errorf("%+v", id)
	}
	for _, tc := range []struct{ name, username, password string }{
		{"wrong password", "alice", "bob's"},
		{"unknown", "dave", "x"},
		{"disabled", "carol", "carol's"},
		{"another case", "Alice", "alice's"},
		{"white space", "alice ", "alice's"},
		{"no password", "alice", ""},
		{"no name", "", "alice's"},
		{"password too long", "alice", strings.Repeat("x", maxPassword+1)},
		{"beyond bcrypt", "bob", "bob's" + strings.Repeat("\x00", 100)},
	} {
		if id, err := f.signIn(tc.username, tc.password); !errors.Is(err, ErrCredentials) || id != nil {
			t.Errorf("%s: %+v, %v", tc.name, id, err)
		}
	}
}

// bcrypt ignores what comes after 72 bytes, we do not.
func TestBcryptLength(t *testing.T) {
	long := strings.Repeat("p", 72)
	f := writeUsers(t, "a:"+bcryptHash(long)+"\n")
	f.mustSignIn("a", long)
	if _, err := f.signIn("a", long+"x"); !errors.Is(err, ErrCredentials) {
		t.Error("73 bytes match a hash of 72")
	}
}

func TestBRUTE01(t *testing.T) {
	t.Run("BRUTE-01 credentials timing", func(t *testing.T) {
		f := writeUsers(t, usersFileText()+"  weak:\n    password: \"{SHA}x\"\n")
		for _, user := range []string{"alice", "bob", "carol", "weak", "nobody", "Alice"} {
			before := f.derivations.Load()
			_, err := f.signIn(user, "wrong")
			if !errors.Is(err, ErrCredentials) || f.derivations.Load() != before+1 {
				t.Errorf("%s: %d derivations, %v", user, f.derivations.Load()-before, err)
			}
		}
		// Who is unknown costs what most users cost.
		if got, want := f.current().decoy.params, (hashParams{memory: 64, time: 1, lanes: 1, keyLen: 32}); got != want {
			t.Errorf("decoy %+v", got)
		}
	})
}

func TestDecoy(t *testing.T) {
	a := hashParams{memory: 64, time: 1, lanes: 1, keyLen: 32}
	dear := hashParams{memory: 128, time: 2, lanes: 1, keyLen: 32}
	b := hashParams{cost: 4}
	for _, tc := range []struct {
		count map[hashParams]int
		want  hashParams
	}{
		{map[hashParams]int{a: 2, dear: 1, b: 1}, a},
		{map[hashParams]int{a: 1, dear: 1}, dear},
		{map[hashParams]int{b: 3, a: 1}, b},
		{nil, hashParams{memory: 46 << 10, time: 1, lanes: 1, keyLen: 32}},
	} {
		if got := commonest(tc.count); got != tc.want {
			t.Errorf("%v: %+v", tc.count, got)
		}
	}
	for _, p := range []hashParams{a, b} {
		if decoy(p).matches([]byte("anything")) || decoy(p).matches(nil) {
			t.Errorf("%+v: a decoy matches", p)
		}
	}
	// A malformed decoy would return at once and tell who exists.
	if err := bcrypt.CompareHashAndPassword([]byte(decoy(b).bcrypt), []byte("x")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("the bcrypt decoy is not computed: %v", err)
	}
}

func TestParseHash(t *testing.T) {
	// As written by `caddy hash-password`, for the password "antitiming".
	const caddyArgon = "$argon2id$v=19$m=47104,t=1,p=1$P2nzckEdTZ3bxCiBCkRTyA$xQL3Z32eo5jKl7u5tcIsnEKObYiyNZQQf5/4sAau6Pg"
	h, err := parseHash(caddyArgon)
	if err != nil || !h.matches([]byte("antitiming")) || h.matches([]byte("antitimin")) {
		t.Errorf("Caddy's argon2id: %v", err)
	}
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		h, err := parseHash(prefix + strings.TrimPrefix(bcryptHash("p"), "$2a$"))
		if err != nil || !h.matches([]byte("p")) || h.matches([]byte("q")) {
			t.Errorf("%s: %v", prefix, err)
		}
	}
	good := argonHash("p", 64, 1)
	for _, tc := range []struct {
		name, hash, want string
	}{
		{"plain", "password", "not hashed with"},
		{"apr1", "$apr1$x$y", "not hashed with"},
		{"SHA", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "not hashed with"},
		{"argon2i", strings.Replace(good, "argon2id", "argon2i", 1), "not hashed with"},
		{"SHA-512", "$6$rounds=50000$x$y", "not hashed with"},
		{"empty", "", "not hashed with"},
		{"argon2id without parameters", "$argon2id$", "damaged"},
		{"argon2id of another version", strings.Replace(good, "v=19", "v=16", 1), "damaged"},
		{"argon2id, parameters in another order", strings.Replace(good, "m=64,t=1", "t=1,m=64", 1), "damaged"},
		{"argon2id, a fourth parameter", strings.Replace(good, "p=1", "p=1,x=1", 1), "damaged"},
		{"argon2id, two parameters", strings.Replace(good, ",p=1", "", 1), "damaged"},
		{"argon2id, no time", strings.Replace(good, "t=1", "t=0", 1), "damaged"},
		{"argon2id, memory beyond 32 bits", strings.Replace(good, "m=64", "m=99999999999", 1), "damaged"},
		{"argon2id, too much memory", strings.Replace(good, "m=64", "m=262145", 1), "memory of 262145 KiB is above"},
		{"argon2id, too long", strings.Replace(good, "t=1", "t=11", 1), "time 11 is above"},
		{"argon2id, too many lanes", strings.Replace(good, "p=1", "p=17", 1), "parallelism 17 is above"},
		{"argon2id, bad base64", good + "!", "damaged"},
		{"argon2id, key too short", good[:strings.LastIndexByte(good, '$')+1] + "AAAA", "damaged"},
		{"bcrypt cut short", bcryptHash("p")[:59], "damaged"},
		{"bcrypt too long", bcryptHash("p") + "x", "damaged"},
		{"bcrypt too dear", strings.Replace(bcryptHash("p"), "$04$", "$31$", 1), "cost 31 is above"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := parseHash(tc.hash); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestUsersFileErrors(t *testing.T) {
	h := argonHash("p", 64, 1)
	for _, tc := range []struct{ name, text, want string }{
		{"empty", " \n\n", "the file is empty"},
		{"no users", "users:\n", "the key users has no users"},
		{"users empty", "users: {}\n", "the file has no users"},
		{"not YAML", "users: [\n", "line"},
		{"a list", "- a\n", "neither YAML with a key users nor lines"},
		{"another key", "user:\n  a: {password: x}\n", `line 1: unexpected key "user" beside users`},
		{"users twice", "users:\n  a: {}\nusers:\n  b: {}\n", `line 3: unexpected key "users"`},
		{"misspelled attribute", "users:\n  a:\n    password: " + h + "\n    disable: true\n", `line 2: user "a": unknown attribute "disable" in line 4, did you mean 'disabled'?`},
		{"wrong type", "users:\n  a:\n    password: " + h + "\n    groups: {x: y}\n", `line 2: user "a"`},
		{"disabled no boolean", "users:\n  a:\n    password: " + h + "\n    disabled: maybe\n", `line 2: user "a"`},
		{"user twice", "users:\n  a: {password: x}\n  a: {password: y}\n", `line 3: user "a": already in line 2`},
		{"id twice", "users:\n  a: {password: x}\n  b: {password: y, id: a}\n", `line 3: user "b": has the same id as user "a" in line 2`},
		{"empty name", "users:\n  \"\": {password: x}\n", "a user needs a name"},
		{"control character", "users:\n  \"a\\r\\nb\": {password: x}\n", "a control character"},
		{"bad address", "users:\n  a: {password: x, email: a@b@c}\n", `"a@b@c" is no e-mail address`},
		{"damaged hash", "users:\n  a:\n    password: $argon2id$x\n", `line 2: user "a": a damaged argon2id hash`},
		{"merge key", "x: &x {password: p}\nusers:\n  a:\n    <<: *x\n", `line 1: unexpected key "x"`},
		{"htpasswd line", "a:" + h + "\nnonsense\n", "line 2: not of the form name:hash"},
		{"htpasswd damaged hash", "# c\n\na:$2y$05$x\n", `line 3: user "a": a damaged bcrypt hash`},
		{"htpasswd user twice", "a:" + h + "\nb:" + h + "\na:" + h, `line 3: user "a": already in line 1`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "users")
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := NewUsers("", path, Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "users file "+path+": ") {
				t.Errorf("%v\nwant %s", err, tc.want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		if _, err := NewUsers("", filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		if _, err := NewUsers("", t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Error(err)
		}
	})
}

func TestHtpasswd(t *testing.T) {
	f := writeUsers(t, "# made by htpasswd -B\r\n\r\nalice:"+bcryptHash("a")+"\r\nbob:"+argonHash("b", 64, 1)+"\nweak:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/\n")
	f.mustSignIn("alice", "a")
	f.mustSignIn("bob", "b")
	if _, err := f.signIn("weak", "x"); !errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	if _, ok := f.Live("weak"); ok {
		t.Error("a user with a weak hash counts as live")
	}
	if n := f.logs.FilterField(zap.String("user", "weak")).Len(); n != 1 {
		t.Errorf("%d warnings about the weak hash", n)
	}
	f.edit("alice:" + bcryptHash("a") + "\nweak:plain\n")
	f.Live("alice")
	if n := f.logs.FilterField(zap.String("user", "weak")).Len(); n != 1 {
		t.Errorf("%d warnings about the weak hash after an edit", n)
	}
}

// Authelia's own example of a users database.
func TestAutheliaFile(t *testing.T) {
	f := writeUsers(t, `---
users:
  john:
    disabled: false
    displayname: 'John Doe'
    password: '`+argonHash("john's", 64, 1)+`'
    email: 'john.doe@authelia.com'
    groups:
      - 'admins'
      - 'dev'
    given_name: 'John'
    picture: ''
    address:
      street_address: 'x'
    extra:
      key: [1, 2]
...
`)
	if id := f.mustSignIn("john", "john's"); id.User.Name.String() != "John Doe" || len(id.Groups) != 2 {
		t.Errorf("%+v", id)
	}
}

func TestUsersFileChanges(t *testing.T) {
	f := writeUsers(t, usersFileText())
	if p, ok := f.Live("alice"); !ok || p.ID != "42" || len(p.Groups) != 2 {
		t.Fatalf("%+v, %v", p, ok)
	}
	if _, ok := f.Live("carol"); ok {
		t.Error("a disabled user is live")
	}
	alice := "users:\n  alice:\n    id: \"42\"\n    groups: [staff]\n    password: " + argonHash("new", 64, 1) + "\n"
	t.Run("not before two seconds", func(t *testing.T) {
		f.write(alice)
		f.now = f.now.Add(lookEvery - time.Millisecond)
		if p, _ := f.Live("alice"); len(p.Groups) != 2 {
			t.Error("looked too soon")
		}
		f.now = f.now.Add(time.Millisecond)
	})
	t.Run("regrouped, removed, new password", func(t *testing.T) {
		if p, ok := f.Live("alice"); !ok || len(p.Groups) != 1 {
			t.Errorf("%+v", p)
		}
		if _, ok := f.Live("bob"); ok {
			t.Error("a removed user is live")
		}
		f.mustSignIn("alice", "new")
		if _, err := f.signIn("alice", "alice's"); err == nil {
			t.Error("the old password still works")
		}
	})
	t.Run("disabled", func(t *testing.T) {
		f.edit(alice + "    disabled: true\n")
		if _, ok := f.Live("alice"); ok {
			t.Error("a disabled user is live")
		}
		f.edit(alice)
		if _, ok := f.Live("alice"); !ok {
			t.Error("a user enabled again is not live")
		}
	})
	t.Run("a broken edit changes nothing and is logged once", func(t *testing.T) {
		f.edit("users: [")
		for range 5 {
			if _, ok := f.Live("alice"); !ok {
				t.Error("the last good file is lost")
			}
			f.now = f.now.Add(lookEvery)
		}
		if n := f.logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
			t.Errorf("%d errors logged", n)
		}
	})
	t.Run("half a file changes nothing", func(t *testing.T) {
		f.edit("")
		if _, ok := f.Live("alice"); !ok {
			t.Error("the last good file is lost")
		}
	})
	t.Run("deleted", func(t *testing.T) {
		if err := os.Remove(f.path); err != nil {
			t.Fatal(err)
		}
		before := f.logs.FilterLevelExact(zap.ErrorLevel).Len()
		for range 5 {
			f.now = f.now.Add(lookEvery)
			if _, ok := f.Live("alice"); !ok {
				t.Error("the last good file is lost")
			}
		}
		if n := f.logs.FilterLevelExact(zap.ErrorLevel).Len() - before; n != 1 {
			t.Errorf("%d errors logged", n)
		}
	})
	t.Run("mended", func(t *testing.T) {
		f.edit(usersFileText())
		if _, ok := f.Live("bob"); !ok {
			t.Error("the mended file does not count")
		}
	})
	t.Run("replaced by renaming, same size and time", func(t *testing.T) {
		info, err := os.Stat(f.path)
		if err != nil {
			t.Fatal(err)
		}
		other := f.path + ".new"
		current, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(current), "  bob:", "  bib:", 1)
		if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(other, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(other, f.path); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(lookEvery)
		if _, ok := f.Live("bib"); !ok {
			t.Error("the new file does not count")
		}
	})
}

// A file written in the very moment it is read has the same time and perhaps
// the same size afterwards.
func TestUsersFileYoung(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write := func(name string) {
		if err := os.WriteFile(path, []byte(name+":"+bcryptHash("p")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	now := info.ModTime()
	u, err := NewUsers("", path, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	write("two")
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if _, ok := u.Live("two"); !ok {
		t.Error("the second half of the write went unseen")
	}
}

// setBack returns t with the wall clock set back and the monotonic one as it is:
// what time.Now returns after somebody corrected the time.
func setBack(t time.Time, seconds uint64) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) -= seconds << 30 // see the comment in package time
	return t
}

func TestUsersClockSetBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write := func(name string) {
		if err := os.WriteFile(path, []byte(name+":"+bcryptHash("p")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	start := time.Now()
	now := start
	u, err := NewUsers("", path, Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	now = setBack(start.Add(lookEvery), 3600)
	if now.Sub(start) != lookEvery || now.Unix() > start.Unix()-3590 {
		t.Fatalf("the clock of this test does not work: %v, %v", start, now)
	}
	write("afterwards")
	if _, ok := u.Live("afterwards"); !ok {
		t.Error("the file is not looked at until the clock has caught up")
	}
	if seen := u.seen.Load(); seen.young {
		t.Error("a file from the future would be read every two seconds for an hour")
	}
}

func TestUsersConcurrently(t *testing.T) {
	f := writeUsers(t, usersFileText())
	start := f.now
	var mu sync.Mutex
	u, err := NewUsers("", f.path, Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); start = start.Add(lookEvery / 4); return start }})
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if p, ok := u.Live("alice"); ok && p.ID != "42" {
					t.Error("a half-read user")
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			text := usersFileText()
			if i%3 == 0 {
				text = "broken: ["
			}
			_ = os.WriteFile(f.path, []byte(text), 0o600)
		}
	})
	wg.Wait()
	// Those of earlier tests may still be on their way out, not on their way in.
	n := runtime.NumGoroutine()
	for deadline := time.Now().Add(5 * time.Second); n > before && time.Now().Before(deadline); n = runtime.NumGoroutine() {
		time.Sleep(10 * time.Millisecond)
	}
	if n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestHashSlots(t *testing.T) {
	for processors, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 64: 32} {
		if got := hashSlots(processors); got != want {
			t.Errorf("%d of %d processors", got, processors)
		}
	}
	if got, all := cap(hashing), runtime.GOMAXPROCS(0); got >= all && all > 1 {
		t.Errorf("passwords may take %d of %d processors", got, all)
	}
}

func TestHashingIsBounded(t *testing.T) {
	f := writeUsers(t, usersFileText())
	for range cap(hashing) {
		hashing <- struct{}{}
	}
	defer func() {
		for range cap(hashing) {
			<-hashing
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := f.Authorize(ctx, url.Values{"username": {"alice"}, "password": {"alice's"}})
	if ReasonOf(err) != ReasonUnavailable || f.derivations.Load() != 0 {
		t.Errorf("%v, %d derivations", err, f.derivations.Load())
	}
}

func TestWorldReadable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permission bits")
	}
	f := writeUsers(t, usersFileText())
	if n := f.logs.FilterMessageSnippet("read by everybody").Len(); n != 0 {
		t.Error("a warning about mode 0600")
	}
	if err := os.Chmod(f.path, 0o644); err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	if _, err := NewUsers("", f.path, Options{Log: zap.New(core)}); err != nil {
		t.Fatal(err)
	}
	if logs.FilterMessageSnippet("read by everybody").Len() != 1 {
		t.Error("no warning about mode 0644")
	}
}

func TestUsersInfo(t *testing.T) {
	f := writeUsers(t, usersFileText())
	if got := f.Info(); got.ID != "credentials" || got.Name != "Credentials" || got.Type != TypeCredentials || got.Public {
		t.Errorf("%+v", got)
	}
	u, err := NewUsers("staff", f.path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Info(); got.ID != "staff" || got.Type != TypeCredentials || got.Realm != f.Info().Realm {
		t.Errorf("%+v", got)
	}
	fields := f.Fields()
	if len(fields) != 2 || fields[0].Name != "username" || fields[1].Type != "password" {
		t.Errorf("%+v", fields)
	}
}

func TestLiveAllocatesNothing(t *testing.T) {
	f := writeUsers(t, usersFileText())
	if n := testing.AllocsPerRun(1000, func() { f.Live("alice"); f.Live("nobody") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLive(b *testing.B) {
	path := filepath.Join(b.TempDir(), "users")
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "user%d:$2y$05$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01234\n", i)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	u, err := NewUsers("", path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := u.Live("user7777"); !ok {
			b.Fatal("not live")
		}
	}
}

func FuzzUsersFile(f *testing.F) {
	f.Add([]byte(usersFileText()))
	f.Add([]byte("alice:" + argonHash("x", 64, 1) + "\n"))
	f.Add([]byte("users:\n  a: &a {password: x}\n  b: *a\n"))
	f.Add([]byte("# comment\n\na:$2y$05$x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseUsers(data)
		if err != nil {
			return
		}
		if len(file.users) == 0 || file.decoy == nil {
			t.Fatal("a good file without users or decoy")
		}
		for name, u := range file.users {
			if name == "" || u.ID == "" || u.Login != name || strings.ContainsAny(name+u.ID+u.Name+u.Email, "\r\n\x00") {
				t.Fatalf("%q: %+v", name, u)
			}
			if (u.hash == nil) == (u.problem == nil) {
				t.Fatalf("%q has neither or both of a hash and a problem", name)
			}
		}
	})
}

func FuzzHash(f *testing.F) {
	f.Add(argonHash("x", 64, 1))
	f.Add(bcryptHash("x"))
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			return
		}
		p := h.params
		if p.memory > maxArgonMemory || p.time > maxArgonTime || p.lanes > maxArgonLanes || p.cost > maxBcryptCost || p.work() == 0 {
			t.Fatalf("%+v is out of bounds", p)
		}
		if p.work() <= 1024 { // cheap enough to compute
			h.matches([]byte("password"))
		}
	})
}
