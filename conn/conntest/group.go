package conntest

import (
	"errors"
	"time"

	"minitcp/conn"
)

// Group is a set of pairs with a common clock.
type Group []*Pair

// Share makes all pairs use one queue and line in each direction, those of the first pair. Each pair keeps its own
// delay and loss, as connections to different places do. The rates, queues and disciplines of the links should be
// equal.
func (g Group) Share() {
	for _, p := range g {
		p.A.direction, p.B.direction = g[0].A.direction, g[0].B.direction
	}
}

// Step calls [Pair.Step] for all pairs of the group.
func (g Group) Step() bool {
	next := conn.Never
	for _, p := range g {
		p.applications()
		next = min(next, p.next())
	}
	if next == conn.Never || g.err() != nil {
		return false
	}
	for _, p := range g {
		p.watch(next)
		p.advance(next)
	}
	return g.err() == nil
}

// err returns the first broken rule.
func (g Group) err() error {
	for _, p := range g {
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// Run calls [Pair.Run] for all pairs of the group.
func (g Group) Run(d time.Duration) error {
	end := g[0].Now.Add(d)
	for n := 0; g[0].Now < end && g.Step(); n++ {
		if n > 5_000_000 {
			g[0].fail(errors.New("more than 5,000,000 steps"))
		}
	}
	return g.err()
}
