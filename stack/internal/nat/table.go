// Package nat is the table of a UDP forwarder's flows, with their limits, timeouts and filters [RFC 4787]. A table has
// no lock and no clock.
package nat

import (
	"container/list"
	"net/netip"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// Key names a flow: the client's end, and as much of the remote end as the mapping depends on.
type Key struct{ Client, Remote netip.AddrPort }

// Limits are the limits of a table.
type Limits struct {
	Flows          int                     // number of flows
	FlowsPerSource int                     // number of flows of an IPv4 address or an IPv6 network of 64 bits
	Timeouts       [timeouts]time.Duration // times without datagrams after which a flow ends
}

// Timeout selects the time after which a flow without datagrams ends.
type Timeout uint8

const (
	Idle Timeout = iota // for most flows
	DNS                 // after an answer of a name server

	timeouts
)

// Flow is the place of a flow in the table.
type Flow[T any] struct {
	Owner *T
	Key   Key

	last     conn.Time // time of the last datagram in either direction
	timeout  Timeout
	place    *list.Element // in the list of its timeout; nil when the flow is in no table
	bySource *list.Element
}

// Live reports whether the flow is in a table.
func (f *Flow[T]) Live() bool { return f.place != nil }

// Table holds the flows of a forwarder.
type Table[T any] struct {
	limits  Limits
	flows   map[Key]*Flow[T]
	sources map[netip.Addr]*list.List // of the flows of a source, from the one idle for the longest time
	idle    [timeouts]list.List       // of all flows by timeout, likewise
}

// NewTable returns an empty table.
func NewTable[T any](limits Limits) *Table[T] {
	return &Table[T]{limits: limits, flows: make(map[Key]*Flow[T]), sources: make(map[netip.Addr]*list.List)}
}

// Len returns the number of flows.
func (t *Table[T]) Len() int { return len(t.flows) }

// Find returns the flow with a key, nil if there is none.
func (t *Table[T]) Find(k Key) *Flow[T] { return t.flows[k] }

// Add adds a flow, which Touch must follow. If there are too many, in all or of its source, it removes and returns the
// one of these that has been idle for the longest time. Otherwise it returns nil.
func (t *Table[T]) Add(f *Flow[T]) (evicted *Flow[T]) {
	source := wire.Source(f.Key.Client.Addr())
	var oldest *list.Element
	if l := t.sources[source]; l != nil && l.Len() >= t.limits.FlowsPerSource {
		oldest = l.Front()
	} else if len(t.flows) >= t.limits.Flows {
		for i := range t.idle {
			if e := t.idle[i].Front(); e != nil && (oldest == nil || of[T](e).last < of[T](oldest).last) {
				oldest = e
			}
		}
	}
	if oldest != nil {
		evicted = of[T](oldest)
		t.Remove(evicted)
	}
	l := t.sources[source]
	if l == nil {
		l = list.New()
		t.sources[source] = l
	}
	t.flows[f.Key] = f
	f.timeout, f.place, f.bySource = Idle, t.idle[Idle].PushBack(f), l.PushBack(f)
	return evicted
}

func of[T any](e *list.Element) *Flow[T] { return e.Value.(*Flow[T]) }

// Remove removes a flow, if it is in the table.
func (t *Table[T]) Remove(f *Flow[T]) {
	if !f.Live() {
		return
	}
	delete(t.flows, f.Key)
	t.idle[f.timeout].Remove(f.place)
	f.place = nil
	source := wire.Source(f.Key.Client.Addr())
	l := t.sources[source]
	if l.Remove(f.bySource); l.Len() == 0 {
		delete(t.sources, source)
	}
}

// Touch records a datagram of a flow in the table, which from now on ends after the timeout given.
func (t *Table[T]) Touch(now conn.Time, f *Flow[T], timeout Timeout) {
	f.last = now
	t.sources[wire.Source(f.Key.Client.Addr())].MoveToBack(f.bySource)
	if f.timeout == timeout {
		t.idle[timeout].MoveToBack(f.place)
		return
	}
	t.idle[f.timeout].Remove(f.place)
	f.timeout, f.place = timeout, t.idle[timeout].PushBack(f)
}

// Deadline returns the time at which the first flow ends, [conn.Never] if there is none.
func (t *Table[T]) Deadline() conn.Time {
	deadline := conn.Never
	for i := range t.idle {
		if e := t.idle[i].Front(); e != nil {
			deadline = min(deadline, of[T](e).last.Add(t.limits.Timeouts[i]))
		}
	}
	return deadline
}

// Expire removes and returns the flows that have ended by now.
func (t *Table[T]) Expire(now conn.Time) (ended []*Flow[T]) {
	for i := range t.idle {
		for e := t.idle[i].Front(); e != nil && of[T](e).last.Add(t.limits.Timeouts[i]) <= now; e = t.idle[i].Front() {
			ended = append(ended, of[T](e))
			t.Remove(of[T](e))
		}
	}
	return ended
}

// Clear removes and returns all flows.
func (t *Table[T]) Clear() (ended []*Flow[T]) {
	for _, f := range t.flows {
		ended = append(ended, f)
		t.Remove(f)
	}
	return ended
}
