package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// lookEvery is how often the file is looked at: so that whoever is removed is
	// out two seconds later, open connections included.
	lookEvery = 1500 * time.Millisecond
	// maxPassword is the longest password that is tried.
	maxPassword = 1 << 10
	// maxHashWait is how long an attempt waits for its turn.
	maxHashWait = 10 * time.Second
)

// hashing bounds how many password hashes are computed at once in this process.
// Each takes up to 256 MiB and keeps one processor busy for a good part of a
// second, or as many as its parallelism says. Half of the processors are left
// for requests that only need a session: a flood of passwords slows down
// signing in, not the site.
var hashing = make(chan struct{}, hashSlots(runtime.GOMAXPROCS(0)))

func hashSlots(processors int) int { return max(1, processors/2) }

// Users is a credentials provider: accounts from a file.
//
// The file is YAML as Authelia's users database
//
//	users:
//	  alice:
//	    displayname: Alice Example
//	    email: alice@example.com
//	    password: $argon2id$v=19$m=47104,t=1,p=1$...
//	    groups: [staff]
//	    disabled: false
//
// or lines of the form name:hash. Hashes are argon2id or bcrypt, as written by
// caddy hash-password; a user with another hash cannot sign in. A change of the
// file counts within two seconds. A file that cannot be read or has a mistake
// in it changes nothing and is logged once.
type Users struct {
	id    string
	path  string
	now   func() time.Time
	log   *zap.Logger
	start time.Time // when this provider was made

	file atomic.Pointer[usersFile]
	// next is when the file is to be looked at again, in nanoseconds since start:
	// a difference of times is taken from the monotonic clock, so that a wall
	// clock which is set back does not put the next look off. Whoever moves it on
	// is the one to look, so that no lock and no goroutine is needed.
	next atomic.Int64
	seen atomic.Pointer[sight]

	derivations atomic.Int64 // counted for tests
}

// sight is how the file looked when it was last read.
type sight struct {
	info os.FileInfo // nil if it could not be
	// young is true if the file had changed just before it was read: it may
	// have been in the middle of being written. A time of change that lies in
	// the future says nothing of the kind, and would do so until it has come.
	young bool
	// problem is what was wrong with it, so that each mistake is logged once.
	problem string
}

// NewUsers reads a file of users for a provider of that id, by default
// "credentials". Of the options Now and Log are used.
func NewUsers(id, path string, opt Options) (*Users, error) {
	u := &Users{id: cmp.Or(id, TypeCredentials), path: path, now: opt.Now, log: opt.Log}
	if u.now == nil {
		u.now = time.Now
	}
	if u.log == nil {
		u.log = zap.NewNop()
	}
	u.start = u.now()
	file, s, err := u.read()
	if err != nil {
		return nil, fmt.Errorf("users file %s: %w", path, err)
	}
	u.next.Store(int64(lookEvery))
	u.use(file, s)
	if s.info.Mode().Perm()&0o004 != 0 && runtime.GOOS != "windows" {
		u.log.Warn("the users file can be read by everybody on this machine", zap.String("file", path))
	}
	return u, nil
}

// Info describes the provider.
func (u *Users) Info() Info {
	return Info{ID: u.id, Name: "Credentials", Type: TypeCredentials, Realm: realm("users", u.path)}
}

// Fields describes the form.
func (u *Users) Fields() []Field {
	return []Field{
		{Name: "username", Label: "Username", Type: "text", Autocomplete: "username"},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password"},
	}
}

// Live returns the user as the file has it, false if the user was removed or
// disabled. It takes no lock and, but for one caller every 1.5 seconds, nothing
// else than a lookup: that one looks at the file, and reads it if it has changed.
func (u *Users) Live(login string) (Person, bool) {
	if found := u.current().users[login]; found != nil && found.active() {
		return found.Person, true
	}
	return Person{}, false
}

// active reports whether the user may be signed in at all.
func (u *user) active() bool { return !u.disabled && u.hash != nil }

// Authorize checks username and password. Whatever is wrong, one password hash
// is computed, so that the time does not tell whether a user exists.
func (u *Users) Authorize(ctx context.Context, fields url.Values) (*Identity, error) {
	login, password := fields.Get("username"), fields.Get("password")
	if login == "" || password == "" || len(password) > maxPassword {
		return nil, ErrCredentials // known to whoever typed it
	}
	if err := acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-hashing }()

	file := u.current()
	found := file.users[login]
	stored := file.decoy
	if found != nil && found.hash != nil {
		stored = found.hash
	}
	u.derivations.Add(1)
	if matches := stored.matches([]byte(password)); !matches || found == nil || !found.active() {
		return nil, ErrCredentials
	}
	return found.identity(u.now()), nil
}

// acquire waits for a free place among those who compute a hash.
func acquire(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, maxHashWait)
	defer cancel()
	select {
	case hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return failure(ctx, ReasonUnavailable, fmt.Errorf("too many sign-ins at once: %w", ctx.Err()))
	}
}

// identity takes the file's word for everything: whoever wrote it vouches for
// the addresses in it.
func (u *user) identity(now time.Time) *Identity {
	id := &Identity{
		User:     User{ID: u.ID, Name: String(cmp.Or(u.Name, u.Login))},
		Account:  Account{Type: TypeCredentials, ProviderAccountID: u.ID},
		Profile:  map[string]any{},
		Login:    u.Login,
		Groups:   u.Groups,
		AuthTime: now,
	}
	if u.Email != "" {
		id.User.Email, id.Verified, id.Domain = String(u.Email), true, EmailDomain(u.Email)
	}
	return id
}

// current returns the users, after a look at the file if that is due.
func (u *Users) current() *usersFile {
	now := int64(u.now().Sub(u.start))
	next := u.next.Load()
	if now >= next && u.next.CompareAndSwap(next, now+int64(lookEvery)) {
		u.look()
	}
	return u.file.Load()
}

// look reads the file again if it has changed.
func (u *Users) look() {
	last := u.seen.Load()
	info, err := os.Stat(u.path)
	if err == nil && last.info != nil && !last.young && same(info, last.info) {
		return
	}
	file, s, err := u.read()
	if err != nil {
		s.problem = err.Error()
		if s.problem != last.problem {
			u.log.Error("the users file cannot be used, the last good one stays", zap.String("file", u.path), zap.Error(err))
		}
		u.seen.Store(s)
		return
	}
	u.use(file, s)
}

func same(a, b os.FileInfo) bool {
	return a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && os.SameFile(a, b)
}

func (u *Users) use(file *usersFile, s *sight) {
	before := u.file.Swap(file)
	u.seen.Store(s)
	for _, weak := range file.unusable() {
		if before == nil || before.users[weak.Login] == nil || before.users[weak.Login].problem == nil {
			u.log.Warn("a user of the users file cannot sign in", zap.String("file", u.path),
				zap.String("user", weak.Login), zap.Int("line", weak.line), zap.Error(weak.problem))
		}
	}
}

// read opens the file once and judges what it opened, not what may stand under
// that name a moment later.
func (u *Users) read() (*usersFile, *sight, error) {
	s := new(sight)
	// Opening a named pipe would wait for a writer.
	if info, err := os.Stat(u.path); err == nil && !info.Mode().IsRegular() {
		return nil, s, errors.New("not a regular file")
	}
	f, err := os.Open(u.path)
	if err != nil {
		// The text of a PathError repeats the path.
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err
		}
		return nil, s, err
	}
	defer f.Close()
	if s.info, err = f.Stat(); err != nil {
		return nil, s, err
	}
	age := u.now().Sub(s.info.ModTime())
	s.young = age >= 0 && age < lookEvery
	data, err := io.ReadAll(io.LimitReader(f, maxUsersFile+1))
	if err != nil {
		return nil, s, err
	}
	if len(data) > maxUsersFile {
		return nil, s, fmt.Errorf("larger than %d bytes", maxUsersFile)
	}
	file, err := parseUsers(data)
	return file, s, err
}

// Interface guards
var (
	_ Credentials = (*Users)(nil)
	_ Live        = (*Users)(nil)
	_ OAuth       = (*oauthProvider)(nil)
	_ KeyHolder   = (*oauthProvider)(nil)
	_ Health      = (*oauthProvider)(nil)
)
