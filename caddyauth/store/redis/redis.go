package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// schemaVersion is that of the keys and what is in them.
const schemaVersion = 1

// errClosed is what all methods return after Close.
var errClosed = errors.New("redis: the store is closed")

// Options configures a Store.
type Options struct {
	// Log is warned if the server could lose what it acknowledged.
	// Default: nothing is logged.
	Log *zap.Logger
}

// Store is a store in Redis.
type Store struct {
	client redis.UniversalClient
	target target
	prefix string
	keys   [2]any // see run
	closed chan struct{}
	ending sync.Once
}

// Open connects to the server at a URL, which the package comment explains. It
// fails if the server does not answer, is a replica, or has a store of a newer
// version. No error contains a password.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	t, err := parseURL(url, func(s string) (string, error) { return s, nil })
	if err != nil {
		return nil, err
	}
	return open(ctx, t, opts)
}

func open(ctx context.Context, t target, opts Options) (*Store, error) {
	client, err := newClient(t)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client, target: t, prefix: t.keyPrefix(), closed: make(chan struct{})}
	s.keys = [2]any{s.prefix, s.prefix + "schema"}
	if err := s.begin(ctx, opts.Log); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// begin looks at what is there.
func (s *Store) begin(ctx context.Context, log *zap.Logger) error {
	v, err := s.eval(ctx, luaOpen, schemaVersion)
	if err != nil {
		return err
	}
	text, _ := v.(string)
	version, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return fmt.Errorf("redis: the key %sschema is not what it should be: another program may use the prefix", s.prefix)
	case version > schemaVersion:
		return fmt.Errorf("redis: the store has version %d, and this program knows none after %d: a newer one has used it", version, schemaVersion)
	}
	return s.inspect(ctx, log)
}

// Ping implements [store.Driver].
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.eval(ctx, luaPing)
	return err
}

const (
	// sweepStep is how many things one script removes. Redis does nothing else
	// meanwhile.
	sweepStep = 250
	// sweepSteps is how many scripts one call of Sweep runs: the next call goes on
	// where it ended.
	sweepSteps = 200
)

// Sweep implements [store.Driver]. It removes some 50,000 things at most.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	for range sweepSteps {
		n, err := s.eval(ctx, luaSweep, now.UnixMilli(), sweepStep)
		if err != nil || n != int64(sweepStep) {
			return err
		}
	}
	return nil
}

// Close implements [store.Driver]. It ends those that watch.
func (s *Store) Close() (err error) {
	s.ending.Do(func() {
		close(s.closed)
		err = s.client.Close()
	})
	return err
}

// Interface guards
var _ store.Driver = (*Store)(nil)
