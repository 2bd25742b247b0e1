package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Errors of a driver.
var (
	errBusy     = errors.New("busy")
	errGone     = errors.New("gone")
	errConflict = errors.New("conflict")
	errOrphan   = errors.New("orphan")
	errOther    = errors.New("other")
)

// lost counts what was told to Lost.
type lost struct{ gone, slow int }

func (l *lost) dialect() Dialect {
	return Dialect{
		Name: "test",
		Judge: func(err error) (Kind, string) {
			for kind, e := range map[Kind]error{Busy: errBusy, Gone: errGone, Conflict: errConflict, Orphan: errOrphan} {
				if errors.Is(err, e) {
					return kind, "in words"
				}
			}
			return Other, ""
		},
		Lost: func(timeout bool) {
			if timeout {
				l.slow++
			} else {
				l.gone++
			}
		},
	}
}

func TestTry(t *testing.T) {
	wrapped := fmt.Errorf("wrapped: %w", errGone)
	for name, tt := range map[string]struct {
		reads bool
		errs  []error // of each attempt; then it succeeds
		want  error
		calls int
		gone  int
	}{
		"success":            {errs: nil, calls: 1},
		"a dead read":        {reads: true, errs: []error{wrapped}, calls: 2, gone: 1},
		"two dead reads":     {reads: true, errs: []error{errGone, errGone}, want: errGone, calls: 2, gone: 2},
		"a dead write":       {errs: []error{errGone}, want: errGone, calls: 1, gone: 1},
		"busy":               {errs: []error{errBusy, errBusy, errBusy}, calls: 4},
		"busy and dead":      {reads: true, errs: []error{errBusy, errGone, errBusy}, calls: 4, gone: 1},
		"a conflict":         {errs: []error{errConflict}, want: store.ErrConflict, calls: 1},
		"an orphan":          {errs: []error{errOrphan}, want: store.ErrNotFound, calls: 1},
		"anything else":      {reads: true, errs: []error{errOther}, want: errOther, calls: 1},
		"nothing found":      {reads: true, errs: []error{store.ErrNotFound}, want: store.ErrNotFound, calls: 1},
		"what is no text":    {errs: []error{errNotText}, want: errNotText, calls: 1},
		"what cannot be had": {errs: []error{store.ErrConflict}, want: store.ErrConflict, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var l lost
			db := NewDB(nil, nil, l.dialect())
			calls := 0
			err := db.try(t.Context(), tt.reads, func(context.Context) error {
				calls++
				if calls <= len(tt.errs) {
					return tt.errs[calls-1]
				}
				return nil
			})
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if calls != tt.calls || l.gone != tt.gone || l.slow != 0 {
				t.Errorf("%d calls, lost %+v; want %d and %d", calls, l, tt.calls, tt.gone)
			}
		})
	}
}

// Somebody may be busy for good.
func TestPatience(t *testing.T) {
	db := NewDB(nil, nil, new(lost).dialect())
	started := time.Now()
	err := db.try(t.Context(), true, func(context.Context) error { return errBusy })
	if d := time.Since(started); d < patience || d > 2*patience {
		t.Errorf("it took %v", d)
	}
	if !errors.Is(err, errBusy) || err.Error() != "test: in words: busy" {
		t.Errorf("got %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	started = time.Now()
	err = db.try(ctx, true, func(context.Context) error { return errBusy })
	if d := time.Since(started); !errors.Is(err, context.DeadlineExceeded) || d > time.Second {
		t.Errorf("%v after %v", err, d)
	}
}

func TestTimeout(t *testing.T) {
	var l lost
	dialect := l.dialect()
	dialect.Timeout = 50 * time.Millisecond
	db := NewDB(nil, nil, dialect)
	// A driver says in its own words that it was interrupted.
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return errOther
	}
	err := db.try(t.Context(), true, wait)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errOther) || !strings.HasPrefix(err.Error(), "test: ") {
		t.Errorf("got %v", err)
	}
	if l.slow != 1 {
		t.Errorf("told of %d timeouts", l.slow)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.try(ctx, true, wait); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if l.slow != 1 {
		t.Error("told of a timeout, though somebody went away")
	}
}
