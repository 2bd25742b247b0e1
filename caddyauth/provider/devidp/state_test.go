package devidp

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	start := time.Unix(1700000000, 0)
	tab := newTable[int](time.Minute, 3)
	if got := tab.put(start, "a", 1); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("expires %s", got)
	}
	tab.put(start.Add(time.Second), "b", 2)
	for _, c := range []struct {
		after time.Duration
		key   string
		want  bool
	}{
		{59 * time.Second, "a", true},
		{60 * time.Second, "a", false},
		{60 * time.Second, "b", true},
		{61 * time.Second, "b", false},
		{0, "c", false},
	} {
		if _, ok := tab.get(start.Add(c.after), c.key); ok != c.want {
			t.Errorf("%s after %s: %v", c.key, c.after, ok)
		}
	}
	t.Run("full", func(t *testing.T) {
		now := start.Add(2 * time.Second)
		tab.put(now, "c", 3)
		tab.put(now, "d", 4)
		if _, ok := tab.get(now, "a"); ok || len(tab.items) != 3 {
			t.Errorf("the oldest stayed, %d entries", len(tab.items))
		}
	})
	t.Run("swept", func(t *testing.T) {
		tab.put(start.Add(time.Hour), "e", 5)
		if len(tab.items) != 1 || tab.order.Len() != 1 {
			t.Errorf("%d entries, %d in order", len(tab.items), tab.order.Len())
		}
	})
	t.Run("dropped", func(t *testing.T) {
		tab.drop("e")
		tab.drop("e")
		if len(tab.items) != 0 || tab.order.Len() != 0 {
			t.Errorf("%d entries, %d in order", len(tab.items), tab.order.Len())
		}
	})
}

func TestStateIsBounded(t *testing.T) {
	s := newState(time.Now)
	for i := range 4 * maxEntries {
		r := &request{id: strconv.Itoa(i), tenant: "t"}
		s.addRequest(r)
		s.addGrant(r.id, r)
		s.addToken(r.id, r)
	}
	for name, n := range map[string]int{
		"requests": len(s.requests.items), "grants": len(s.grants.items), "tokens": len(s.tokens.items),
		"order of requests": s.requests.order.Len(), "order of grants": s.grants.order.Len(), "order of tokens": s.tokens.order.Len(),
	} {
		if n != maxEntries {
			t.Errorf("%s: %d", name, n)
		}
	}
}

func TestAuthorizeIsBounded(t *testing.T) {
	s := newSite(t)
	for range maxEntries + 10 {
		r := localRequest("127.0.0.1:1", "127.0.0.1:2")
		t0, ok := newTenant(s.issuer, "dev", "dev", defaultPersonas())
		if !ok {
			t.Fatal("no tenant")
		}
		u := mustParse(t, s.authorizeURL(nil))
		w := &recorder{header: make(http.Header)}
		s.idp.serve(w, r, t0, authorizePath, u.RawQuery)
		if w.status != http.StatusFound {
			t.Fatalf("status %d", w.status)
		}
	}
	if n := len(s.idp.storage.requests.items); n != maxEntries {
		t.Errorf("%d requests are kept", n)
	}
}

// One site must not use what another one's people were given.
func TestTenantsAreApart(t *testing.T) {
	s := newState(time.Now)
	r := &request{id: "r", tenant: "a"}
	s.addRequest(r)
	s.addGrant("c", r)
	s.addToken("t", r)
	if _, ok := s.request("b", "r"); ok {
		t.Error("request")
	}
	if _, ok := s.takeRequest("b", "r"); ok {
		t.Error("took the request")
	}
	if _, ok := s.redeem("b", "c"); ok {
		t.Error("code")
	}
	if _, ok := s.token("b", "t"); ok {
		t.Error("token")
	}
	if _, ok := s.redeem("a", "c"); !ok {
		t.Error("the stranger's attempt spent the code")
	}
	s.endTokens("b", "")
	if _, ok := s.token("a", "t"); !ok {
		t.Error("the stranger's sign-out ended the token")
	}
}

// Of many who redeem a code at the same moment one succeeds, and as the others
// are replays, even that one's token is gone in the end.
func TestRedeemRace(t *testing.T) {
	s := newState(time.Now)
	s.addGrant("c", &request{id: "r", tenant: "a"})
	var wg sync.WaitGroup
	var mu sync.Mutex
	redeemed := 0
	for range 16 {
		wg.Go(func() {
			r, ok := s.redeem("a", "c")
			if !ok {
				return
			}
			s.addToken("t", r)
			mu.Lock()
			defer mu.Unlock()
			redeemed++
		})
	}
	wg.Wait()
	if redeemed != 1 {
		t.Errorf("redeemed %d times", redeemed)
	}
	if _, ok := s.token("a", "t"); ok {
		t.Error("the token survived the replay")
	}
}
