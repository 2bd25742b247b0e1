package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func (s *suite) locks(t *testing.T) {
	lock := func(t *testing.T, name, owner string, ttl time.Duration, want bool) {
		t.Helper()
		if got := must(s.Lock(t.Context(), name, owner, ttl))(t); got != want {
			t.Fatalf("%s got %v, want %v", owner, got, want)
		}
	}

	t.Run("one owner", func(t *testing.T) {
		name := unique("lock")
		lock(t, name, "a", time.Minute, true)
		lock(t, name, "b", time.Minute, false)
		lock(t, name, "A", time.Minute, false)
		lock(t, name, "a", time.Minute, true)
		lock(t, name+" ", "b", time.Minute, true)
		lock(t, name, "b", time.Minute, false)
	})
	t.Run("its time", func(t *testing.T) {
		name, longer := unique("lock"), unique("lock")
		lock(t, name, "a", time.Second, true)
		lock(t, longer, "a", time.Second, true)
		lock(t, longer, "a", time.Minute, true)
		lock(t, name, "b", time.Minute, false)
		time.Sleep(1200 * time.Millisecond)
		lock(t, name, "b", time.Minute, true)
		lock(t, name, "a", time.Minute, false)
		lock(t, longer, "b", time.Minute, false)
		// Whoever comes too late must not take it away.
		ok(t, s.Unlock(t.Context(), name, "a"))
		lock(t, name, "a", time.Minute, false)
	})
	t.Run("given back", func(t *testing.T) {
		name := unique("lock")
		ok(t, s.Unlock(t.Context(), name, "a"))
		lock(t, name, "a", time.Minute, true)
		for _, owner := range []string{"b", "", "' OR 1=1", "%", "*"} {
			ok(t, s.Unlock(t.Context(), name, owner))
			lock(t, name, "b", time.Minute, false)
		}
		for range 2 {
			ok(t, s.Unlock(t.Context(), name, "a"))
		}
		lock(t, name, "b", time.Minute, true)
	})
	t.Run("one winner", func(t *testing.T) {
		for range 5 {
			name := unique("lock")
			won, errs := race(contenders, func(i int) (bool, error) {
				return s.Lock(t.Context(), name, unique("owner"), time.Minute)
			})
			ok(t, errors.Join(errs...))
			i := slices.Index(won, true)
			if i < 0 || slices.Contains(won[i+1:], true) {
				t.Fatalf("won: %v", won)
			}
		}
	})
	t.Run("one winner when its time is over", func(t *testing.T) {
		name := unique("lock")
		lock(t, name, "a", 50*time.Millisecond, true)
		time.Sleep(100 * time.Millisecond)
		won, errs := race(contenders, func(i int) (bool, error) {
			return s.Lock(t.Context(), name, unique("owner"), time.Minute)
		})
		ok(t, errors.Join(errs...))
		i := slices.Index(won, true)
		if i < 0 || slices.Contains(won[i+1:], true) {
			t.Fatalf("won: %v", won)
		}
	})
	t.Run("hostile names", func(t *testing.T) {
		for _, v := range hostile() {
			name := unique("lock") + v.text
			lock(t, name, v.text, time.Minute, true)
			lock(t, name, v.text+"b", time.Minute, false)
			ok(t, s.Unlock(t.Context(), name, v.text))
			lock(t, name, v.text+"b", time.Minute, true)
		}
	})
}
