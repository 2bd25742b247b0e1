package provider

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// TOKEN-06: whatever went wrong after a code was sent, it is not sent again.
func TestCodesAreSentOnce(t *testing.T) {
	for name, lie := range map[string]func(op *evilOP){
		"honest":             func(*evilOP) {},
		"a wrong ID token":   func(op *evilOP) { op.Claims = lyingop.Set("iss", op.URL+"1") },
		"a wrong userinfo":   func(op *evilOP) { op.Person["sub"] = "another" },
		"the provider fails": func(op *evilOP) { op.Replace(lyingop.Token, fail(503)) },
	} {
		t.Run(name, func(t *testing.T) {
			op := newEvil(t)
			lie(op)
			cache := NewCache()
			cfg := op.config()
			cfg.Userinfo = "on"
			p := mustNew(t, cfg, Options{Now: op.clock, Cache: cache})
			cb := evilCallback()
			var used atomic.Int32
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := p.Exchange(t.Context(), cb); ReasonOf(err) == ReasonCodeUsed {
						used.Add(1)
					}
				})
			}
			all.Wait()
			after := mustNew(t, cfg, Options{Now: op.clock, Cache: cache}) // a reload
			if _, err := after.Exchange(t.Context(), cb); ReasonOf(err) != ReasonCodeUsed {
				t.Errorf("after a reload: %v", err)
			}
			if n := op.Count(lyingop.Token); n != 1 || used.Load() != 19 {
				t.Errorf("sent %d times, refused %d times", n, used.Load())
			}
			// With another verifier it is another flow, which its owner may not be kept from.
			other := evilCallback()
			other.Params = cb.Params
			_, _ = p.Exchange(t.Context(), other)
			if n := op.Count(lyingop.Token); n != 2 {
				t.Errorf("in another flow: sent %d times", n)
			}
		})
	}
}

func TestSpentCodesAreBounded(t *testing.T) {
	var s spentCodes
	now := theTime
	cb := evilCallback()
	for i := range 3 * maxCodes {
		cb.Params.Set("code", fmt.Sprint(i))
		if !s.spend("x", cb, now) {
			t.Fatalf("code %d is not new", i)
		}
		if s.spend("x", cb, now.Add(codeAge-time.Second)) {
			t.Fatalf("code %d is new again", i)
		}
		if len(s.sent) > maxCodes {
			t.Fatalf("%d codes are kept", len(s.sent))
		}
	}
	if !s.spend("x", cb, now.Add(codeAge)) {
		t.Error("a code is remembered for ever")
	}
}
