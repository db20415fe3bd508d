package netem

import "time"

// Transit holds packets on their way: a binary heap by time of arrival, and by order of entry at the same time.
type Transit[T any] struct {
	heap  []underway[T]
	count uint64
}

type underway[T any] struct {
	at     time.Duration
	number uint64
	packet T
}

func (a *underway[T]) before(b *underway[T]) bool {
	return a.at < b.at || a.at == b.at && a.number < b.number
}

// Len returns the number of packets.
func (t *Transit[T]) Len() int { return len(t.heap) }

// Push adds a packet that arrives at a time.
func (t *Transit[T]) Push(at time.Duration, packet T) {
	t.count++
	t.heap = append(t.heap, underway[T]{at, t.count, packet})
	h := t.heap
	for i := len(h) - 1; i > 0 && h[i].before(&h[(i-1)/2]); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

// Next returns the time of the next arrival, and false if no packet is on its way.
func (t *Transit[T]) Next() (at time.Duration, ok bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].at, true
}

// Pop removes and returns the next packet to arrive. There must be one.
func (t *Transit[T]) Pop() T {
	h := t.heap
	first, last := h[0].packet, len(h)-1
	h[0], h[last] = h[last], underway[T]{}
	h = h[:last]
	t.heap = h
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child < min(2*i+3, last); child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
