package stack

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// wheel calls fire for entries whose deadline has passed, to the millisecond and never early. It is a hierarchical
// timing wheel: level 0 has a slot for each of 64 ticks, a slot of level 1 holds 64 ticks, one of level 2 64*64, and so
// on. An entry is on the level of the highest digit, in base 64, in which its tick differs from the current one. It
// moves down level by level as time passes.
//
// Arming is a single comparison if the entry is armed for an earlier tick, which is almost always true for a busy
// connection. The entry then fires early, has nothing due, and is armed again by flush.
type wheel struct {
	clock clock
	fire  func(now conn.Time, due []*entry) // called without the lock, by one goroutine at a time

	mu      sync.Mutex
	elapsed int64 // every tick up to this one has been handled
	levels  [wheelLevels]wheelLevel
	timer   *time.Timer
	wake    int64 // tick for which the timer is set, noTick if it is not
	running bool  // a goroutine is in run, and sets the timer when it leaves
	closed  bool
	due     []*entry // used by run
	ended   sync.WaitGroup
}

type wheelLevel struct {
	occupied uint64 // bit i is set if slots[i] is not empty
	slots    [wheelSlots]*entry
}

const (
	tick        = int64(time.Millisecond)
	slotBits    = 6
	wheelSlots  = 1 << slotBits
	wheelLevels = 8 // 64^8 ticks of 1 ms are more than a conn.Time holds
	noTick      = int64(1<<63 - 1)
)

// timerNode is the place of an entry in its wheel.
type timerNode struct {
	at         atomic.Int64 // tick for which it is armed, noTick if it is not
	prev, next *entry
	level      uint8
	slot       uint8
	wheel      uint8 // index of its wheel
}

func newWheel(c clock, fire func(conn.Time, []*entry)) *wheel {
	w := &wheel{clock: c, fire: fire, wake: noTick}
	w.timer = time.AfterFunc(time.Hour, w.run)
	w.timer.Stop()
	return w
}

// arm makes e fire at the deadline, or earlier if it is already armed for an earlier time. [conn.Never] has no effect.
func (w *wheel) arm(e *entry, deadline conn.Time) {
	if deadline == conn.Never {
		return
	}
	// Rounded up, so that the entry never fires early.
	at := int64(deadline)/tick + 1
	if int64(deadline)%tick == 0 {
		at--
	}
	if e.timer.at.Load() <= at {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if e.timer.at.Load() != noTick {
		w.unlink(e)
	}
	if now := int64(w.clock.now()) / tick; !w.running && now < w.wake {
		w.elapsed = max(w.elapsed, now) // nothing was due: the wheel may have stood still for long
	}
	// At most once a tick, also for a connection whose deadline is always in the past.
	e.timer.at.Store(max(at, w.elapsed+1))
	if start := w.link(e); !w.running && start < w.wake {
		w.setTimer(start)
	}
}

// disarm removes e from the wheel. It may still fire if it is due already.
func (w *wheel) disarm(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.timer.at.Load() != noTick {
		w.unlink(e)
		e.timer.at.Store(noTick)
	}
}

// close stops the wheel, and waits until fire has returned.
func (w *wheel) close() {
	w.mu.Lock()
	w.closed = true
	w.timer.Stop()
	w.mu.Unlock()
	w.ended.Wait()
}

func (w *wheel) setTimer(at int64) {
	w.wake = at
	w.timer.Reset(time.Duration(at*tick - int64(w.clock.now())))
}

// run is the timer's function.
func (w *wheel) run() {
	w.mu.Lock()
	if w.running || w.closed {
		w.mu.Unlock()
		return
	}
	w.running = true
	w.ended.Add(1)
	defer w.ended.Done()
	for !w.closed {
		now := w.clock.now()
		w.due = w.advance(int64(now)/tick, w.due[:0])
		if len(w.due) == 0 {
			break
		}
		w.mu.Unlock()
		w.fire(now, w.due)
		w.mu.Lock()
		clear(w.due)
	}
	w.running = false
	w.wake = noTick
	if at, _, _, ok := w.first(); ok && !w.closed {
		w.setTimer(at)
	}
	w.mu.Unlock()
}

// advance moves the wheel to tick now, and appends the entries that are due.
func (w *wheel) advance(now int64, due []*entry) []*entry {
	for {
		at, level, slot, ok := w.first()
		if !ok || at > now {
			w.elapsed = max(w.elapsed, now)
			return due
		}
		w.elapsed = max(w.elapsed, at)
		l := &w.levels[level]
		e := l.slots[slot]
		l.slots[slot] = nil
		l.occupied &^= 1 << slot
		for e != nil {
			next := e.timer.next
			e.timer.prev, e.timer.next = nil, nil
			if e.timer.at.Load() <= now {
				e.timer.at.Store(noTick)
				due = append(due, e)
			} else {
				w.link(e)
			}
			e = next
		}
	}
}

// first returns the first slot that is not empty, and the tick at which it begins: the next one with entries to fire or
// to move down. All of a level comes before the level above it.
func (w *wheel) first() (at int64, level, slot int, ok bool) {
	for level = range w.levels {
		occupied := w.levels[level].occupied
		if occupied == 0 {
			continue
		}
		shift := level * slotBits
		current := int(w.elapsed>>shift) % wheelSlots
		ahead := bits.TrailingZeros64(bits.RotateLeft64(occupied, -current))
		slot = (current + ahead) % wheelSlots
		start := w.elapsed >> shift << shift // of the current slot
		return start + int64(ahead)<<shift, level, slot, true
	}
	return 0, 0, 0, false
}

// link inserts e at its tick and returns the first tick of the slot.
func (w *wheel) link(e *entry) int64 {
	n := &e.timer
	at := n.at.Load()
	level := 0
	if differ := uint64(at ^ w.elapsed); differ >= wheelSlots {
		level = (bits.Len64(differ) - 1) / slotBits
	}
	slot := int(at>>(level*slotBits)) % wheelSlots
	n.level, n.slot = uint8(level), uint8(slot)
	l := &w.levels[level]
	n.prev, n.next = nil, l.slots[slot]
	if n.next != nil {
		n.next.timer.prev = e
	}
	l.slots[slot] = e
	l.occupied |= 1 << slot
	return at >> (level * slotBits) << (level * slotBits)
}

func (w *wheel) unlink(e *entry) {
	n := &e.timer
	l := &w.levels[n.level]
	if n.next != nil {
		n.next.timer.prev = n.prev
	}
	if n.prev != nil {
		n.prev.timer.next = n.next
	} else {
		l.slots[n.slot] = n.next
		if n.next == nil {
			l.occupied &^= 1 << n.slot
		}
	}
	n.prev, n.next = nil, nil
}
