package session

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// leaseTick is how often the sessions of requests that last are looked at.
	leaseTick = 500 * time.Millisecond

	// ticksToLast is how many ticks make a request one that lasts: those that are
	// through before never were looked at. A session that ends is noticed after one
	// and a half to two seconds at most, whenever the request began.
	ticksToLast = 4

	// ticksPerRow is how many ticks a row that was read is believed for, so that
	// the next reading comes within rowFresh.
	ticksPerRow = 3

	// rowsPerTick bounds how often stores are asked about connections: 200 times a
	// second. With more than 300 of them, a row that an application has deleted is
	// noticed later. What a caddyauth ends is not, as no row is needed for that.
	rowsPerTick = 100

	// ticksAlone is after how many ticks without any request that lasts nobody
	// looks any more, until the next one.
	ticksAlone = 10
)

// leases are the requests in the process that would like to know when their
// session ends. They outlive a reload, as the requests do.
type leases struct {
	watched atomic.Bool
	asking  atomic.Bool

	mu          sync.Mutex
	first, last *listener // in the order in which they began to listen
	tick        uint64
}

var lasting leases

// add lists a lease, unless its request is through already.
func (ls *leases) add(n *listener) {
	n.began = n.lease.manager.opts.Now()
	ls.mu.Lock()
	if n.lease.released.Load() {
		ls.mu.Unlock()
		return
	}
	n.born, n.asked = ls.tick, ls.tick
	n.listed = true
	if n.prev = ls.last; n.prev != nil {
		n.prev.next = n
	} else {
		ls.first = n
	}
	ls.last = n
	ls.mu.Unlock()
	if !ls.watched.Load() && ls.watched.CompareAndSwap(false, true) {
		go ls.watch()
	}
}

// remove takes a lease off the list. It reports whether it was there.
func (ls *leases) remove(n *listener) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !n.listed {
		return false
	}
	n.listed = false
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		ls.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		ls.last = n.prev
	}
	n.prev, n.next = nil, nil
	return true
}

// watch looks at what lasts for as long as there is something.
func (ls *leases) watch() {
	tick := time.NewTicker(leaseTick)
	defer tick.Stop()
	for alone := 0; ; {
		<-tick.C
		ls.sweep()
		if alone++; !ls.empty() {
			alone = 0
		}
		if alone < ticksAlone {
			continue
		}
		// Whoever is added from here on starts another watch. Whoever was added
		// just before has not, and may be seen by this one only.
		ls.watched.Store(false)
		if ls.empty() || !ls.watched.CompareAndSwap(false, true) {
			return
		}
		alone = 0
	}
}

func (ls *leases) empty() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.first == nil
}

// sweep ends what has outlived its session.
func (ls *leases) sweep() {
	var questions []question
	old, tick := ls.old()
	for _, n := range old {
		now := n.lease.manager.opts.Now()
		if err := n.lasts(now); err != nil {
			n.cut(n.session, err, now)
			continue
		}
		if due, urgent := n.due(tick, now); due || urgent {
			questions = append(questions, question{n, n.session, urgent})
		}
	}
	if len(questions) == 0 || !ls.asking.CompareAndSwap(false, true) {
		return
	}
	if len(questions) > rowsPerTick {
		slices.SortFunc(questions, question.compare)
		questions = questions[:rowsPerTick]
	}
	for _, q := range questions {
		q.listener.asked = tick
	}
	go func() {
		defer ls.asking.Store(false)
		ask(questions)
	}()
}

// old returns what has lasted, and counts a tick.
func (ls *leases) old() (old []*listener, tick uint64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.tick++
	for n := ls.first; n != nil && ls.tick-n.born >= ticksToLast; n = n.next {
		old = append(old, n)
	}
	return old, ls.tick
}

// question is one to a store, whether it still has a session.
type question struct {
	listener *listener
	session  *Session
	urgent   bool // it has expired, unless the store knows better
}

// compare puts what cannot wait first, and then what has waited longest.
func (q question) compare(other question) int {
	switch {
	case q.urgent && !other.urgent:
		return -1
	case other.urgent && !q.urgent:
		return 1
	}
	return cmp.Compare(q.listener.asked, other.listener.asked)
}

// ask asks stores for sessions, several at once. A store that does not answer
// ends nothing here: how long nobody may know who was signed out is [Ended]'s to
// say.
func ask(questions []question) {
	ctx, cancel := context.WithTimeout(context.Background(), rowFresh)
	defer cancel()
	queue := make(chan question)
	var workers sync.WaitGroup
	for range min(4, len(questions)) {
		workers.Go(func() {
			for q := range queue {
				n := q.listener
				s, err := n.lease.manager.again(ctx, q.session)
				switch {
				case err == nil:
					n.renewed.Store(s)
				case !errors.Is(err, ErrUnavailable):
					n.cut(q.session, err, n.lease.manager.opts.Now())
				}
			}
		})
	}
	for _, q := range questions {
		queue <- q
	}
	close(queue)
	workers.Wait()
}
