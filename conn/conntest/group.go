package conntest

import (
	"errors"
	"time"

	"minitcp/conn"
)

// Group is pairs whose time is one.
type Group []*Pair

// Share has all pairs' packets go through one queue in each direction, and one line: those of the first. Each has its own
// delay and fates, as connections to different places have. The links' rates, queues and disciplines should be the same.
func (g Group) Share() {
	for _, p := range g {
		p.A.pipe, p.B.pipe = g[0].A.pipe, g[0].B.pipe
	}
}

// Step is [Pair.Step] for all of them.
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

// err is the first broken rule.
func (g Group) err() error {
	for _, p := range g {
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// Run is [Pair.Run] for all of them.
func (g Group) Run(d time.Duration) error {
	end := g[0].Now.Add(d)
	for n := 0; g[0].Now < end && g.Step(); n++ {
		if n > 5_000_000 {
			g[0].fail(errors.New("no end in sight"))
		}
	}
	return g.err()
}
