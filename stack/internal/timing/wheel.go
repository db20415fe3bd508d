package timing

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/conn"
)

// Wheel calls a function for the owners of timers whose deadline has passed, to the millisecond and never early. It is
// a hierarchical timing wheel: level 0 has a slot for each of 64 ticks, a slot of level 1 holds 64 ticks, one of level
// 2 64*64, and so on. A timer is on the level of the highest digit, in base 64, in which its tick differs from the
// current one. It moves down level by level as time passes.
//
// Arming is a single comparison if the timer is armed for an earlier tick, which is almost always true for a busy
// connection. The timer then fires early, and its owner has nothing due and arms it again.
type Wheel[E any] struct {
	clock Clock
	fire  func(now conn.Time, due []*E) // called without the lock, by one goroutine at a time

	mu      sync.Mutex
	elapsed int64 // every tick up to this one has been handled
	levels  [levels]level[E]
	timer   *time.Timer
	wake    int64 // tick for which the timer is set, noTick if it is not
	running bool  // a goroutine is in run, and sets the timer when it leaves
	closed  bool
	due     []*E // used by run
	ended   sync.WaitGroup
}

type level[E any] struct {
	occupied uint64 // bit i is set if slots[i] is not empty
	slots    [slots]*Timer[E]
}

const (
	tick     = int64(time.Millisecond)
	slotBits = 6
	slots    = 1 << slotBits
	levels   = 8 // 64^8 ticks of 1 ms are more than a conn.Time holds
	noTick   = int64(1<<63 - 1)
)

// Timer is the place of its owner in a wheel. It is part of the owner, and belongs to one wheel. All of it except Owner
// is guarded by the wheel.
type Timer[E any] struct {
	Owner      *E
	at         atomic.Int64 // tick for which it is armed, 0 if it is not
	prev, next *Timer[E]
	level      uint8
	slot       uint8
}

// At returns the time for which t is armed, [conn.Never] if it is not.
func (t *Timer[E]) At() conn.Time {
	if !t.armed() {
		return conn.Never
	}
	return conn.Time(t.at.Load() * tick)
}

func (t *Timer[E]) armed() bool { return t.at.Load() != 0 }

// NewWheel returns a wheel that calls fire. There is one call at a time, without a lock held.
func NewWheel[E any](c Clock, fire func(now conn.Time, due []*E)) *Wheel[E] {
	w := &Wheel[E]{clock: c, fire: fire, wake: noTick}
	w.timer = time.AfterFunc(time.Hour, w.run)
	w.timer.Stop()
	return w
}

// Arm makes t fire at the deadline, or earlier if it is already armed for an earlier time. [conn.Never] has no effect.
func (w *Wheel[E]) Arm(t *Timer[E], deadline conn.Time) {
	if deadline == conn.Never {
		return
	}
	// Rounded up, so that the timer never fires early.
	at := int64(deadline)/tick + 1
	if int64(deadline)%tick == 0 {
		at--
	}
	if armed := t.at.Load(); armed != 0 && armed <= at {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if t.armed() {
		w.unlink(t)
	}
	if now := int64(w.clock.Now()) / tick; !w.running && now < w.wake {
		w.elapsed = max(w.elapsed, now) // nothing was due: the wheel may have stood still for long
	}
	// At most once a tick, also for a connection whose deadline is always in the past.
	t.at.Store(max(at, w.elapsed+1))
	if start := w.link(t); !w.running && start < w.wake {
		w.setTimer(start)
	}
}

// Disarm removes t from the wheel. It may still fire if it is due already.
func (w *Wheel[E]) Disarm(t *Timer[E]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.armed() {
		w.unlink(t)
		t.at.Store(0)
	}
}

// Close stops the wheel, and waits until fire has returned.
func (w *Wheel[E]) Close() {
	w.mu.Lock()
	w.closed = true
	w.timer.Stop()
	w.mu.Unlock()
	w.ended.Wait()
}

func (w *Wheel[E]) setTimer(at int64) {
	w.wake = at
	w.timer.Reset(time.Duration(at*tick - int64(w.clock.Now())))
}

// run implements the timer's function.
func (w *Wheel[E]) run() {
	w.mu.Lock()
	if w.running || w.closed {
		w.mu.Unlock()
		return
	}
	w.running = true
	w.ended.Add(1)
	defer w.ended.Done()
	for !w.closed {
		now := w.clock.Now()
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

// advance moves the wheel to tick now, and appends the owners of the timers that are due.
func (w *Wheel[E]) advance(now int64, due []*E) []*E {
	for {
		at, level, slot, ok := w.first()
		if !ok || at > now {
			w.elapsed = max(w.elapsed, now)
			return due
		}
		w.elapsed = max(w.elapsed, at)
		l := &w.levels[level]
		t := l.slots[slot]
		l.slots[slot] = nil
		l.occupied &^= 1 << slot
		for t != nil {
			next := t.next
			t.prev, t.next = nil, nil
			if t.at.Load() <= now {
				t.at.Store(0)
				due = append(due, t.Owner)
			} else {
				w.link(t)
			}
			t = next
		}
	}
}

// first returns the first slot that is not empty, and the tick at which it begins: the next one with timers to fire or
// to move down. All of a level comes before the level above it.
func (w *Wheel[E]) first() (at int64, level, slot int, ok bool) {
	for level = range w.levels {
		occupied := w.levels[level].occupied
		if occupied == 0 {
			continue
		}
		shift := level * slotBits
		current := int(w.elapsed>>shift) % slots
		ahead := bits.TrailingZeros64(bits.RotateLeft64(occupied, -current))
		slot = (current + ahead) % slots
		start := w.elapsed >> shift << shift // of the current slot
		return start + int64(ahead)<<shift, level, slot, true
	}
	return 0, 0, 0, false
}

// link inserts t at its tick and returns the first tick of the slot.
func (w *Wheel[E]) link(t *Timer[E]) int64 {
	at := t.at.Load()
	level := 0
	if differ := uint64(at ^ w.elapsed); differ >= slots {
		level = (bits.Len64(differ) - 1) / slotBits
	}
	slot := int(at>>(level*slotBits)) % slots
	t.level, t.slot = uint8(level), uint8(slot)
	l := &w.levels[level]
	t.prev, t.next = nil, l.slots[slot]
	if t.next != nil {
		t.next.prev = t
	}
	l.slots[slot] = t
	l.occupied |= 1 << slot
	return at >> (level * slotBits) << (level * slotBits)
}

func (w *Wheel[E]) unlink(t *Timer[E]) {
	l := &w.levels[t.level]
	if t.next != nil {
		t.next.prev = t.prev
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.slots[t.slot] = t.next
		if t.next == nil {
			l.occupied &^= 1 << t.slot
		}
	}
	t.prev, t.next = nil, nil
}
