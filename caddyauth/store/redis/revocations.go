package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Revocations are numbered, and a message to a channel says that there is a new
// one. Who hears it reads those after the last that it has. Messages get lost, so
// everybody also reads now and then without having heard anything.

const (
	// listenStep is how many revocations one script reads.
	listenStep = 500
	// listenEvery is the longest time between two reads.
	listenEvery = 400 * time.Millisecond
)

// Revoke implements [store.Driver].
func (s *Store) Revoke(ctx context.Context, v store.Revocation) error {
	return s.do(ctx, luaRevoke, string(v.Kind)+":"+v.Key, millis(v.At)+" "+millis(v.Until), millis(v.Until))
}

// WatchRevocations implements [store.Driver].
func (s *Store) WatchRevocations(ctx context.Context, now time.Time, heard func(store.Revocation), synced func()) error {
	// First the messages, so that none is between them and what is read.
	news, broken, stop, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer stop()
	w := watch{store: s, now: now, heard: heard}
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		if err := w.read(ctx); err != nil {
			return err
		}
		synced()
		select {
		case <-news:
		case <-tick.C:
		case err := <-broken:
			return err
		case <-s.closed:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listen subscribes to the channel. News has something if there were messages
// since it was last read, broken the error that ended the subscription. In a
// Cluster the client subscribes at the node that has the channel's slot, which is
// the one that publishes.
func (s *Store) listen(ctx context.Context) (news chan struct{}, broken chan error, stop func(), err error) {
	sub := s.client.Subscribe(ctx, s.prefix+"revoked")
	if _, err := sub.ReceiveTimeout(ctx, timeout); err != nil {
		_ = sub.Close()
		return nil, nil, nil, s.explain(err)
	}
	news, broken = make(chan struct{}, 1), make(chan error, 1)
	go func() {
		defer close(broken)
		for {
			// Without a time limit: the reads find out whether the server is there.
			msg, err := sub.ReceiveTimeout(ctx, 0)
			if err != nil {
				broken <- s.explain(err)
				return
			}
			if _, ok := msg.(*redis.Message); !ok {
				continue
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	stop = func() {
		_ = sub.Close()
		for range broken { // the goroutine has ended when it is closed
		}
	}
	return news, broken, stop, nil
}

// watch is how far a watcher is.
type watch struct {
	store *Store
	now   time.Time
	heard func(store.Revocation)
	last  uint64 // number of the last one heard
}

// read tells of all revocations after the last.
func (w *watch) read(ctx context.Context) error {
	for {
		v, err := w.store.eval(ctx, luaRevocations, strconv.FormatUint(w.last, 10), listenStep)
		if err != nil {
			return err
		}
		found, err := parts(v, 2)
		if err != nil {
			return err
		}
		newest, err := number(found[0])
		if err != nil {
			return err
		}
		if newest < w.last {
			// The data are older than what was heard: lost, or restored from
			// elsewhere. What is there may have been unheard.
			w.last = 0
			continue
		}
		if err := w.tell(found[2:]); err != nil {
			return err
		}
		if found[1] != "" {
			if w.last, err = number(found[1]); err != nil {
				return err
			}
		}
		if len(found)-2 < 2*listenStep {
			return nil
		}
	}
}

// tell reports ids and times.
func (w *watch) tell(found []any) error {
	for i := 0; i+1 < len(found); i += 2 {
		id, _ := found[i].(string)
		times, _ := found[i+1].(string)
		kind, key, _ := strings.Cut(id, ":")
		first, second, ok := strings.Cut(times, " ")
		at, err := parseMillis(first)
		until, err2 := parseMillis(second)
		if !ok || err != nil || err2 != nil {
			return fmt.Errorf("%w: a revocation cannot be read", errReply)
		}
		if until.IsZero() || until.After(w.now) {
			w.heard(store.Revocation{Kind: store.RevocationKind(kind), Key: key, At: at, Until: until})
		}
	}
	return nil
}

func number(v any) (uint64, error) {
	s, _ := v.(string)
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errReply
	}
	return n, nil
}
