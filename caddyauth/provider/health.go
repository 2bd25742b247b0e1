package provider

import (
	"cmp"
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Health is a provider that remembers whether its identity provider answered.
type Health interface {
	Provider

	// Down reports the last failure while it still holds. It never waits.
	Down() (Outage, bool)

	// Warm begins discovery in the background if it has not been done, so that
	// a page that shows the provider's button learns of an outage. It never
	// waits, and does nothing while a failure is fresh.
	Warm()

	// State reports what is known of the identity provider. It never waits, and asks
	// nobody.
	State() State
}

// Outage is a failure to reach an identity provider.
type Outage struct {
	Reason Reason
	Since  time.Time
	// Retry is when the next attempt will be made, if somebody asks then.
	Retry time.Time
}

// Status is whether an identity provider answers.
type Status string

// The values of Status.
const (
	// StatusUnknown: nobody has asked yet, as discovery waits for the first sign-in.
	StatusUnknown Status = "unknown"
	// StatusUp: it answered the last call, if only to refuse it.
	StatusUp Status = "up"
	// StatusDown: it did not answer the last call, answered with a 5xx status or 429,
	// or its metadata or keys are unusable.
	StatusDown Status = "down"
)

// State is what calls to an identity provider have shown, whatever site of this
// process made them.
type State struct {
	// Host tells which one it is: the host, with the port, of the issuer or, of an
	// OAuth 2.0 server, of the token endpoint.
	Host   string
	Status Status
	// Since is when it became so, zero for StatusUnknown.
	Since time.Time
	// Reason is why it is down, empty otherwise.
	Reason Reason
	// Retry is when discovery will be attempted again at the earliest, zero if it is
	// not being held back.
	Retry time.Time
	// Discovered and Keys are when its metadata and its signing keys were last
	// fetched, zero if they were not.
	Discovered, Keys time.Time
	// Logout is what discovery says of signing out: "end_session",
	// "backchannel", "frontchannel", and each of the latter two with "_session" if
	// the session is named. Nil as long as nothing is known.
	Logout []string
}

// noteFor is how long a failed call puts a note on the button. Nobody asks again to
// find out whether it would still fail.
const noteFor = time.Minute

// part is what fails of an identity provider.
type part int

// The parts, the one that says most first.
const (
	metadataPart part = iota
	keysPart
	// callPart is what somebody waits for: the token endpoint, userinfo, pushed
	// requests.
	callPart
	parts
)

// health is what calls have shown of one identity provider. The zero value knows
// nothing.
type health struct {
	mu     sync.Mutex
	known  bool
	broken [parts]Reason // empty: it works
	since  time.Time     // of the present status
	failed time.Time     // callPart, last
}

// saw takes note of how a part fails, or that it does not. A call that comes to its
// end has had all it needed. It returns what was known before.
func (h *health) saw(of part, reason Reason, now time.Time) (was, is State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was = h.state()
	switch {
	case reason != "":
		h.broken[of] = reason
	case of == callPart:
		h.broken = [parts]Reason{}
	default:
		h.broken[of] = ""
	}
	if reason != "" && of == callPart {
		h.failed = now
	}
	h.known = true
	is = h.state()
	if is.Status != was.Status {
		h.since, is.Since = now, now
	}
	return was, is
}

// state is called with the lock held.
func (h *health) state() State {
	if !h.known {
		return State{Status: StatusUnknown}
	}
	s := State{Status: StatusUp, Since: h.since, Reason: cmp.Or(h.broken[:]...)}
	if s.Reason != "" {
		s.Status = StatusDown
	}
	return s
}

func (h *health) get() (s State, failed time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state(), h.failed
}

// observe takes note of what a call has come to that somebody waits for, which is
// made with metadata at hand. Whatever the answer is about, it is one.
func (p *oauthProvider) observe(err error) {
	switch reason := ReasonOf(err); reason {
	case ReasonClientGone, ReasonKeys: // nobody knows; fetching the keys is observed by itself
	case ReasonUnavailable:
		p.saw(callPart, reason, err)
	default:
		p.saw(callPart, "", nil)
	}
}

// observeFetch takes note of an attempt to fetch a document, in whose place an older
// one may do.
func (p *oauthProvider) observeFetch(of part, otherwise Reason, err error) {
	if err == nil {
		p.saw(of, "", nil)
		return
	}
	p.saw(of, failure(context.Background(), otherwise, err).Reason, err)
}

// saw tells operators when an identity provider is down, and when it is up again.
func (p *oauthProvider) saw(of part, reason Reason, err error) {
	now := p.now()
	was, is := p.cache.healthOf(p.healthKey()).saw(of, reason, now)
	switch {
	case is.Status == was.Status:
	case is.Status == StatusDown:
		p.log.Warn("an identity provider does not answer as it should", zap.String("provider", p.info.ID),
			zap.String("reason", string(is.Reason)), zap.Error(err))
	case was.Status == StatusDown:
		p.log.Info("an identity provider answers again", zap.String("provider", p.info.ID), zap.Duration("after", now.Sub(was.Since)))
	}
}

// healthKey is what is the same for all providers that ask the same endpoints.
func (p *oauthProvider) healthKey() string {
	if p.preset.oidc {
		return p.discoveryKey()
	}
	return p.static.token
}

// discovers reports whether anything has to be discovered.
func (p *oauthProvider) discovers() bool { return p.preset.oidc && !p.selfContained() }

// Down implements [Health]. A failure of discovery holds until the next attempt is
// due, unless there is metadata from before, and one of another call for a minute.
func (p *oauthProvider) Down() (Outage, bool) {
	now := p.now()
	if p.discovers() {
		if since, retry, err := p.discovered().down(now); err != nil {
			return Outage{Reason: failure(context.Background(), ReasonDiscovery, err).Reason, Since: since, Retry: retry}, true
		}
	}
	s, failed := p.cache.healthOf(p.healthKey()).get()
	if s.Status != StatusDown || now.Sub(failed) >= noteFor {
		return Outage{}, false
	}
	return Outage{Reason: s.Reason, Since: s.Since, Retry: now}, true
}

// Warm implements [Health].
func (p *oauthProvider) Warm() {
	if p.discovers() {
		p.discovered().warm(p.discovery())
	}
}

// State implements [Health].
func (p *oauthProvider) State() State {
	s, _ := p.cache.healthOf(p.healthKey()).get()
	s.Host = hostOf(cmp.Or(p.cfg.Issuer, p.static.token))
	jwks := p.static.jwks
	if p.discovers() {
		m, fetched, retry := p.discovered().peek(p.now())
		s.Discovered, s.Retry = fetched, retry
		if m != nil {
			jwks, s.Logout = cmp.Or(jwks, m.jwks), m.logout()
		}
	}
	if jwks != "" {
		_, s.Keys, _ = p.cache.forJWKS(jwks).peek(p.now())
	}
	return s
}

// discovered is the cache of the metadata.
func (p *oauthProvider) discovered() *cached[*metadata] {
	return p.cache.forIssuer(p.discoveryKey())
}
