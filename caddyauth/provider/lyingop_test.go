package provider

import (
	"crypto/rand"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/lyingop"
)

// evilOP is an OP whose clock stands still, and which redeems any code, so that
// nothing but the client finds fault with what it says.
type evilOP struct {
	*lyingop.OP
	t testing.TB

	mu  sync.Mutex
	now time.Time // ours
}

const (
	evilClient = lyingop.ClientID
	evilNonce  = "the nonce"
	evilAccess = "the access token"
)

// theTime is the clock of these tests: fixed, and not the real one, so that
// nothing here works by looking at that.
var theTime = time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)

func newEvil(t testing.TB) *evilOP {
	t.Helper()
	op := &evilOP{OP: lyingop.New(t), t: t, now: theTime}
	op.ClientSecret, op.Nonce, op.Access = "", evilNonce, evilAccess
	op.Now = func() time.Time { return theTime }
	return op
}

func (op *evilOP) config() Config {
	return Config{Preset: "oidc", ID: "evil", Issuer: op.URL, ClientID: evilClient, ClientSecret: "the secret"}
}

// clock returns a settable clock that begins at theTime.
func (op *evilOP) clock() time.Time {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.now
}

func (op *evilOP) wait(d time.Duration) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.now = op.now.Add(d)
}

func (op *evilOP) provider(change func(*Config)) OAuth {
	op.t.Helper()
	cfg := op.config()
	if change != nil {
		change(&cfg)
	}
	return mustNew(op.t, cfg, Options{Now: op.clock})
}

func evilCallback() CallbackRequest {
	return CallbackRequest{
		Params: url.Values{"code": {"the code"}, "state": {"the state"}}, RedirectURI: testRedirect,
		CodeVerifier: (rand.Text() + rand.Text())[:43], Nonce: evilNonce, // another flow each time
	}
}

func (op *evilOP) exchange(p OAuth) (*Identity, error) {
	op.t.Helper()
	return p.Exchange(op.t.Context(), evilCallback())
}
