package provider

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// How long fetched documents are used, and how failures are spaced.
const (
	// freshFor is how long a document is used without asking again.
	freshFor = time.Hour
	// staleFor is how long it is used while its endpoint fails.
	staleFor = 24 * time.Hour
	// patience is how long a caller waits for a new document while it has a
	// stale one.
	patience = 2 * time.Second
	// refetchFloor is the least time between two fetches of the same document
	// that a caller can force: an unknown key id costs at most this many. The
	// first one need not wait: keys may change right after they were fetched.
	refetchFloor = 10 * time.Second
	// Failures are remembered for backoffMin, doubled each time up to backoffMax.
	backoffMin = time.Second
	backoffMax = time.Minute
)

// cached is a remote document: fetched when first needed, by one goroutine
// however many wait, kept while its endpoint is down, and not asked for again
// right after a failure. The zero value is ready.
type cached[T any] struct {
	mu       sync.Mutex
	value    T
	fetched  time.Time // when value arrived, zero if there is none
	forced   time.Time // when a caller last forced a fetch, zero if none has
	expired  bool      // value is to be fetched anew although it is young
	err      error     // of the last attempt
	since    time.Time // first failure of the present outage
	retry    time.Time // no attempt before this
	failures int
	flight   chan struct{} // closed when the attempt under way ends
}

// fetcher is how one provider gets the document: with its own HTTP client and
// clock, though the document itself is shared.
type fetcher[T any] struct {
	now     func() time.Time
	timeout time.Duration
	fetch   func(ctx context.Context) (T, error)
}

// get returns the document, fetching it if there is none that is fresh.
func (c *cached[T]) get(ctx context.Context, f fetcher[T]) (T, error) {
	c.mu.Lock()
	age := f.now().Sub(c.fetched)
	have := !c.fetched.IsZero() && age < staleFor
	if have && age < freshFor && !c.expired {
		defer c.mu.Unlock()
		return c.value, nil
	}
	flight := c.start(f)
	c.mu.Unlock()

	if flight != nil {
		if err := await(ctx, flight, have); err != nil {
			var zero T
			return zero, err
		}
	}
	return c.result(f.now())
}

// refetch returns a document newer than the one that lacked something, or the
// same one if the floor, the least time since somebody forced a fetch, or an outage
// forbids to ask.
func (c *cached[T]) refetch(ctx context.Context, f fetcher[T], floor time.Duration) (T, error) {
	c.mu.Lock()
	var flight chan struct{}
	if now := f.now(); c.flight != nil || now.Sub(c.forced) >= floor {
		if flight = c.start(f); flight != nil {
			c.forced = now
		}
	}
	c.mu.Unlock()
	if flight != nil {
		if err := await(ctx, flight, false); err != nil {
			var zero T
			return zero, err
		}
	}
	return c.result(f.now())
}

// expire makes the next get fetch the document anew.
func (c *cached[T]) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expired = true
}

// warm begins to fetch the document if there is none, and does not wait.
func (c *cached[T]) warm(f fetcher[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetched.IsZero() {
		c.start(f)
	}
}

// down returns the failure that keeps the document away: one that is fresh and
// not bridged by a stale document. It is nil if there is none.
func (c *cached[T]) down(now time.Time) (since, retry time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := !c.fetched.IsZero() && now.Sub(c.fetched) < staleFor
	if c.err == nil || have || !now.Before(c.retry) {
		return time.Time{}, time.Time{}, nil
	}
	return c.since, c.retry, c.err
}

// peek returns the document as it is, however old, and when it was fetched, zero if
// there is none; and when the next attempt may be made, zero if any time.
func (c *cached[T]) peek(now time.Time) (value T, fetched, retry time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.retry) {
		retry = c.retry
	}
	return c.value, c.fetched, retry
}

// result is called after an attempt, or when none was allowed.
func (c *cached[T]) result(now time.Time) (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fetched.IsZero() && now.Sub(c.fetched) < staleFor {
		return c.value, nil
	}
	var zero T
	if c.err == nil {
		return zero, context.DeadlineExceeded
	}
	return zero, &backoffError{err: c.err, wait: c.retry.Sub(now)}
}

// start begins an attempt unless one is under way, whose channel it returns, or
// a failure is too fresh, when it returns nil. The attempt runs apart from the
// caller, who may go away while others wait for the same document.
func (c *cached[T]) start(f fetcher[T]) chan struct{} {
	if c.flight != nil {
		return c.flight
	}
	if f.now().Before(c.retry) {
		return nil
	}
	flight := make(chan struct{})
	c.flight = flight
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
		defer cancel()
		value, err := guarded(ctx, f.fetch)
		c.finish(value, err, f.now())
		close(flight)
	}()
	return flight
}

func (c *cached[T]) finish(value T, err error, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight, c.err = nil, err
	if err == nil {
		c.value, c.fetched, c.expired = value, now, false
		c.failures, c.retry, c.since = 0, time.Time{}, time.Time{}
		return
	}
	if c.failures == 0 {
		c.since = now
	}
	wait := min(backoffMin<<min(c.failures, 10), backoffMax)
	c.failures++
	c.retry = now.Add(wait)
}

// guarded keeps a parser's panic over a hostile document from ending the
// process: nothing above this goroutine would catch it.
func guarded[T any](ctx context.Context, fetch func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("unreadable document: %v", r)
		}
	}()
	return fetch(ctx)
}

// await waits for an attempt, no longer than patience if there is something to
// fall back to.
func await(ctx context.Context, flight <-chan struct{}, fallback bool) error {
	var enough <-chan time.Time
	if fallback {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-flight:
		return nil
	case <-enough:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// backoffError is a failure that is remembered, and for how long.
type backoffError struct {
	err  error
	wait time.Duration
}

func (e *backoffError) Error() string { return e.err.Error() }
func (e *backoffError) Unwrap() error { return e.err }
