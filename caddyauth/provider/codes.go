package provider

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// codeAge is for how long a code that was sent is remembered: longer than any
	// is good for (RFC 6749, section 4.1.2, recommends ten minutes at most).
	codeAge = 15 * time.Minute
	// maxCodes bounds how many are.
	maxCodes = 8192
)

// spentCodes remembers which codes were sent to a token endpoint. A sign-in that
// failed after that can be opened again with the back button, and a client must
// not use a code twice (RFC 6749, section 4.1.2): a provider may take it for a
// theft and end what it granted. The zero value is ready.
type spentCodes struct {
	mu   sync.Mutex
	sent map[[sha256.Size]byte]time.Time
}

// spend reports whether a code is sent for the first time with what the flow has
// kept for it. Others may have seen the code, but not that, so that they cannot
// spend it for the person whose it is.
func (s *spentCodes) spend(endpoint string, r CallbackRequest, now time.Time) bool {
	key := sha256.Sum256([]byte(endpoint + "\x00" + r.Params.Get("code") + "\x00" + r.CodeVerifier + "\x00" + r.Nonce))
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.sent[key]; ok && now.Sub(at) < codeAge {
		return false
	}
	if len(s.sent) >= maxCodes {
		s.forget(now)
	}
	if s.sent == nil {
		s.sent = make(map[[sha256.Size]byte]time.Time)
	}
	s.sent[key] = now
	return true
}

// forget makes room: for want of old codes, any will do.
func (s *spentCodes) forget(now time.Time) {
	for key, at := range s.sent {
		if now.Sub(at) >= codeAge {
			delete(s.sent, key)
		}
	}
	for key := range s.sent {
		if len(s.sent) < maxCodes*3/4 {
			return
		}
		delete(s.sent, key)
	}
}
