package session

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// counting counts the sessions that are looked up.
type counting struct {
	store.Driver
	lookups atomic.Int32
}

func (c *counting) SessionByToken(ctx context.Context, token string) (store.SessionAndUser, error) {
	c.lookups.Add(1)
	return c.Driver.SessionByToken(ctx, token)
}

// What an access token began lasts as long as the token: it is in no store, and
// nothing of it is renewed by use.
func TestLeaseOfAccessToken(t *testing.T) {
	for name, database := range leaseStrategies {
		t.Run(name, func(t *testing.T) {
			l := newLeaseTest(t, Options{Database: database, Idle: 5 * time.Minute})
			counted := &counting{Driver: l.store.Driver}
			l.store.Driver = counted
			end := l.clock().Add(time.Hour).Truncate(time.Second)
			s, err := FromBearer(fmt.Sprintf(`{"sub":"ada","exp":%d,"caddyauth":{"sid":"bearer-1","provider":"op","account":"ada","login":"ada","since":%d}}`,
				end.Unix(), l.clock().UnixMilli()))
			if err != nil {
				t.Fatal(err)
			}
			lease := l.open(s)
			l.add(end.Sub(l.clock()) - time.Second)
			ticks(2 * ticksPerRow)
			if err := lease.Err(); err != nil {
				t.Errorf("ended before the token: %v", context.Cause(lease))
			}
			l.add(time.Second)
			ticks(2)
			if err := context.Cause(lease); !errors.Is(err, ErrExpired) {
				t.Errorf("after the token's end: %v", err)
			}
			if n := counted.lookups.Load(); n != 0 {
				t.Errorf("looked up %d times", n)
			}
		})
	}
}
