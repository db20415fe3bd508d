package stack

import (
	"net/netip"
	"sync"

	"minitcp/conn/wire"
)

// datagramQueue holds the datagrams of a socket that have not been read. Their data lies in pages, each with the data
// of several datagrams in order of arrival, so that small datagrams take little memory and an empty queue takes none.
type datagramQueue struct {
	ring  []queuedDatagram // a power of two of them, or none
	first int
	count int
	bytes int           // of data, with datagramOverhead for each datagram
	last  *datagramPage // the page that the next datagram's data goes to; nil in an empty queue
}

// queuedDatagram is a datagram that has arrived.
type queuedDatagram struct {
	data   []byte
	page   *datagramPage // nil: data has memory of its own
	remote netip.AddrPort
	local  netip.Addr
	ecn    wire.ECN
}

// datagramPage is memory for the data of several datagrams.
type datagramPage struct {
	memory [16 << 10]byte
	used   int // bytes
	users  int // datagrams that have not been read
}

var datagramPages = sync.Pool{New: func() any { return new(datagramPage) }}

const (
	// datagramOverhead is the number of bytes that a datagram counts besides its data.
	datagramOverhead = 64
	// maxInPage is the largest datagram, in bytes, whose data goes to a page.
	maxInPage = 4 << 10
	// leastRing is the number of datagrams that a ring has room for at first, and that it keeps when the queue is empty.
	leastRing = 8
)

// push adds a datagram. It copies d.data.
func (q *datagramQueue) push(d queuedDatagram) {
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
	q.bytes += len(d.data) + datagramOverhead
}

func (q *datagramQueue) at(i int) *queuedDatagram { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

// store returns a copy of data and the page it is in.
func (q *datagramQueue) store(data []byte) ([]byte, *datagramPage) {
	if len(data) > maxInPage {
		return append([]byte(nil), data...), nil
	}
	p := q.last
	if p == nil || len(data) > len(p.memory)-p.used {
		p = datagramPages.Get().(*datagramPage)
		p.used = 0
		q.last = p
	}
	to := p.memory[p.used : p.used+len(data)]
	copy(to, data)
	p.used += len(data)
	p.users++
	return to, p
}

// pop copies the oldest datagram's data to b and returns the datagram without it, and the number of bytes copied. The
// queue must not be empty.
func (q *datagramQueue) pop(b []byte) (d queuedDatagram, n int, truncated bool) {
	at := q.at(0)
	d = *at
	*at = queuedDatagram{}
	n = copy(b, d.data)
	truncated = n < len(d.data)
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	q.bytes -= len(d.data) + datagramOverhead
	if d.page != nil {
		if d.page.users--; d.page.users == 0 && d.page != q.last {
			datagramPages.Put(d.page)
		}
	}
	if q.count == 0 {
		q.clear()
	}
	d.data, d.page = nil, nil
	return d, n, truncated
}

// clear discards everything and returns the memory.
func (q *datagramQueue) clear() {
	for i := range q.count {
		at := q.at(i)
		if p := at.page; p != nil {
			if p.users--; p.users == 0 && p != q.last {
				datagramPages.Put(p)
			}
		}
		*at = queuedDatagram{}
	}
	if q.last != nil {
		datagramPages.Put(q.last)
	}
	q.first, q.count, q.bytes, q.last = 0, 0, 0, nil
	if len(q.ring) > leastRing {
		q.ring = nil
	}
}
