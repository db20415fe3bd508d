package conn

import "minitcp/conn/seq"

// Loan is memory of the driver's that a [Segment] offers.
type Loan interface {
	// Return gives it back: the connection does not look at it any more.
	Return()
}

// adopted holds data that was not copied: stretches of the stream, in order, in the memory in which they arrived.
type adopted struct {
	list []stretch
	head int // list[head:] is in use
}

type stretch struct {
	start seq.Offset
	data  []byte
	loan  Loan
}

// maxIdleStretches is for how many room is kept when there is none: more than come in a batch.
const maxIdleStretches = 100

func (s *stretch) end() seq.Offset { return s.start + seq.Offset(len(s.data)) }

// first is the first stretch, nil if there is none.
func (a *adopted) first() *stretch {
	if a == nil || a.head == len(a.list) {
		return nil
	}
	return &a.list[a.head]
}

// unread is all there are.
func (a *adopted) unread() []stretch {
	if a == nil {
		return nil
	}
	return a.list[a.head:]
}

func (a *adopted) push(s stretch) {
	if a.head > 0 && len(a.list) == cap(a.list) {
		n := copy(a.list, a.list[a.head:])
		clear(a.list[n:])
		a.list, a.head = a.list[:n], 0
	}
	a.list = append(a.list, s)
}

// pop takes the first stretch out, and its loan with it.
func (a *adopted) pop() (s stretch) {
	s, a.list[a.head] = a.list[a.head], stretch{}
	a.head++
	if a.head == len(a.list) {
		a.list, a.head = a.list[:0], 0
		if cap(a.list) > maxIdleStretches {
			a.list = nil
		}
	}
	return s
}

// release gives back what ends at o or before.
func (a *adopted) release(o seq.Offset) {
	for s := a.first(); s != nil && s.end() <= o; s = a.first() {
		a.pop().loan.Return()
	}
}
