package redis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// TestKilledServer kills the server while many write. All that was acknowledged
// is there when it runs again.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t, "appendfsync", "always")
	s, ctx := opened(t, server.URL), t.Context()
	u, err := s.CreateUser(ctx, store.User{Name: "Ada"})
	fatal(t, err)
	now := time.Now()
	for round := range 3 {
		var wg sync.WaitGroup
		kept := make([][]string, 8)
		for i := range kept {
			wg.Go(func() {
				for n := 0; ; n++ {
					id := fmt.Sprintf("%d-%d-%d", round, i, n)
					err := s.CreateSession(ctx, store.Session{ID: id, Token: "t" + id, UserID: u.ID, Created: now, Expires: now.Add(time.Hour)})
					if err != nil {
						return
					}
					kept[i] = append(kept[i], id)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		server.Kill()
		wg.Wait()
		server.Start()
		within(t, 5*time.Second, "the store works again", func() bool { return s.Ping(ctx) == nil })
		n := 0
		for _, ids := range kept {
			for _, id := range ids {
				if got, err := s.SessionByToken(ctx, "t"+id); err != nil || got.Session.ID != id {
					t.Fatalf("session %s was acknowledged: %v", id, err)
				}
			}
			n += len(ids)
		}
		if n == 0 {
			t.Fatal("nothing was written")
		}
		t.Logf("%d acknowledged, all there", n)
	}
}

// ttl is how long a key has left: -1 is for ever, -2 gone.
func ttl(t *testing.T, server *testdb.RedisServer, key string) time.Duration {
	t.Helper()
	n, err := strconv.ParseInt(server.Do("PTTL", "caddyauth:"+key), 10, 64)
	fatal(t, err)
	if n < 0 {
		return time.Duration(n)
	}
	return time.Duration(n) * time.Millisecond
}

func TestTimeToLive(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s, ctx := opened(t, server.URL), t.Context()
	u, err := s.CreateUser(ctx, store.User{Name: "Ada"})
	fatal(t, err)
	check := func(key string, want time.Duration) {
		t.Helper()
		if got := ttl(t, server, key); want < 0 && got != want || want >= 0 && (got > want || got < want-10*time.Second) {
			t.Errorf("%s is kept for %v, want %v", key, got, want)
		}
	}
	const day = 24 * time.Hour
	now := time.Now()
	for name, c := range map[string]struct {
		created, seen, expires time.Time
		want                   time.Duration
	}{
		"usual":          {now, now, now.Add(30 * day), 30*day + time.Hour},
		"only created":   {now, time.Time{}, now.Add(30 * day), 30*day + time.Hour},
		"no beginning":   {time.Time{}, time.Time{}, now.Add(30 * day), 30*day + time.Hour},
		"another clock":  {now.Add(9000 * day), now.Add(9000 * day), now.Add(9030 * day), 30*day + time.Hour},
		"old clock":      {time.Unix(9, 0), time.Unix(9, 0), time.Unix(9, 0).Add(day), day + time.Hour},
		"old, unknown":   {time.Time{}, time.Time{}, time.Unix(9, 0), 2 * time.Hour},
		"far, unknown":   {time.Time{}, time.Time{}, now.Add(9000 * day), 366*day + time.Hour},
		"already over":   {now, now, now.Add(-day), 2 * time.Hour},
		"short":          {now, now, now.Add(time.Minute), 2 * time.Hour},
		"thousand years": {now, now, now.AddDate(1000, 0, 0), 36600*day + time.Hour},
		"no end":         {now, now, time.Time{}, -1},
	} {
		fatal(t, s.CreateSession(ctx, store.Session{ID: name, Token: name, UserID: u.ID, Created: c.created, Seen: c.seen, Expires: c.expires}))
		check("session:"+name, c.want)
		check("session-token:"+name, c.want)
	}
	// The list lasts as long as the session that lasts longest.
	check("user-sessions:"+u.ID, -1)
	_, err = s.DeleteUserSessions(ctx, u.ID, "usual")
	fatal(t, err)
	fatal(t, s.DeleteSession(ctx, "usual"))
	check("user-sessions:"+u.ID, -2)

	v := store.Session{ID: "a", Token: "a", UserID: u.ID, Created: now, Seen: now, Expires: now.Add(2 * day)}
	fatal(t, s.CreateSession(ctx, v))
	v.ID, v.Token, v.Expires = "b", "b", now.Add(day)
	fatal(t, s.CreateSession(ctx, v))
	check("user-sessions:"+u.ID, 2*day+time.Hour)
	if ok, err := s.ExtendSession(ctx, "b", v.Expires, now.Add(5*day), now.Add(day)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	check("session:b", 4*day+time.Hour)
	check("session-token:b", 4*day+time.Hour)
	check("user-sessions:"+u.ID, 4*day+time.Hour)
	// Nearer, by an idle limit.
	if ok, err := s.ExtendSession(ctx, "b", now.Add(5*day), now.Add(day), now); !ok || err != nil {
		t.Fatal(ok, err)
	}
	check("session:b", day+time.Hour)
	check("user-sessions:"+u.ID, 4*day+time.Hour)

	fatal(t, s.CreateVerificationToken(ctx, store.VerificationToken{Identifier: "i", Token: "t", Expires: now.Add(day)}))
	check("link:1:i:t", day+time.Hour)
	if _, err := s.Lock(ctx, "l", "o", time.Minute); err != nil {
		t.Fatal(err)
	}
	check("lock:l", time.Minute)
	if _, err := s.Lock(ctx, "l", "o", 0); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, "a lock for no time ends", func() bool { return ttl(t, server, "lock:l") == -2 })
}

// left are the keys that are there, without those that a store always has.
func left(t *testing.T, c *redis.Client) (keys []string) {
	t.Helper()
	all, err := c.Keys(t.Context(), "*").Result()
	fatal(t, err)
	for _, key := range all {
		if key != "caddyauth:schema" && key != "caddyauth:revocation-number" {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestNothingIsLeft wants neither deleting nor sweeping to leave anything behind.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s, ctx, c := opened(t, server.URL), t.Context(), raw(t, server)
	now := time.Now()
	fill := func() (userID string) {
		t.Helper()
		u, err := s.CreateUserAndAccount(ctx, store.User{Email: "ada@example.com"}, store.Account{Provider: "p", ProviderAccountID: "1"})
		fatal(t, err)
		until := now.Add(time.Hour)
		fatal(t, s.CreateSession(ctx, store.Session{ID: "s", Token: "t", UserID: u.ID, Created: now, Expires: until}))
		fatal(t, s.CreateSession(ctx, store.Session{ID: "sealed", UserID: u.ID, Created: now, Expires: until}))
		fatal(t, s.CreateAuthenticator(ctx, store.Authenticator{CredentialID: "c", UserID: u.ID}))
		fatal(t, s.CreateToken(ctx, store.Token{ID: "p", Hash: "h", UserID: u.ID, Expires: until}))
		fatal(t, s.CreateVerificationToken(ctx, store.VerificationToken{Identifier: "i", Token: "t", Expires: until}))
		fatal(t, s.Revoke(ctx, store.Revocation{Kind: store.BySession, Key: "x", At: now, Until: until}))
		return u.ID
	}
	empty := func(after string) {
		t.Helper()
		if keys := left(t, c); len(keys) > 0 {
			t.Errorf("after %s there are %v", after, keys)
		}
	}

	id := fill()
	fatal(t, s.DeleteUser(ctx, id))
	_, err := s.UseVerificationToken(ctx, "i", "t")
	fatal(t, err)
	fatal(t, s.Sweep(ctx, now.Add(2*time.Hour)))
	empty("deleting the user")

	id = fill()
	fatal(t, s.Sweep(ctx, now.Add(time.Hour)))
	for _, key := range left(t, c) {
		if !strings.Contains(key, ":user:") && !strings.Contains(key, "account") && !strings.Contains(key, "authenticator") && !strings.Contains(key, "emails") {
			t.Errorf("%s was not swept", key)
		}
	}
	fatal(t, s.UnlinkAccount(ctx, "p", "1"))
	fatal(t, s.DeleteAuthenticator(ctx, id, "c"))
	fatal(t, s.DeleteUser(ctx, id))
	empty("sweeping and deleting one by one")

	// What Redis itself has removed goes off the lists when they are read, and
	// with the sweep.
	id = fill()
	gone := []string{"caddyauth:session:s", "caddyauth:session-token:t", "caddyauth:link:1:i:t"}
	fatal(t, c.Del(ctx, gone...).Err())
	list, err := s.ListSessions(ctx, store.SessionFilter{UserID: id}, now)
	if err != nil || len(list) != 1 || list[0].Session.ID != "sealed" {
		t.Errorf("the list is %v, %v", list, err)
	}
	if n := c.ZCard(ctx, "caddyauth:user-sessions:"+id).Val(); n != 1 {
		t.Errorf("%d sessions are on the user's list", n)
	}
	if list, err = s.ListSessions(ctx, store.SessionFilter{}, now); err != nil || len(list) != 1 {
		t.Errorf("the whole list is %v, %v", list, err)
	}
	if n := c.ZCard(ctx, "caddyauth:sessions").Val(); n != 1 {
		t.Errorf("%d sessions are on the list", n)
	}
	fatal(t, c.Del(ctx, "caddyauth:session:sealed").Err())
	if ids, err := s.DeleteUserSessions(ctx, id, ""); err != nil || len(ids) != 0 {
		t.Errorf("told of %v, %v", ids, err)
	}
	fatal(t, s.Sweep(ctx, now.Add(2*time.Hour)))
	fatal(t, s.DeleteUser(ctx, id))
	empty("the end of all that was left")
}

// TestSweepMany wants the sweep to go on until all is gone that is due.
func TestSweepMany(t *testing.T) {
	t.Parallel()
	server := testdb.Redis(t)
	s, ctx, c := opened(t, server.URL), t.Context(), raw(t, server)
	now := time.Now()
	const n = 3*sweepStep + 1
	for i := range n {
		until := now.Add(-time.Duration(i) * time.Second)
		fatal(t, s.CreateVerificationToken(ctx, store.VerificationToken{Identifier: "i", Token: fmt.Sprint(i), Expires: until}))
	}
	fatal(t, s.CreateVerificationToken(ctx, store.VerificationToken{Identifier: "i", Token: "later", Expires: now.Add(time.Millisecond)}))
	fatal(t, s.Sweep(ctx, now))
	if keys := left(t, c); len(keys) != 2 { // the last one, and when it is due
		t.Errorf("%d keys are left", len(keys))
	}
	if _, err := s.UseVerificationToken(ctx, "i", "0"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that was swept: %v", err)
	}
	if _, err := s.UseVerificationToken(ctx, "i", "later"); err != nil {
		t.Errorf("one that is not due: %v", err)
	}
}
