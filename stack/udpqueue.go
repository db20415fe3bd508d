package stack

import (
	"net/netip"
	"sync"

	"minitcp/conn/wire"
)

// udpQueue holds the datagrams of a socket that have not been read. Their data lies in pages, each with the data of several
// datagrams in order of arrival, so that small datagrams take little memory and an empty queue takes none.
type udpQueue struct {
	ring  []queuedDatagram // a power of two of them, or none
	first int
	count int
	bytes int      // of data, with udpOverhead for each datagram
	last  *udpPage // the page that the next datagram's data goes to; nil in an empty queue
}

// queuedDatagram is a datagram that has arrived.
type queuedDatagram struct {
	data   []byte
	page   *udpPage // nil: data has memory of its own
	remote netip.AddrPort
	local  netip.Addr
	ecn    wire.ECN
}

// udpPage is memory for the data of several datagrams.
type udpPage struct {
	memory [16 << 10]byte
	used   int // bytes
	users  int // datagrams that have not been read
}

var udpPages = sync.Pool{New: func() any { return new(udpPage) }}

const (
	// udpOverhead is the number of bytes that a datagram counts besides its data.
	udpOverhead = 64
	// maxInPage is the largest datagram, in bytes, whose data goes to a page.
	maxInPage = 4 << 10
	// leastRing is the number of datagrams that a ring has room for at first, and that it keeps when the queue is empty.
	leastRing = 8
)

// push adds a datagram. It copies d.data.
func (q *udpQueue) push(d queuedDatagram) {
	if q.count == len(q.ring) {
		ring := make([]queuedDatagram, max(leastRing, 2*len(q.ring)))
		for i := range q.count {
			ring[i] = *q.at(i)
		}
		q.ring, q.first = ring, 0
	}
	d.data, d.page = q.store(d.data)
	q.count++
	*q.at(q.count - 1) = d
	q.bytes += len(d.data) + udpOverhead
}

func (q *udpQueue) at(i int) *queuedDatagram { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

// store returns a copy of data and the page it is in.
func (q *udpQueue) store(data []byte) ([]byte, *udpPage) {
	if len(data) > maxInPage {
		return append([]byte(nil), data...), nil
	}
	p := q.last
	if p == nil || len(data) > len(p.memory)-p.used {
		p = udpPages.Get().(*udpPage)
		p.used = 0
		q.last = p
	}
	to := p.memory[p.used : p.used+len(data)]
	copy(to, data)
	p.used += len(data)
	p.users++
	return to, p
}

// pop copies the oldest datagram's data to b and returns the datagram without it, and the number of bytes copied. The queue
// must not be empty.
func (q *udpQueue) pop(b []byte) (d queuedDatagram, n int, truncated bool) {
	at := q.at(0)
	d = *at
	*at = queuedDatagram{}
	n = copy(b, d.data)
	truncated = n < len(d.data)
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	q.bytes -= len(d.data) + udpOverhead
	if d.page != nil {
		if d.page.users--; d.page.users == 0 && d.page != q.last {
			udpPages.Put(d.page)
		}
	}
	if q.count == 0 {
		q.clear()
	}
	d.data, d.page = nil, nil
	return d, n, truncated
}

// clear discards everything and returns the memory.
func (q *udpQueue) clear() {
	for i := range q.count {
		at := q.at(i)
		if p := at.page; p != nil {
			if p.users--; p.users == 0 && p != q.last {
				udpPages.Put(p)
			}
		}
		*at = queuedDatagram{}
	}
	if q.last != nil {
		udpPages.Put(q.last)
	}
	q.first, q.count, q.bytes, q.last = 0, 0, 0, nil
	if len(q.ring) > leastRing {
		q.ring = nil
	}
}
