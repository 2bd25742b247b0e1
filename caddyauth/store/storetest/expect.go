package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// ok ends the test if there is an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must takes what a method returned and ends the test if that is an error:
// must(s.User(ctx, id))(t).
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

// notFound takes what a method returned and wants ErrNotFound.
func notFound[T any](_ T, err error) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		is(t, err, store.ErrNotFound)
	}
}

// conflict takes what a method returned and wants ErrConflict.
func conflict[T any](_ T, err error) func(testing.TB) {
	return func(t testing.TB) {
		t.Helper()
		is(t, err, store.ErrConflict)
	}
}

// is wants an error. The two of the contract exclude each other.
func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	if errors.Is(err, store.ErrNotFound) && errors.Is(err, store.ErrConflict) {
		t.Fatalf("%v is both", err)
	}
}

// same wants two values to say the same: points in time to the millisecond,
// empty slices like nil ones.
func same(t testing.TB, got, want any) {
	t.Helper()
	if d := diff("", reflect.ValueOf(got), reflect.ValueOf(want)); d != "" {
		t.Fatalf("got what differs from what was kept:%s", d)
	}
}

func diff(name string, got, want reflect.Value) string {
	unlike := func(g, w any) string { return fmt.Sprintf("\n%s: got %s, want %s", name, short(g), short(w)) }
	g, w := got.Interface(), want.Interface()
	if reflect.TypeOf(g) != reflect.TypeOf(w) {
		return unlike(fmt.Sprintf("%T", g), fmt.Sprintf("%T", w))
	}
	switch got.Kind() {
	case reflect.Struct:
		if g, ok := g.(time.Time); ok {
			if w := w.(time.Time); g.IsZero() != w.IsZero() || g.UnixMilli() != w.UnixMilli() {
				return unlike(g, w)
			}
			return ""
		}
		var all string
		for i := range got.NumField() {
			all += diff(name+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i))
		}
		return all
	case reflect.Slice:
		if got.Type().Elem().Kind() == reflect.Uint8 {
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				return unlike(string(got.Bytes()), string(want.Bytes()))
			}
			return ""
		}
		if got.Len() != want.Len() {
			return unlike(g, w)
		}
		var all string
		for i := range got.Len() {
			all += diff(fmt.Sprintf("%s[%d]", name, i), got.Index(i), want.Index(i))
		}
		return all
	}
	if g != w {
		return unlike(g, w)
	}
	return ""
}

// short is a value for people.
func short(v any) string {
	s := fmt.Sprintf("%v", v)
	if str, ok := v.(string); ok {
		s = fmt.Sprintf("%q", str)
	}
	if len(s) > 200 {
		return fmt.Sprintf("%s... (%d bytes)", s[:200], len(s))
	}
	return s
}

// race calls f from n goroutines at once and returns what they got.
func race[T any](n int, f func(i int) (T, error)) ([]T, []error) {
	results, errs := make([]T, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			results[i], errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return results, errs
}

// oneWins calls f from many goroutines at once. One must succeed, all others
// must get the error.
func oneWins(t testing.TB, lost error, f func(i int) error) (winner int) {
	t.Helper()
	_, errs := race(contenders, func(i int) (any, error) { return nil, f(i) })
	winner = -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("both %d and %d of %d won", winner, i, contenders)
		case err == nil:
			winner = i
		case !errors.Is(err, lost):
			t.Fatalf("a loser got error %v, want %v", err, lost)
		}
	}
	if winner < 0 {
		t.Fatalf("none of %d won", contenders)
	}
	return winner
}

// within waits until cond holds.
func within(t testing.TB, d time.Duration, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(5 * time.Millisecond) {
		if cond() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, d)
		}
	}
}
