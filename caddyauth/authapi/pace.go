package authapi

import (
	"context"
	"crypto/rand"
	"math/big"
	"sync"
	"time"
)

// pace remembers how long mails took lately, so that what sends none can take as
// long: the time would tell which addresses may sign in (BRUTE-02).
type pace struct {
	mu   sync.Mutex
	last [16]time.Duration
	n    int
}

// untried is how long a mail is taken to need before the first was sent.
const untried = 300 * time.Millisecond

func (p *pace) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[p.n%len(p.last)] = d
	p.n++
}

// wait ends when what has begun then has taken as long as one of the last mails.
// The error is the context's.
func (p *pace) wait(ctx context.Context, begun time.Time) error {
	timer := time.NewTimer(p.pick() - time.Since(begun))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pace) pick() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := min(p.n, len(p.last))
	if known == 0 {
		return untried
	}
	i, err := rand.Int(rand.Reader, big.NewInt(int64(known)))
	if err != nil {
		return untried
	}
	return p.last[i.Int64()]
}
