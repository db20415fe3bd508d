package stack

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"minitcp/conn"
)

// rateLimit rations replies to packets that belong to no connection: RSTs, and ICMP messages. Each destination, an IPv4
// address or an IPv6 network of 64 bits, has a budget of its own.
//
// A budget that all destinations share tells one of them about the replies to the others: an attacker who sends segments with
// another host's address, and counts the RSTs that its own segments get, learns whether that host has a connection here
// (CVE-2016-5696, CVE-2020-25705). So replies to one destination must not change what another one gets.
//
// The counts lie in a table of fixed size. A keyed hash gives each destination a count in each of four rows, and a reply is
// refused when all four have reached the limit. So one destination is refused for the replies to others only if those share
// all of its counts and use them up. Key, limit and length are random and new in each period of about a tenth of a second,
// so that a collision that was found is of no use afterwards.
type rateLimit struct {
	budget uint32    // replies to one destination in a period, at most
	period conn.Time // its mean length

	mu     sync.Mutex
	ends   conn.Time // when the period ends
	limit  uint32    // replies to one destination in this one
	seed   seed
	counts [limitRows][limitColumns]uint32
}

const (
	limitRows    = 4
	limitColumns = 1 << limitBits
	limitBits    = 10
	// limitPeriod is the mean length of a period, if that is long enough for one reply.
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
	for _, n := range counts { // a larger one counts other destinations' replies too
		if *n == least {
			*n++
		}
	}
	return true
}

// begin begins a period, with a limit of three quarters to all of the budget.
func (l *rateLimit) begin(now conn.Time) {
	l.counts = [limitRows][limitColumns]uint32{}
	l.seed = randomSeed()
	l.limit = l.budget - rand.Uint32N(l.budget/4+1)
	l.ends = now + l.period/2 + conn.Time(rand.Int64N(int64(l.period)))
}
