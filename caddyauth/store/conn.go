package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// ErrUnavailable means that the store could not be asked, or did not answer in
// time. What was to be done may have been done or not.
var ErrUnavailable = errors.New("store: unavailable")

// Options configures a Conn.
type Options struct {
	// Open opens the store. It is called when the store is first needed, again
	// after it failed, and never twice at a time. Required.
	Open func(context.Context) (Driver, error)

	// Timeout is how long one call may take, waiting for its turn included.
	// Default: 2 seconds.
	Timeout time.Duration

	// OpenTimeout is how long opening may take. Default: 10 seconds.
	OpenTimeout time.Duration

	// Concurrency is how many calls may be under way at a time. Default: 64.
	Concurrency int

	// Health is told whenever the store stops or starts to answer. It must not
	// wait. Default: nobody is told.
	Health func(up bool)

	// Failed is told of every call that failed. It must not wait. Default: nobody
	// is told.
	Failed func()

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log gets one line when the store stops to answer, and one when it does so
	// again. Default: nothing is logged.
	Log *zap.Logger
}

// Conn is a Driver that is opened when it is needed and never waited for long:
// while the store does not answer, calls fail with ErrUnavailable, most of them
// at once. It recovers by itself.
type Conn struct {
	opts  Options
	slots chan struct{}

	mu      sync.Mutex
	driver  Driver
	opening chan struct{} // closed when an attempt to open is over; nil if none is
	openErr error         // of the last attempt
	pause   time.Duration // before the next one
	retry   time.Time     // when it may be made
	closed  bool

	health health
}

// NewConn returns a Conn. It opens nothing.
func NewConn(opts Options) *Conn {
	if opts.Timeout <= 0 {
		opts.Timeout = 2 * time.Second
	}
	if opts.OpenTimeout <= 0 {
		opts.OpenTimeout = 10 * time.Second
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 64
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	return &Conn{
		opts: opts, slots: make(chan struct{}, opts.Concurrency),
		health: health{now: opts.Now, log: opts.Log, told: opts.Health},
	}
}

// The time between attempts to open a store doubles from the first to the second.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Second
)

var errClosed = errors.New("closed")

// get returns the driver, opening it if need be. Opening goes on when the caller
// has gone, for the benefit of the next one.
func (c *Conn) get(ctx context.Context) (Driver, error) {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return nil, errClosed
	case c.driver != nil:
		defer c.mu.Unlock()
		return c.driver, nil
	case c.opening == nil && c.opts.Now().Before(c.retry):
		defer c.mu.Unlock()
		return nil, c.openErr
	case c.opening == nil:
		c.opening = make(chan struct{})
		go c.open()
	}
	opening := c.opening
	c.mu.Unlock()

	select {
	case <-opening:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errClosed
	case c.driver == nil:
		return nil, c.openErr
	}
	return c.driver, nil
}

// open makes one attempt to open the driver.
func (c *Conn) open() {
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.OpenTimeout)
	defer cancel()
	d, err := c.opts.Open(ctx)

	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.opening)
	c.opening = nil
	if err != nil {
		c.openErr = fmt.Errorf("opening: %w", err)
		c.pause = min(max(2*c.pause, firstPause), lastPause)
		c.retry = c.opts.Now().Add(c.pause)
		return
	}
	if c.closed {
		_ = d.Close() // nobody is left to tell
		return
	}
	c.driver = d
}

// Close closes the driver, if it was opened. No call works after it.
func (c *Conn) Close() error {
	c.mu.Lock()
	d := c.driver
	c.driver, c.closed = nil, true
	c.mu.Unlock()
	if d == nil {
		return nil
	}
	return d.Close() // may wait for calls under way
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// call asks the driver, within the bounds of time and number.
func (c *Conn) call(ctx context.Context, ask func(context.Context, Driver) error) error {
	may, probing := c.health.mayAsk()
	if !may {
		return fmt.Errorf("%w: %w", ErrUnavailable, errDown)
	}
	bounded, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	err := c.ask(bounded, ask)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict):
		c.health.answered()
		return err
	case ctx.Err() != nil, errors.Is(err, errBusy):
		// The caller has gone, or never got its turn, which says nothing about the
		// store.
		if probing {
			c.health.abandoned()
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case c.isClosed():
		// Nor does it if the operator wanted it so.
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	c.health.failed(err)
	if c.opts.Failed != nil {
		c.opts.Failed()
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func (c *Conn) ask(ctx context.Context, ask func(context.Context, Driver) error) error {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errBusy, ctx.Err())
	}
	defer func() { <-c.slots }()
	d, err := c.get(ctx)
	if err != nil {
		return err
	}
	return ask(ctx, d)
}

var errBusy = errors.New("too many calls are under way")

// result is call for methods that return something.
func result[T any](c *Conn, ctx context.Context, ask func(context.Context, Driver) (T, error)) (T, error) {
	var v T
	err := c.call(ctx, func(ctx context.Context, d Driver) (err error) {
		v, err = ask(ctx, d)
		return err
	})
	return v, err
}
