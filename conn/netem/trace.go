package netem

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trace lists the instants at which a line sends up to TraceUnit bytes, in the order of time, as the traces of mahimahi
// do. Its last instant is its length, after which it begins again. Packets that wait share an instant; room that no
// packet uses is lost.
type Trace []time.Duration

const (
	// TraceUnit is the number of bytes that a line sends at each instant of a Trace.
	TraceUnit = 1500
	// TraceStep is the duration of each rate of TraceOf.
	TraceStep = 100 * time.Millisecond
	// maxTraceInstant is the largest instant of a file: 46 days, so that sums of instants and lengths fit.
	maxTraceInstant = 4_000_000_000
)

// TraceOf returns the trace of a line whose rate changes with each TraceStep. Rates are in bytes per second, and
// positive.
func TraceOf(rates []int) (t Trace) {
	var due int64 // bytes × nanoseconds per second that the line has sent since the latest instant
	for i, rate := range rates {
		at, end := time.Duration(i)*TraceStep, time.Duration(i+1)*TraceStep
		for {
			wait := time.Duration((TraceUnit*int64(time.Second) - due + int64(rate) - 1) / int64(rate))
			if at+wait > end {
				due += int64(end-at) * int64(rate)
				break
			}
			at += wait
			t = append(t, at)
			due = 0
		}
	}
	return t
}

// ParseTrace parses a file in mahimahi's format: a line for each TraceUnit, with its instant in milliseconds. Empty
// lines are ignored. An error names the line.
func ParseTrace(text string) (Trace, error) {
	var t Trace
	n := 0
	for line := range strings.Lines(text) {
		n++
		word := strings.TrimSpace(line)
		if word == "" {
			continue
		}
		ms, err := strconv.ParseUint(word, 10, 64)
		if err != nil || ms > maxTraceInstant {
			return nil, fmt.Errorf("line %d: %q is not a number of milliseconds up to %d", n, abridged(word), int64(maxTraceInstant))
		}
		at := time.Duration(ms) * time.Millisecond
		if len(t) > 0 && at < t[len(t)-1] {
			return nil, fmt.Errorf("line %d: %d ms is earlier than the line before", n, ms)
		}
		t = append(t, at)
	}
	return t, t.check()
}

// abridged returns the beginning of a long text.
func abridged(text string) string {
	const most = 20
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// check returns an error if t cannot be played.
func (t Trace) check() error {
	if len(t) == 0 {
		return errors.New("the trace is empty")
	}
	if !slices.IsSorted(t) || t[0] < 0 {
		return errors.New("the instants of the trace are not in the order of time")
	}
	if t[len(t)-1] == 0 {
		return errors.New("the trace has no length: its last instant is 0")
	}
	return nil
}

// Rate returns the mean rate of the trace in bits per second.
func (t Trace) Rate() int64 {
	return mulDiv(int64(len(t))*TraceUnit*8, int64(time.Second), int64(t[len(t)-1]))
}

// at returns the instant of a number, counted from the beginning of the first round.
func (t Trace) at(number int) time.Duration {
	return time.Duration(number/len(t))*t[len(t)-1] + t[number%len(t)]
}

// from returns the number of the first instant at or after now.
func (t Trace) from(now time.Duration) int {
	length := t[len(t)-1]
	round := int(now / length)
	i, _ := slices.BinarySearch(t, now-time.Duration(round)*length)
	return round*len(t) + i
}

// played is the part of a Trace that packets have used.
type played struct {
	begun int // number of instants, up to the latest that a packet uses
	left  int // bytes for which the latest has room
}

// send returns when the last of n bytes is sent that may be sent from now on, after those of the calls before.
func (p *played) send(t Trace, now time.Duration, n int) time.Duration {
	if first := t.from(now); first >= p.begun {
		p.begun, p.left = first+1, TraceUnit
	}
	for ; n > p.left; p.begun++ {
		n -= p.left
		p.left = TraceUnit
	}
	p.left -= n
	return t.at(p.begun - 1)
}

// backlog returns the number of bytes that wait for an instant after now.
func (p *played) backlog(t Trace, now time.Duration) int64 {
	if n := p.begun - t.from(now+1); n > 0 {
		return int64(n)*TraceUnit - int64(p.left)
	}
	return 0
}
