package stack

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// batons answer: which of many connections that move bulk data over short paths may do so now? Those that have one of a few
// batons; the others wait in a queue. There a path holds nothing, so all that was sent and not yet acknowledged, or not yet
// read, waits in memory. That of a few fits into a cache; that of 512, each with a little, made an octet cost twice as much
// as it costs one connection.
//
// A baton is for a number of octets. When they are done with, it goes to the next, or when its time is over: a peer that does
// not read, or does not send, keeps others waiting no longer. Nobody waits while there are fewer connections than batons.
//
// Whoever's baton is taken away still has what it permitted: a window that was opened stays open. So a receiver keeps its own,
// for busyTime at most, while frames wait in all of the device's queues. Else, when many begin at once and are slow because a
// queue overflows, the next would be let go on before it is empty, and it never would be.
type batons struct {
	clock clock
	begin func(*baton) bool // called when a baton has come, with the lock of the entry; false: it is not wanted any more
	// idled reports whether more could be done; nil: always.
	idled func(now conn.Time) bool

	mu          sync.Mutex
	holders     [fewBatons]*baton // nil: nobody has this one
	first, last *baton            // the queue
	waiting     atomic.Int64      // its length
	timer       *time.Timer       // overdue's, while somebody waits
	running     bool              // it does
	closed      bool
	calls       sync.WaitGroup
}

const (
	fewBatons = 4
	// batonOctets is the most that is moved with a baton: with half of it, an octet among 512 connections took a tenth more.
	batonOctets = 4 << 20
	// batonTime is when a baton is taken from whoever has not done with it, if idled.
	batonTime = 20 * time.Millisecond
	// batonTick is how often it is looked whether a baton is to be taken away, also because nothing was done with it since. A
	// peer that waits for a CPU may take some milliseconds: half of both, and an octet among 512 connections took a tenth more.
	batonTick = 4 * time.Millisecond
	// busyTime is when a baton is taken away however busy the stack is.
	busyTime = 100 * time.Millisecond
)

// baton is a connection's place among those that have one or wait for one.
type baton struct {
	conn *Conn

	// Guarded by the entry's lock.
	held    bool // the connection has one, as far as it knows
	waiting bool // it is in the queue

	used atomic.Bool // something was done with it since it was looked at

	// Guarded by batons.mu.
	since conn.Time // when it got the baton
	next  *baton    // in the queue
}

func newBatons(c clock, begin func(*baton) bool, idled func(now conn.Time) bool) *batons {
	b := &batons{clock: c, begin: begin, idled: idled}
	b.timer = time.AfterFunc(time.Hour, b.overdue)
	b.timer.Stop()
	return b
}

// begins is called when t gets a baton. The lock of batons is held.
func (t *baton) begins(now conn.Time) {
	t.since = now
	t.used.Store(true)
}

// need gets t a baton, or puts it into the queue, and begin will be called; if it has one, it keeps it unless others wait.
// It reports whether it has one now. The lock of t's entry is held.
func (b *batons) need(t *baton) bool {
	t.held = b.take(t)
	t.waiting = !t.held
	return t.held
}

func (b *batons) take(t *baton) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.find(t)
	if b.first == nil {
		if i >= 0 {
			return true
		}
		if free := b.find(nil); free >= 0 {
			b.holders[free] = t
			t.begins(b.clock.now())
			return true
		}
		b.first = t
		if !b.running && !b.closed {
			b.running = true
			b.timer.Reset(batonTick)
		}
	} else {
		b.last.next = t
	}
	b.last = t
	b.waiting.Add(1)
	if i >= 0 {
		b.pass(i)
	}
	return false
}

// done passes on t's baton. It reports whether t still had it, and not for longer than batonTime. The lock of t's entry is held.
func (b *batons) done(t *baton) (inTime bool) {
	t.held = false
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.find(t)
	if i < 0 {
		return false
	}
	inTime = b.clock.now().Sub(t.since) <= batonTime
	b.pass(i)
	return inTime
}

// overdue is the timer's function: it takes batons away.
func (b *batons) overdue() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running = b.first != nil && !b.closed; !b.running {
		return
	}
	now := b.clock.now()
	idled := b.idled == nil || b.idled(now)
	for i, t := range b.holders {
		if t == nil || b.first == nil {
			continue
		}
		held, used := now.Sub(t.since), !idled || t.used.Swap(false)
		if idled && (!used || held >= batonTime) || held >= busyTime {
			b.pass(i)
		}
	}
	b.timer.Reset(batonTick)
}

// close calls nobody any more, and waits for the calls under way.
func (b *batons) close() {
	b.mu.Lock()
	b.closed = true
	b.timer.Stop()
	b.mu.Unlock()
	b.calls.Wait()
}

// find returns which baton t has, or which is free if t is nil; -1: none. The lock is held, as it is in pass.
func (b *batons) find(t *baton) int { return slices.Index(b.holders[:], t) }

// pass gives baton i to the first in the queue.
func (b *batons) pass(i int) {
	t := b.first
	if b.closed {
		t = nil
	}
	b.holders[i] = t
	if t == nil {
		return
	}
	b.first, t.next = t.next, nil
	if b.first == nil {
		b.last = nil
	}
	b.waiting.Add(-1)
	t.begins(b.clock.now())
	b.calls.Go(func() { b.call(t) }) // which takes the lock of an entry, while the caller may have that of another
}

// call tells t's connection that it has a baton.
func (b *batons) call(t *baton) {
	mu := &t.conn.entry.mu
	mu.Lock()
	defer mu.Unlock()
	t.waiting = false
	t.held = true
	if !b.begin(t) {
		b.done(t)
	}
}
