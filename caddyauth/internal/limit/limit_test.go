package limit

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func take(l *Limiter, key string, n int) (allowed int) {
	for range n {
		if l.Allow(key) {
			allowed++
		}
	}
	return allowed
}

func TestBurstAndRefill(t *testing.T) {
	c := newClock()
	l := New(Rate{10, time.Minute}, 0, c.now)
	if got := take(l, "alice", 20); got != 10 {
		t.Fatalf("burst of %d, want 10", got)
	}
	if got := take(l, "bob", 1); got != 1 {
		t.Fatal("another key shares the bucket")
	}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{
		{5 * time.Second, 0}, // one event comes back every six seconds
		{time.Second, 1},
		{12 * time.Second, 2},
		{time.Hour, 10}, // never more than the burst
	} {
		c.t = c.t.Add(step.wait)
		if got := take(l, "alice", 20); got != step.want {
			t.Errorf("after %v: %d, want %d", step.wait, got, step.want)
		}
	}
}

func TestRefusedEventsCostNothing(t *testing.T) {
	c := newClock()
	l := New(Rate{1, time.Minute}, 0, c.now)
	take(l, "k", 1000)
	c.t = c.t.Add(time.Minute)
	if !l.Allow("k") {
		t.Error("a thousand refusals delayed the next event")
	}
}

func TestUnevenRates(t *testing.T) {
	for _, r := range []Rate{{3, 10}, {4, 10}, {7, time.Second}, {1, 1}, {1000, time.Hour}} {
		c := newClock()
		if got := take(New(r, 0, c.now), "k", 5000); got != r.N {
			t.Errorf("%v allows a burst of %d", r, got)
		}
	}
}

func TestNoRateAllowsEverything(t *testing.T) {
	for _, r := range []Rate{{}, {0, time.Minute}, {10, 0}, {-1, time.Minute}} {
		if got := take(New(r, 0, nil), "k", 100); got != 100 {
			t.Errorf("%v refused %d of 100", r, 100-got)
		}
	}
}

func TestClockGoingBackwards(t *testing.T) {
	c := newClock()
	l := New(Rate{2, time.Minute}, 0, c.now)
	take(l, "k", 2)
	c.t = c.t.Add(-time.Hour)
	if l.Allow("k") {
		t.Error("an empty bucket gave after the clock went back")
	}
}

// A wall clock that is corrected neither locks everybody out nor lets anybody in.
func TestWallClockSteps(t *testing.T) {
	for _, seconds := range []int64{-3600, 3600} {
		c := &clock{time.Now()}
		l := New(Rate{2, time.Minute}, 8, c.now)
		take(l, "k", 2)
		// The wall part of a time with a monotonic one, see package time.
		*(*int64)(unsafe.Pointer(&c.t)) += seconds << 30
		if l.Allow("k") {
			t.Errorf("a step of %d s filled the bucket", seconds)
		}
		c.t = c.t.Add(time.Minute)
		if !l.Allow("k") {
			t.Errorf("after a step of %d s nothing is allowed", seconds)
		}
	}
}

// A flood of made-up names must neither grow memory nor empty the memory of a
// name that has used up its attempts.
func TestFloodDoesNotForget(t *testing.T) {
	c := newClock()
	l := New(Rate{5, time.Minute}, 1024, c.now)
	take(l, "victim", 5)
	for i := range 100_000 {
		l.Allow(fmt.Sprint("made-up-", i))
	}
	if l.Allow("victim") {
		t.Error("the flood gave the victim's account new attempts")
	}
	if got := len(l.sets) * ways; got != 1024 {
		t.Errorf("%d buckets", got)
	}
}

// CVE-2026-45364 counted each spelling of an IPv6 address by itself.
func TestBRUTE03(t *testing.T) {
	t.Run("BRUTE-03 rate limit key aliases", func(t *testing.T) {
		for _, same := range [][]string{
			{"1.2.3.4", "::ffff:1.2.3.4"},
			{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:0db8:0001:0002::7"},
			{"fe80::1%eth0", "fe80::2%eth1"},
		} {
			for _, a := range same {
				if got, want := ClientKey(netip.MustParseAddr(a)), ClientKey(netip.MustParseAddr(same[0])); got != want {
					t.Errorf("%s is %s, but %s is %s", a, got, same[0], want)
				}
			}
		}
		distinct := map[string]string{}
		for _, a := range []string{"1.2.3.4", "1.2.3.5", "2001:db8:1:2::1", "2001:db8:1:3::1", "::1"} {
			k := ClientKey(netip.MustParseAddr(a))
			if other, ok := distinct[k]; ok {
				t.Errorf("%s and %s share the key %s", a, other, k)
			}
			distinct[k] = a
		}
		_ = ClientKey(netip.Addr{}) // no address must not panic
	})
}

func TestBRUTE04(t *testing.T) {
	t.Run("BRUTE-04 username canonicalization for lockout", func(t *testing.T) {
		for _, same := range [][]string{
			{"john", "John", "JOHN", "ｊｏｈｎ", "𝐣𝐨𝐡𝐧"},
			{"straße", "STRASSE", "strasse"},
			{"Zoë", "Zoe\u0308", "ZOE\u0308"},
			{"ﬁsh", "fish", "FISH"},
		} {
			for _, name := range same {
				if got, want := AccountKey(name), AccountKey(same[0]); got != want {
					t.Errorf("%q is %q, but %q is %q", name, got, same[0], want)
				}
			}
		}
		if AccountKey("john") == AccountKey("johan") {
			t.Error("two names, one key")
		}
		if got := len(AccountKey(strings.Repeat("x", 1<<20))); got > maxAccount {
			t.Errorf("a key of %d bytes", got)
		}
		_ = AccountKey("\xff\xfe" + strings.Repeat("é", 300)) // cut inside a rune
	})
}

func TestConcurrentUse(t *testing.T) {
	l := New(Rate{100, time.Hour}, 64, nil)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if l.Allow("k") {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := allowed.Load(); got != 100 {
		t.Errorf("%d of 800 allowed, want 100", got)
	}
}

func BenchmarkAllow(b *testing.B) {
	l := New(Rate{1 << 30, time.Minute}, 0, nil)
	b.ReportAllocs()
	for b.Loop() {
		l.Allow("203.0.113.7")
	}
}

func ExampleClientKey() {
	fmt.Println(ClientKey(netip.MustParseAddr("::ffff:203.0.113.7")))
	fmt.Println(ClientKey(netip.MustParseAddr("2001:db8:1:2:3:4:5:6")))
	// Output:
	// 203.0.113.7
	// 2001:db8:1:2::/64
}
