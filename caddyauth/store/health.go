package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

var errDown = errors.New("it has not answered lately")

const (
	// tolerated is how many failures in a row a store may have before it counts
	// as down.
	tolerated = 3
	// probeEvery is how often one call is let through to a store that is down.
	probeEvery = 250 * time.Millisecond
)

// health keeps requests from queueing at a store that does not answer. A call
// that finds the store well costs one atomic load.
type health struct {
	now  func() time.Time
	log  *zap.Logger
	told func(up bool)

	down atomic.Bool
	bad  atomic.Bool // something failed since the last answer

	mu       sync.Mutex
	failures int
	probe    time.Time // when the next call may try
}

// mayAsk reports whether a call should be made, and whether that is to find out
// how a store does that is down.
func (h *health) mayAsk() (may, probing bool) {
	if !h.down.Load() {
		return true, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	if now.Before(h.probe) {
		return false, false
	}
	h.probe = now.Add(probeEvery)
	return true, true
}

// answered notes that the store does its work.
func (h *health) answered() {
	if !h.bad.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = 0
	h.bad.Store(false)
	if h.down.Swap(false) {
		h.log.Info("the store answers again")
		h.tell(true)
	}
}

// abandoned lets another call find out in place of one that nobody waited for.
func (h *health) abandoned() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probe = time.Time{}
}

// failed notes that it does not.
func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bad.Store(true)
	h.failures++
	if h.failures < tolerated {
		return
	}
	h.probe = h.now().Add(probeEvery)
	if !h.down.Swap(true) {
		h.log.Error("the store does not answer: who needs it gets 503 until it does", zap.Error(err))
		h.tell(false)
	}
}

func (h *health) tell(up bool) {
	if h.told != nil {
		h.told(up)
	}
}
