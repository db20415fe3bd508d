// Package cookies has the state of cookies that all queues of a stack share: their keys, and the time in which they are
// accepted.
package cookies

import (
	"sync/atomic"
	"time"

	"minitcp/conn"
	"minitcp/conn/cookie"
)

// Rotating holds keys of type K, which are replaced when they are no longer valid. Secret and New must be set.
type Rotating[K any, P Valid[K]] struct {
	Secret *[32]byte
	New    func(secret *[32]byte, now conn.Time) P
	keys   atomic.Pointer[K]
}

// Valid is the constraint of keys.
type Valid[K any] interface {
	*K
	Valid(now conn.Time) bool // false for nil
}

// Set sets the keys, which are used while they are valid.
func (r *Rotating[K, P]) Set(keys P) { r.keys.Store(keys) }

// Now returns the keys for a time. Queues that replace old ones at the same time make equal ones.
func (r *Rotating[K, P]) Now(now conn.Time) P {
	k := P(r.keys.Load())
	if !k.Valid(now) {
		k = r.New(r.Secret, now)
		r.keys.Store(k)
	}
	return k
}

// Acceptance is the time in which SYN cookies are accepted: while one that has been sent may be valid. Outside of it,
// guesses are not examined: about one in 2^24 would be valid.
type Acceptance struct{ until atomic.Int64 } // a conn.Time

// Sent records that a cookie is sent now.
func (a *Acceptance) Sent(now conn.Time) {
	if until := now.Add(cookie.Lifetime); int64(until) > a.until.Load() {
		// One second more, so that queues under a flood do not write to the same memory with every SYN.
		a.until.Store(int64(until.Add(time.Second)))
	}
}

// Accepts reports whether cookies are accepted now.
func (a *Acceptance) Accepts(now conn.Time) bool { return int64(now) < a.until.Load() }
