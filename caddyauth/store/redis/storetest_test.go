package redis

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

var prefixes atomic.Int64

// fresh adds a prefix that nothing else has to a URL.
func fresh(url string) string { return fmt.Sprintf("%s?prefix=test%d:", url, prefixes.Add(1)) }

// opened opens a store, which the end of the test closes.
func opened(t testing.TB, url string) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := Open(ctx, url, Options{})
	fatal(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// raw is a connection to a server for looking behind the store.
func raw(t testing.TB, server *testdb.RedisServer) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(server.URL, "redis://")})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within waits until cond holds.
func within(t testing.TB, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// rights are those that the package comment asks for.
var rights = []any{"on", ">p@ss/w:o?r#d", "~test*", "~{test*", "&test*", "&{test*", "+@all", "-@dangerous", "+info"}

// userinfo is who has them.
const userinfo = "caddyauth:p@ss/w:o?r#d@"

func grant(server *testdb.RedisServer) {
	server.Do(append([]any{"ACL", "SETUSER", "caddyauth"}, rights...)...)
}

type outages = map[string]func(t *testing.T) (store.Driver, func(), func())

// suite holds the driver to the contract, with a server that has a URL.
func suite(t *testing.T, url string, outages outages) {
	storetest.Run(t, func(t *testing.T) store.Driver { return opened(t, fresh(url)) }, storetest.Options{
		Shared: func(t *testing.T) (a, b store.Driver) {
			u := fresh(url)
			return opened(t, u), opened(t, u)
		},
		Reopen: func(t *testing.T, d store.Driver) store.Driver {
			s := d.(*Store)
			fatal(t, s.Close())
			return opened(t, fmt.Sprintf("%s?prefix=%s", url, s.target.prefix))
		},
		Outages: outages,
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	alone := func(end, begin func(*testdb.RedisServer)) func(t *testing.T) (store.Driver, func(), func()) {
		return func(t *testing.T) (store.Driver, func(), func()) {
			server := testdb.Redis(t, "appendfsync", "always")
			return opened(t, server.URL), func() { end(server) }, func() { begin(server) }
		}
	}
	server := testdb.Redis(t)
	grant(server)
	suite(t, strings.Replace(server.URL, "://", "://"+userinfo, 1), outages{
		"stopped": alone((*testdb.RedisServer).Stop, (*testdb.RedisServer).Start),
		"killed":  alone((*testdb.RedisServer).Kill, (*testdb.RedisServer).Start),
		"hanging": alone((*testdb.RedisServer).Pause, (*testdb.RedisServer).Resume),
	})
}

func TestContractInCluster(t *testing.T) {
	t.Parallel()
	c := testdb.StartRedisCluster(t, false)
	for _, server := range c.Masters {
		refused(t, server.URL, "the server is part of a cluster, whose URL begins with redis+cluster://")
		grant(server)
	}
	suite(t, strings.Replace(c.URL, "://", "://"+userinfo, 1), outages{
		"killed": func(t *testing.T) (store.Driver, func(), func()) {
			c := testdb.StartRedisCluster(t, false, "appendfsync", "always")
			s := opened(t, c.URL)
			master, _ := c.Owner(s.prefix)
			return s, master.Kill, master.Start
		},
	})
}
