// Package fairness measures how evenly connections share the data that they receive together, and how long one of them
// receives nothing.
package fairness

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// step is the interval at which the counters are read. It is the resolution of a pause.
	step = 10 * time.Millisecond
	// window is the time over which Jain's index is computed.
	window = 100 * time.Millisecond
)

// Flow counts the bytes that one connection receives. Each has a cache line, because threads count side by side.
type Flow struct {
	bytes atomic.Int64
	_     [56]byte
}

// Add counts n bytes.
func (f *Flow) Add(n int) { f.bytes.Add(int64(n)) }

// Flows are the connections that are compared. The zero value has none.
type Flows struct {
	mu    sync.Mutex
	flows []*Flow
}

// New adds a connection.
func (f *Flows) New() *Flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	flow := new(Flow)
	f.flows = append(f.flows, flow)
	return flow
}

// Result is the result of a [Watch].
type Result struct {
	// Flows is the number of connections. The other fields are zero if there were none, or if nothing was received.
	Flows int
	// Jain is the mean, over the windows in which anything was received, of Jain's index: 1 if all connections received
	// the same, 1/Flows if one received everything.
	Jain float64
	// Pause is the longest time in which one of the connections received nothing, to within 10 ms.
	Pause time.Duration
}

// Watch observes flows until it is stopped.
type Watch struct {
	stop chan struct{}
	done chan Result
}

// Watch begins to observe the connections, also those that are added later: a server may accept them after the
// observation has begun.
func (f *Flows) Watch() *Watch {
	w := &Watch{stop: make(chan struct{}), done: make(chan Result, 1)}
	go w.run(f)
	return w
}

// counts returns the number of bytes that each connection has received, in place of those in old.
func (f *Flows) counts(old []int64) []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	old = old[:0]
	for _, flow := range f.flows {
		old = append(old, flow.bytes.Load())
	}
	return old
}

func (w *Watch) run(f *Flows) {
	tick := time.NewTicker(step)
	defer tick.Stop()
	t, counts, start := tally{}, []int64(nil), time.Now()
	for {
		counts = f.counts(counts)
		t.sample(time.Since(start), counts)
		select {
		case <-tick.C:
		case <-w.stop:
			w.done <- t.result()
			return
		}
	}
}

// Stop ends the observation.
func (w *Watch) Stop() Result {
	close(w.stop)
	return <-w.done
}

// tally computes a Result from samples of the counters.
type tally struct {
	last    []int64         // of each flow, at the latest sample
	changed []time.Duration // the time of the sample that first had that count
	opened  []int64         // of each flow, when the window began
	begin   time.Duration   // of the window
	pause   time.Duration
	sum     float64 // of Jain's index of the windows
	windows int
}

// sample adds the counters of all flows at a time that does not decrease. Flows that were not in the sample before
// begin now, and a window begins with the first of them.
func (t *tally) sample(now time.Duration, counts []int64) {
	if len(t.last) == 0 {
		t.begin = now
	}
	for _, n := range counts[len(t.last):] {
		t.last, t.opened, t.changed = append(t.last, n), append(t.opened, n), append(t.changed, now)
	}
	for i, n := range counts {
		if n != t.last[i] {
			t.last[i], t.changed[i] = n, now
		}
		t.pause = max(t.pause, now-t.changed[i])
	}
	if now-t.begin < window {
		return
	}
	var sum, squares float64
	for i, n := range counts {
		got := float64(n - t.opened[i])
		sum, squares = sum+got, squares+got*got
	}
	if sum > 0 {
		t.sum += sum * sum / (float64(len(counts)) * squares) // Jain, 1984
		t.windows++
	}
	t.begin = now
	copy(t.opened, counts)
}

func (t *tally) result() Result {
	r := Result{Flows: len(t.last), Pause: t.pause}
	if t.windows > 0 {
		r.Jain = t.sum / float64(t.windows)
	}
	return r
}
