package script

import (
	"fmt"
	"time"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

// runner runs a script's events.
type runner struct {
	s       *Script
	h       *host
	before  conn.Time // time of the previous event, the base of relative times
	waiting []*waiting
	steps   int

	assigned scriptVariables
}

// maxSteps limits the number of timer expirations, and so the run time of a script of months.
const maxSteps = 200000

// tailLength is the number of log lines that a failure shows.
const tailLength = 16

// Run runs the script and returns its result. Assertions inspect the connection of the script's segments: the last one
// that a connect call, or a SYN after a listen call, began.
func (s *Script) Run() Result {
	settings := s.settings // a copy, as parameters may change during the run
	r := &runner{s: s, h: newHost(&settings), before: epoch}
	for i := range s.events {
		if f := r.event(&s.events[i]); f != nil {
			return r.result(f)
		}
	}
	return r.result(r.end())
}

// fault is the reason for which a script did not pass.
type fault struct {
	line           int
	reason         string
	expected, seen string
	unsupported    bool
}

func faultf(e *event, format string, args ...any) *fault {
	return &fault{line: e.line, reason: fmt.Sprintf(format, args...)}
}

func (r *runner) result(f *fault) Result {
	if f == nil {
		return Result{}
	}
	result := Result{Outcome: Failed, Line: f.line, Reason: f.reason, Expected: f.expected, Seen: f.seen}
	if f.unsupported {
		result.Outcome = Unsupported
		return result
	}
	result.Tail = r.h.tail(tailLength)
	return result
}

// end waits for the blocked calls after the last event, and checks that no unexpected segment was sent.
func (r *runner) end() *fault {
	for len(r.waiting) > 0 {
		w := r.waiting[0]
		if f := r.advance(w.until.Add(r.s.settings.tolerance)); f != nil {
			return f
		}
		if len(r.waiting) > 0 && r.waiting[0] == w {
			return faultf(w.e, "%s has not returned", w.c.name)
		}
	}
	if len(r.h.sent) > 0 && !r.s.settings.asLinux { // packetdrill does not look for segments after the last event
		last := &r.s.events[len(r.s.events)-1]
		f := faultf(last, "the script does not expect the segment sent at %s", seconds(r.h.sent[0].at))
		f.expected, f.seen = "nothing", r.h.sent[0].script().String()
		return f
	}
	return nil
}

// event waits for an event's time and performs the event, or compares a sent segment with it.
func (r *runner) event(e *event) *fault {
	from, to := r.window(e)
	if d, ok := e.do.(*departure); ok {
		return r.departure(e, d, from, to)
	}
	switch {
	case from < r.h.now.Add(-r.s.settings.tolerance):
		return faultf(e, "the time of this event has passed: it is %s", seconds(r.h.now))
	case from >= r.h.now:
		if f := r.advance(from); f != nil {
			return f
		}
	}
	r.before = from
	switch do := e.do.(type) {
	case *arrival:
		r.h.note("< " + do.String())
		r.arrival(do)
	case *icmpArrival:
		r.h.note(e.text)
		if f := r.h.current; f != nil && !do.ignored {
			do := *do
			do.err.Seq = f.numbers.fromScript(do.quoted, false)
			r.h.receiveICMP(f, do.err)
		}
	case *call:
		return r.call(e, do, to)
	case *assertion:
		return r.assertion(do)
	case *reconfiguration:
		for _, c := range do.changes {
			if c.key == forgetHosts {
				r.h.offer, r.h.path = fastopen.Offer{}, conn.KnownPath{}
				continue
			}
			r.h.s.parameter(c.key, c.value)
		}
	}
	return r.retry()
}

// window returns the first and the last time at which an event may happen.
func (r *runner) window(e *event) (from, to conn.Time) {
	base := epoch
	switch e.at.kind {
	case timeRelative:
		base = r.before
	case timeAny:
		return r.before, conn.Never
	}
	from = base.Add(e.at.from)
	to = from
	if e.at.ranged || e.at.blocks {
		to = base.Add(e.at.to)
	}
	return from, to
}

// advance moves the time to t and runs the timers that expire on the way.
func (r *runner) advance(t conn.Time) *fault {
	for r.h.now < t || r.h.deadline() <= t {
		next := min(t, max(r.h.now, min(r.h.deadline(), r.pollDeadline())))
		for _, w := range r.waiting {
			if late := w.until.Add(r.s.settings.tolerance); next > late {
				return faultf(w.e, "%s has not returned at %s", w.c.name, seconds(late))
			}
		}
		if f := r.step(next); f != nil {
			return f
		}
		if next == t && r.h.deadline() > t {
			return nil
		}
	}
	return nil
}

// step sets the time to t and runs the timers that are due.
func (r *runner) step(t conn.Time) *fault {
	r.steps++
	if r.steps > maxSteps {
		return &fault{line: r.s.events[0].line, reason: "too many timer expirations", unsupported: true}
	}
	r.h.now = t
	r.h.fire()
	return r.retry()
}

// arrival encodes a segment and passes it to the host.
func (r *runner) arrival(a *arrival) {
	h := r.h
	opens := a.flags.Has(wire.SYN) && !a.flags.Has(wire.ACK)
	if h.current == nil || h.fresh && opens {
		h.newFlow()
	}
	h.receive(h.current, a.encode(&h.current.numbers), a.ecn.wire())
}

// assertion returns the fault of the first comparison that does not hold, or nil.
func (r *runner) assertion(a *assertion) *fault {
	for i := range a.comparisons {
		c := &a.comparisons[i]
		left := c.left.valueOf(r.h.current, r.h.now, &r.assigned)
		right := c.right.valueOf(r.h.current, r.h.now, &r.assigned)
		if !c.holds(left, right, &r.assigned) {
			return &fault{line: c.line, reason: "the assertion fails", expected: c.String(), seen: fmt.Sprintf("%d and %d", left, right)}
		}
	}
	return nil
}

// seconds formats the time since the start of the script.
func seconds(t conn.Time) string {
	d := t.Sub(epoch)
	return fmt.Sprintf("%d.%06d", d/time.Second, d%time.Second/time.Microsecond)
}
