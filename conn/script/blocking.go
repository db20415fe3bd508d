package script

import (
	"fmt"

	"minitcp/conn"
)

// waiting is a call that blocks.
type waiting struct {
	e *event
	c *call
	attempt
	until conn.Time // when it must return
}

// call performs a system call. A call that blocks is tried again after every event and timer.
func (r *runner) call(e *event, c *call, until conn.Time) *fault {
	w := &waiting{e: e, c: c, until: until}
	r.h.note(e.text)
	o, done := c.op.try(r.h, &w.attempt)
	switch {
	case done:
		if f := r.returned(w, o); f != nil {
			return f
		}
		return r.retry()
	case !e.at.blocks:
		return faultf(e, "%s blocks", c.name)
	}
	r.waiting = append(r.waiting, w)
	return r.retry()
}

// retry tries the blocked calls until none of them returns.
func (r *runner) retry() *fault {
	for i := 0; i < len(r.waiting); i++ {
		w := r.waiting[i]
		o, done := w.c.op.try(r.h, &w.attempt)
		if !done {
			continue
		}
		r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
		r.h.note(w.c.name + " returns")
		if f := r.returned(w, o); f != nil {
			return f
		}
		i = -1 // the call may have unblocked another
	}
	return nil
}

// returned compares the result of a call, and the time of its return, with the expected ones.
func (r *runner) returned(w *waiting, o outcome) *fault {
	f := faultf(w.e, "%s", w.c.name)
	c := w.c
	switch {
	case o.unsupported != "":
		f.reason, f.unsupported = o.unsupported, true
		return f
	case o.fault != "":
		f.reason = c.name + ": " + o.fault
		return f
	case !c.anyResult && (o.result != c.result || c.errno != "" && o.errno != c.errno):
		f.reason = "the result of " + c.name + " differs"
		f.expected, f.seen = resultText(c.result, c.errno), resultText(o.result, o.errno)
		return f
	}
	tolerance := r.s.settings.tolerance
	if w.e.at.blocks && (r.h.now < w.until.Add(-tolerance) || r.h.now > w.until.Add(tolerance)) {
		f.reason = c.name + " returned at the wrong time"
		f.expected, f.seen = seconds(w.until), seconds(r.h.now)
		return f
	}
	return nil
}

// resultText formats a result with the name of its error.
func resultText(n int64, errno string) string {
	if errno == "" {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d %s", n, errno)
}

// pollDeadline returns the time at which the first blocked poll times out.
func (r *runner) pollDeadline() conn.Time {
	d := conn.Never
	for _, w := range r.waiting {
		if p, ok := w.c.op.(pollCall); ok {
			if until := p.until(&w.attempt); until > r.h.now {
				d = min(d, until)
			}
		}
	}
	return d
}
