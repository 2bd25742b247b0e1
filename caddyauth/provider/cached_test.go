package provider

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCachedPanicIsAnError(t *testing.T) {
	c := new(cached[int])
	_, err := c.get(t.Context(), fetcher[int]{now: time.Now, timeout: time.Second, fetch: func(context.Context) (int, error) { panic("hostile") }})
	if err == nil || !strings.Contains(err.Error(), "unreadable") {
		t.Error(err)
	}
}

// A stale document is at hand, so nobody waits long for a new one.
func TestCachedStaleWhileRefreshing(t *testing.T) {
	now := theTime
	release := make(chan struct{})
	calls := make(chan int, 10)
	n := 0
	f := fetcher[int]{now: func() time.Time { return now }, timeout: time.Minute, fetch: func(ctx context.Context) (int, error) {
		n++
		calls <- n
		if n > 1 {
			<-release
		}
		return n, nil
	}}
	c := new(cached[int])
	if v, err := c.get(t.Context(), f); v != 1 || err != nil {
		t.Fatal(v, err)
	}
	now = now.Add(freshFor + time.Second)
	began := time.Now()
	if v, err := c.get(t.Context(), f); v != 1 || err != nil {
		t.Error(v, err)
	}
	if took := time.Since(began); took > 2*patience {
		t.Errorf("waited %v", took)
	}
	<-calls
	<-calls
	close(release)
	for range 200 {
		if v, _ := c.get(t.Context(), f); v == 2 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the new document never came")
}

func TestCachedBackoff(t *testing.T) {
	now := theTime
	fail := errors.New("down")
	attempts := 0
	f := fetcher[int]{now: func() time.Time { return now }, timeout: time.Second, fetch: func(context.Context) (int, error) { attempts++; return 0, fail }}
	c := new(cached[int])
	for i, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		_, err := c.get(t.Context(), f)
		var b *backoffError
		if !errors.As(err, &b) || !errors.Is(err, fail) || b.wait != wait*time.Second {
			t.Fatalf("attempt %d: %v, wait %v", i, err, b)
		}
		now = now.Add(wait*time.Second - 1)
		if _, err := c.refetch(t.Context(), f, refetchFloor); !errors.Is(err, fail) || attempts != i+1 {
			t.Fatalf("attempt %d: tried again too soon", i)
		}
		now = now.Add(1)
	}
}
