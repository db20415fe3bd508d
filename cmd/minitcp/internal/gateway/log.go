//go:build linux

package gateway

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// limitedLog writes the lines of refused flows, at most logBurst in a period of logPeriod. The first line after a
// period has the number of those that were left out.
type limitedLog struct {
	log *slog.Logger

	mu      sync.Mutex
	period  time.Time // its begin
	lines   int       // in the period
	omitted int
}

const (
	logPeriod = 10 * time.Second
	logBurst  = 10
)

// logRefused writes a line about a flow that was refused because of err. Out is "" if it had no outbound. The line is
// written on a goroutine of its own, because a log may block, and the caller may not.
func (g *Gateway) logRefused(protocol string, from, to netip.AddrPort, out string, err error) {
	l := &g.log
	omitted, ok := l.admit(time.Now())
	if !ok {
		return
	}
	g.spawn(func() {
		l.omission(omitted)
		l.log.Warn("refused", "protocol", protocol, "source", from.String(), "destination", to.String(), "via", out, "error", reasonOf(err))
	})
}

// admit reports whether there is a line, and how many were left out before it.
func (l *limitedLog) admit(now time.Time) (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.period) >= logPeriod {
		omitted, l.omitted = l.omitted, 0
		l.period, l.lines = now, 0
	}
	if l.lines++; l.lines > logBurst {
		l.omitted++
		return omitted, false
	}
	return omitted, true
}

func (l *limitedLog) omission(n int) {
	if n > 0 {
		l.log.Warn("more flows were refused", "lines-omitted", n)
	}
}

// flush writes how many lines were left out.
func (l *limitedLog) flush() {
	l.mu.Lock()
	n := l.omitted
	l.omitted = 0
	l.mu.Unlock()
	l.omission(n)
}
