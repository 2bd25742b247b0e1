package redis

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// kept is what a store has before something happens to its server.
type kept struct {
	user    store.User
	session store.Session
}

func keepSome(t *testing.T, s *Store) kept {
	t.Helper()
	u, err := s.CreateUserAndAccount(t.Context(), store.User{Email: "ada@example.com"}, store.Account{Provider: "p", ProviderAccountID: "1"})
	fatal(t, err)
	now := time.Now()
	v := store.Session{ID: "s", Token: "t", UserID: u.ID, Created: now, Seen: now, Expires: now.Add(time.Hour)}
	fatal(t, s.CreateSession(t.Context(), v))
	fatal(t, s.Revoke(t.Context(), ended("before")))
	return kept{u, v}
}

// answers wants the store to work and to have all of it.
func (k kept) answers(t *testing.T, s *Store, limit time.Duration) {
	t.Helper()
	var err error
	within(t, limit, "the store works again", func() bool {
		err = s.Revoke(t.Context(), ended("after"))
		return err == nil
	})
	got, err := s.SessionByToken(t.Context(), "t")
	if err != nil || got.Session.ID != k.session.ID || got.User.ID != k.user.ID {
		t.Errorf("the session is %+v, %v", got, err)
	}
	if u, err := s.UserByAccount(t.Context(), "p", "1"); err != nil || u != k.user {
		t.Errorf("the user is %+v, %v", u, err)
	}
	if _, err := s.CreateUser(t.Context(), store.User{Email: k.user.Email}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a second user with the address: %v", err)
	}
	w := watching(t, s)
	if w.heard("before") != 1 || w.heard("after") != 1 {
		t.Errorf("heard %v", w.keys)
	}
}

// follows waits until a replica has as many keys as its master.
func follows(t *testing.T, replica, master *testdb.RedisServer) {
	t.Helper()
	within(t, 5*time.Second, "the replica has all keys", func() bool { return replica.Do("DBSIZE") == master.Do("DBSIZE") })
}

func (w *watcher) noticed(t *testing.T) {
	t.Helper()
	select {
	case err := <-w.ended:
		if err == nil {
			t.Error("watching ended without an error")
		}
	case <-time.After(5 * time.Second):
		t.Error("watching goes on")
	}
}

func TestClusterFailover(t *testing.T) {
	t.Parallel()
	c := testdb.StartRedisCluster(t, true)
	s := opened(t, c.URL)
	master, replica := c.Owner(s.prefix)
	k, w := keepSome(t, s), watching(t, s)
	follows(t, replica, master)
	master.Kill()
	w.noticed(t)
	k.answers(t, s, 15*time.Second)
	if !replica.Leads() {
		t.Error("the replica has not taken over")
	}
}

// TestClusterMoves moves the store to another node of the cluster, key by key.
// Meanwhile calls fail, but none is given a wrong answer.
func TestClusterMoves(t *testing.T) {
	t.Parallel()
	c := testdb.StartRedisCluster(t, false)
	s, ctx := opened(t, c.URL), t.Context()
	k := keepSome(t, s)
	from, _ := c.Owner(s.prefix)
	to := c.Masters[0]
	if to == from {
		to = c.Masters[1]
	}
	slot := from.Do("CLUSTER", "KEYSLOT", s.prefix)
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", from.Do("CLUSTER", "MYID"))
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", to.Do("CLUSTER", "MYID"))

	calls := map[string]func() error{
		"SessionByToken": func() error { _, err := s.SessionByToken(ctx, "t"); return err },
		"UserByEmail":    func() error { _, err := s.UserByEmail(ctx, k.user.Email); return err },
		"UserByAccount":  func() error { _, err := s.UserByAccount(ctx, "p", "1"); return err },
		"CreateUser":     func() error { _, err := s.CreateUser(ctx, store.User{Email: k.user.Email}); return err },
		"LinkAccount": func() error {
			return s.LinkAccount(ctx, store.Account{UserID: k.user.ID, Provider: "p", ProviderAccountID: "1"})
		},
	}
	keys, err := raw(t, from).Keys(ctx, "*").Result()
	fatal(t, err)
	for moved := range len(keys) + 1 {
		for name, call := range calls {
			err := call()
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) ||
				!strings.Contains(err.Error(), "the cluster is moving the store to another node") {
				t.Errorf("%s with %d of %d keys moved: %v", name, moved, len(keys), err)
			}
		}
		if moved < len(keys) {
			from.Do("MIGRATE", "127.0.0.1", to.Port, keys[moved], 0, 5000)
		}
	}
	for _, node := range []*testdb.RedisServer{to, from} {
		node.Do("CLUSTER", "SETSLOT", slot, "NODE", to.Do("CLUSTER", "MYID"))
	}
	k.answers(t, s, 10*time.Second)
	if n := raw(t, to).DBSize(ctx).Val(); n < int64(len(keys)) {
		t.Errorf("%d keys are at the new node, there were %d", n, len(keys))
	}
}

func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	all := testdb.StartRedisSentinel(t)
	s, direct := opened(t, all.URL), opened(t, all.Master.URL)
	k, w := keepSome(t, s), watching(t, s)
	follows(t, all.Replica, all.Master)
	all.Master.Kill()
	w.noticed(t)
	k.answers(t, s, 15*time.Second)
	if !all.Replica.Leads() {
		t.Error("the replica has not taken over")
	}

	// The old master comes back as a replica, which whoever asks it is told.
	all.Master.Start()
	all.Master.Do("REPLICAOF", "127.0.0.1", all.Replica.Port)
	within(t, 5*time.Second, "it says so", func() bool {
		err := direct.Revoke(t.Context(), ended("x"))
		return err != nil && strings.Contains(err.Error(), "the server is a replica, which takes no writes")
	})
	k.answers(t, s, 5*time.Second)
}

func TestManyStoresOnOneServer(t *testing.T) {
	t.Parallel()
	url := testdb.Redis(t).URL
	var stores []*Store
	for i, u := range []string{url, url + "?prefix=a", url + "?prefix=b", url + "/1"} {
		s := opened(t, u)
		_, err := s.CreateUser(t.Context(), store.User{Email: fmt.Sprint(i)})
		fatal(t, err)
		for _, other := range stores {
			if _, err := other.UserByEmail(t.Context(), fmt.Sprint(i)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("another store has the user: %v", err)
			}
		}
		stores = append(stores, s)
	}
}
