package emulator

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trace lists the instants at which a line sends MTU bytes, in the order of time, as mahimahi's traces do. Its last
// instant is its length, after which it begins again. Bytes of several packets share an instant; room that no packet
// uses is lost.
type Trace []time.Duration

// TraceStep is the duration of each rate of TraceOf.
const TraceStep = 100 * time.Millisecond

// TraceOf returns the trace of a line whose rate changes with each TraceStep. Rates are in bytes per second, and
// positive.
func TraceOf(rates []int) (t Trace) {
	due := 0 // bytes × nanoseconds per second that the line has sent since the latest instant
	for i, rate := range rates {
		at, end := time.Duration(i)*TraceStep, time.Duration(i+1)*TraceStep
		for {
			wait := time.Duration((MTU*int(time.Second) - due + rate - 1) / rate)
			if at+wait > end {
				due += int(end-at) * rate
				break
			}
			at += wait
			t = append(t, at)
			due = 0
		}
	}
	return t
}

// ReadTrace reads a file in mahimahi's format: a line for each packet, with its instant in milliseconds.
func ReadTrace(r io.Reader) (t Trace, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		ms, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("trace: line %d: %q is no number of milliseconds", n, text)
		}
		t = append(t, time.Duration(ms)*time.Millisecond)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return t, t.check()
}

// check returns an error if t cannot be played.
func (t Trace) check() error {
	if len(t) == 0 || t[len(t)-1] <= 0 {
		return fmt.Errorf("trace: it has no length")
	}
	if !slices.IsSorted(t) {
		return fmt.Errorf("trace: its instants are not in the order of time")
	}
	return nil
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

// played is a Trace with the part of it that packets have used.
type played struct {
	trace Trace
	next  int // number of the latest instant that a packet uses; -1 for none
	left  int // bytes that it has room for
}

// send returns when the last of n bytes is sent that may be sent from now on, after those of the calls before.
func (p *played) send(now time.Duration, n int) time.Duration {
	if first := p.trace.from(now); first > p.next {
		p.next, p.left = first, MTU
	}
	for ; n > p.left; p.next++ {
		n -= p.left
		p.left = MTU
	}
	p.left -= n
	return p.trace.at(p.next)
}
