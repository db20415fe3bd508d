package stack

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"minitcp/conn"
)

// rateLimit limits replies to packets that belong to no connection: RSTs and ICMP messages. Each destination, an IPv4
// address or an IPv6 network of 64 bits, has a budget of its own.
//
// A budget shared by all destinations would leak information: an attacker who sends segments with another host's
// address, and counts the RSTs to segments of its own, would learn whether that host has a connection here
// (CVE-2016-5696, CVE-2020-25705). Replies to one destination must therefore not change the replies to another.
//
// The counts are in a table of fixed size. A keyed hash gives each destination a count in each of four rows, and a reply
// is refused when all four have reached the limit. Replies to others affect a destination only if they share and use up
// all of its counts. The key, the limit and the length are random and new in each period of about 0.1 s, so that a
// collision is of no use afterwards.
type rateLimit struct {
	budget uint32    // largest number of replies to one destination in a period
	period conn.Time // mean length of a period

	mu     sync.Mutex
	ends   conn.Time // end of the current period
	limit  uint32    // replies to one destination in the current period
	seed   seed
	counts [limitRows][limitColumns]uint32
}

const (
	limitRows    = 4
	limitColumns = 1 << limitBits
	limitBits    = 10
	// limitPeriod is the mean length of a period, if it has room for one reply.
	limitPeriod = conn.Time(100 * time.Millisecond)
)

// newRateLimit returns a limit of perSecond replies per second to each destination.
func newRateLimit(perSecond int) *rateLimit {
	each := conn.Time(max(1, int64(time.Second)/int64(perSecond)))
	period := max(limitPeriod, each)
	return &rateLimit{budget: uint32(min(int64(period/each), 1<<31)), period: period, ends: -1}
}

// allow reports whether a reply may be sent to a destination, and counts it.
func (l *rateLimit) allow(now conn.Time, to netip.Addr) bool {
	a := addressOf(to)
	if !a.is4() {
		a.lo = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now >= l.ends {
		l.begin(now)
	}
	hash := fold(fold(a.hi^l.seed[0], a.lo^l.seed[1])^l.seed[2], l.seed[1]|1)
	var counts [limitRows]*uint32
	least := l.limit
	for row := range counts {
		counts[row] = &l.counts[row][hash>>(row*64/limitRows)%limitColumns]
		least = min(least, *counts[row])
	}
	if least >= l.limit {
		return false
	}
	for _, n := range counts { // a larger count includes replies to other destinations
		if *n == least {
			*n++
		}
	}
	return true
}

// begin begins a period. Its limit is three quarters to all of the budget.
func (l *rateLimit) begin(now conn.Time) {
	l.counts = [limitRows][limitColumns]uint32{}
	l.seed = randomSeed()
	l.limit = l.budget - rand.Uint32N(l.budget/4+1)
	l.ends = now + l.period/2 + conn.Time(rand.Int64N(int64(l.period)))
}
