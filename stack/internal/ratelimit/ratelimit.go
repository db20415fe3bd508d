// Package ratelimit limits the replies to each destination, independently of those to others.
package ratelimit

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
)

// Limit limits replies to packets that belong to no connection: RSTs and ICMP messages. Each destination, an IPv4
// address or an IPv6 network of 64 bits, has a budget of its own.
//
// A budget shared by all destinations would leak information: an attacker who sends segments with another host's
// address, and counts the RSTs to segments of its own, would learn whether that host has a connection here
// (CVE-2016-5696, CVE-2020-25705). Replies to one destination must therefore not change the replies to another.
//
// The counts are in a table of fixed size. A keyed hash gives each destination a count in each of four rows, and a
// reply is refused when all four have reached the limit. Replies to others affect a destination only if they share and
// use up all of its counts. The key, the limit and the length are random and new in each period of about 0.1 s, so
// that a collision is of no use afterwards.
//
// There are several tables, each with a lock of its own, so that the queues rarely wait for each other. Another keyed
// hash assigns a table to each destination.
type Limit struct {
	budget uint32    // largest number of replies to one destination in a period
	period conn.Time // mean length of a period
	seed   flow.Seed // key of the hash that assigns the tables
	tables [tableCount]table
}

// table holds the counts of a part of the destinations.
type table struct {
	mu     sync.Mutex
	ends   conn.Time // end of the current period
	limit  uint32    // replies to one destination in the current period
	seed   flow.Seed
	counts [rows][columns]uint32
}

const (
	tableCount = 8
	rows       = 4
	columns    = 256
	// shortest is the least mean length of a period. A period is longer if otherwise it had no room for one reply.
	shortest = conn.Time(100 * time.Millisecond)
)

// New returns a limit of perSecond replies per second to each destination.
func New(perSecond int) *Limit {
	each := conn.Time(max(1, int64(time.Second)/int64(perSecond)))
	period := max(shortest, each)
	l := &Limit{budget: uint32(min(int64(period/each), 1<<31)), period: period, seed: flow.NewSeed()}
	for i := range l.tables {
		l.tables[i].ends = -1
	}
	return l
}

// Allow reports whether a reply may be sent to a destination, and counts it.
func (l *Limit) Allow(now conn.Time, to netip.Addr) bool {
	d := flow.AddressOf(to).Network()
	t := l.table(d)
	t.mu.Lock()
	defer t.mu.Unlock()
	if now >= t.ends {
		t.begin(now, l.budget, l.period)
	}
	return t.count(d)
}

// Current returns the number of replies to a destination in the current period, sent or not.
func (l *Limit) Current(to netip.Addr) int {
	t := l.table(flow.AddressOf(to).Network())
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.limit)
}

// table returns the table of a destination.
func (l *Limit) table(d flow.Address) *table { return &l.tables[d.Hash(&l.seed)%tableCount] }

// count reports whether the counts of a destination are below the limit, and adds a reply to them.
func (t *table) count(d flow.Address) bool {
	hash := d.Hash(&t.seed)
	var counts [rows]*uint32
	least := t.limit
	for row := range counts {
		counts[row] = &t.counts[row][hash>>(row*64/rows)%columns]
		least = min(least, *counts[row])
	}
	if least >= t.limit {
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
func (t *table) begin(now conn.Time, budget uint32, period conn.Time) {
	t.counts = [rows][columns]uint32{}
	t.seed = flow.NewSeed()
	t.limit = budget - rand.Uint32N(budget/4+1)
	t.ends = now + period/2 + conn.Time(rand.Int64N(int64(period)))
}
