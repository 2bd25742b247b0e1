package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

const (
	// crashEnv tells the process that is to be killed where its store is.
	crashEnv = "CADDYAUTH_CRASH"
	// MoreEnv is the environment variable that asks for more rounds.
	MoreEnv = "CADDYAUTH_MORE"
)

// Crash kills a process that writes to a store, at random moments: 5 times, or
// 50 with CADDYAUTH_MORE=1. Whatever it said it had kept must be there each time
// that the store is opened again, on top of what was there before.
//
// The process is the test binary itself, which runs the calling test alone.
// Crash never returns there. Open opens the store in a file, and check, unless it
// is nil, looks at the file while nobody has it open.
func Crash(t *testing.T, open func(path string) (store.Driver, error), check func(t *testing.T, path string)) {
	if path := os.Getenv(crashEnv); path != "" {
		crashing(t, path, open)
	}
	rounds := 5
	if os.Getenv(MoreEnv) == "1" {
		rounds = 50
	}
	path := filepath.Join(t.TempDir(), "store")
	told := newLedger()
	for round := range rounds {
		before := told.said
		killWriter(t, path, told)
		if check != nil {
			check(t, path)
		}
		d, err := open(path)
		if err != nil {
			t.Fatalf("round %d: it does not open again: %v", round, err)
		}
		told.compare(t, &suite{Driver: d})
		ok(t, d.Close())
		if told.said == before {
			t.Fatalf("round %d: nothing was written", round)
		}
	}
	t.Logf("%d kills, %d writes acknowledged, %d sessions and %d users there", rounds, told.said, len(told.sessions), len(told.users))
}

// crashing writes until it is killed and tells what it does.
func crashing(t *testing.T, path string, open func(path string) (store.Driver, error)) {
	d, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{Driver: d}
	out := os.NewFile(3, "ledger")
	// A line is written at once: a pipe does not mix up what is that short.
	tell := func(words ...string) {
		if _, err := fmt.Fprintln(out, strings.Join(words, " ")); err != nil {
			os.Exit(1) // nobody is there any more
		}
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() { s.write(t, fmt.Sprintf("%d-%d", os.Getpid(), i), tell) })
	}
	wg.Wait()
	os.Exit(1)
}

// write keeps users and their sessions, extends some and deletes others. It
// tells what it is about to do and what it has done.
func (s *suite) write(t *testing.T, name string, tell func(words ...string)) {
	ctx := t.Context()
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s-%d", name, i)
		a := s.account("")
		a.ProviderAccountID = name
		u, err := s.CreateUserAndAccount(ctx, store.User{Name: strings.Repeat("x", rand.IntN(3000)), Email: name + "@example.com"}, a)
		if err != nil {
			tell("failed", err.Error())
			return
		}
		tell("user", u.ID, u.Email)
		for k := range 3 {
			session := s.session(u.ID)
			session.ID, session.Token = fmt.Sprintf("%s-%d", name, k), fmt.Sprintf("token-%s-%d", name, k)
			if err := s.CreateSession(ctx, session); err != nil {
				tell("failed", err.Error())
				return
			}
			tell("session", session.ID, session.Token)
			switch k {
			case 1:
				tell("extending", session.ID)
				_, err = s.ExtendSession(ctx, session.ID, session.Expires, session.Expires.Add(time.Hour), base)
				tell("extended", session.ID)
			case 2:
				tell("deleting", session.ID)
				err = s.DeleteSession(ctx, session.ID)
				tell("deleted", session.ID)
			}
			if err != nil {
				tell("failed", err.Error())
				return
			}
		}
	}
}

// killWriter starts a process that writes, kills it and reads what it told.
func killWriter(t *testing.T, path string, told *ledger) {
	t.Helper()
	exe, err := os.Executable()
	ok(t, err)
	r, w, err := os.Pipe()
	ok(t, err)
	defer r.Close()
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	cmd.ExtraFiles = []*os.File{w}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	ok(t, cmd.Start())
	w.Close()

	lines := bufio.NewReader(r)
	first, err := lines.ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatalf("the writer wrote nothing: %v\n%s", err, &output)
	}
	killer := time.AfterFunc(time.Duration(rand.Int64N(int64(400*time.Millisecond))), func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	for line := first; err == nil; line, err = lines.ReadString('\n') {
		if !told.note(strings.Fields(line)) {
			t.Errorf("the writer: %s", line)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("the writer was not killed\n%s", &output)
	}
}

// ledger is what must be there.
type ledger struct {
	said     int
	users    map[string]string // id to address
	sessions map[string]string // id to token
	expires  map[string]time.Time
	// unsure are sessions that were being extended or deleted.
	extending, deleting, deleted map[string]bool
}

func newLedger() *ledger {
	return &ledger{
		users: make(map[string]string), sessions: make(map[string]string), expires: make(map[string]time.Time),
		extending: make(map[string]bool), deleting: make(map[string]bool), deleted: make(map[string]bool),
	}
}

// note enters what the writer told. It is false for what it must not say.
func (l *ledger) note(words []string) bool {
	if len(words) < 2 || words[0] == "failed" {
		return false
	}
	id := words[1]
	switch words[0] {
	case "user":
		l.users[id] = words[2]
	case "session":
		l.sessions[id], l.expires[id] = words[2], base.Add(time.Hour)
	case "extending":
		l.extending[id] = true
		return true
	case "extended":
		delete(l.extending, id)
		l.expires[id] = base.Add(2 * time.Hour)
	case "deleting":
		l.deleting[id] = true
		return true
	case "deleted":
		delete(l.deleting, id)
		delete(l.sessions, id)
		l.deleted[id] = true
	}
	l.said++
	return true
}

// compare looks for all of it in the store.
func (l *ledger) compare(t *testing.T, s *suite) {
	t.Helper()
	ctx := t.Context()
	for id, email := range l.users {
		u := must(s.UserByEmail(ctx, email))(t)
		if u.ID != id {
			t.Fatalf("%s is %s, was %s", email, u.ID, id)
		}
		name, _, _ := strings.Cut(email, "@")
		same(t, must(s.UserByAccount(ctx, "keycloak", name))(t), u)
	}
	for id, token := range l.sessions {
		a, err := s.SessionByToken(ctx, token)
		if errors.Is(err, store.ErrNotFound) && l.deleting[id] {
			notFound(s.SessionByID(ctx, id))(t)
			delete(l.sessions, id)
			continue
		}
		ok(t, err)
		switch {
		case a.Session.ID != id:
			t.Fatalf("the token of %s is that of %s", id, a.Session.ID)
		case !a.Session.Expires.Equal(l.expires[id]) && !l.extending[id]:
			t.Fatalf("%s expires at %v, want %v", id, a.Session.Expires, l.expires[id])
		case l.users[a.User.ID] == "":
			t.Fatalf("%s is of a user who was never told of", id)
		}
		l.expires[id] = a.Session.Expires
	}
	for id := range l.deleted {
		notFound(s.SessionByID(ctx, id))(t)
		notFound(s.SessionByToken(ctx, "token-"+id))(t)
	}
	clear(l.extending)
	clear(l.deleting)
}
