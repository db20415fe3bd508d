// Package challenge limits the ACKs of a connection in reply to segments that are refused or not needed.
package challenge

import (
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

// Limit limits the ACKs sent in reply to segments that may be forged, or that two ends in disagreement send each other,
// to a few in five seconds (RFC 5961 7). Each connection has its own limit: an attacker who has one connection could
// observe the others through a shared one (CVE-2016-5696).
type Limit struct {
	since                        clock.Time
	challenges, duplicates, syns uint16 // replies sent since then
}

const (
	interval = 5 * time.Second
	// maxChallenges is the number of replies to segments without data in five seconds.
	maxChallenges = 10
	// maxDuplicates is the number of replies to segments with data in five seconds. It is enough to report a window of
	// needless retransmissions to the peer (RFC 2883), and ends the exchange with a peer that repeats a segment on every
	// ACK.
	maxDuplicates = 1000
)

// Since returns the beginning of the current interval.
func (l *Limit) Since() clock.Time { return l.since }

// Allow reports whether the current interval has room for another reply to a segment with the flags f, and counts it.
// SYNs have a limit of their own, as high: a peer that has rebooted needs the reply to its SYN, and segments from
// before the reboot would use it up.
func (l *Limit) Allow(now clock.Time, f wire.Flags) bool {
	if f.Has(wire.SYN) {
		return l.count(now, &l.syns, maxChallenges)
	}
	return l.count(now, &l.challenges, maxChallenges)
}

// AllowDuplicate acts like Allow for a segment with data that is no SYN.
func (l *Limit) AllowDuplicate(now clock.Time) bool {
	return l.count(now, &l.duplicates, maxDuplicates)
}

func (l *Limit) count(now clock.Time, n *uint16, most uint16) bool {
	l.renew(now)
	if *n == most {
		return false
	}
	*n++
	return true
}

// renew begins a new interval if the last one has ended.
func (l *Limit) renew(now clock.Time) {
	if l.challenges+l.duplicates+l.syns == 0 || now.Sub(l.since) >= interval {
		*l = Limit{since: now}
	}
}
