// Package datagrams queues datagrams until they are read.
package datagrams

import (
	"net/netip"
	"sync"
	"unsafe"

	"minitcp/conn/wire"
)

// Queue holds the datagrams of a socket that have not been read. Their data lies in pages, each with the data of
// several datagrams in order of arrival, so that small datagrams take little memory and an empty queue takes none. The
// zero value is an empty queue.
type Queue struct {
	ring  []Datagram // a power of two of them, or none
	first int
	count int
	bytes int   // of data, with Overhead for each datagram
	pages int   // in use
	large int   // bytes of data that is not in pages
	last  *page // the page that the next datagram's data goes to; nil in an empty queue
}

// Datagram is a datagram that has arrived.
type Datagram struct {
	Data   []byte
	Remote netip.AddrPort
	Local  netip.Addr
	ECN    wire.ECN
	// HopLimit is the TTL or hop limit in the IP header.
	HopLimit uint8
	page     *page // nil: Data has memory of its own
}

// page is memory for the data of several datagrams.
type page struct {
	memory [16 << 10]byte
	used   int // bytes
	users  int // datagrams that have not been read
}

var pages = sync.Pool{New: func() any { return new(page) }}

const (
	// Overhead is the number of bytes that a datagram counts besides its data.
	Overhead = 64
	// maxInPage is the largest datagram, in bytes, whose data goes to a page.
	maxInPage = 4 << 10
	// leastRing is the number of datagrams that a ring has room for at first, and that it keeps when the queue is empty.
	leastRing = 8
)

// Len returns the number of datagrams.
func (q *Queue) Len() int { return q.count }

// Next returns the number of bytes of data of the oldest datagram. The queue must not be empty.
func (q *Queue) Next() int { return len(q.at(0).Data) }

// Bytes returns the number of bytes of data, with Overhead for each datagram.
func (q *Queue) Bytes() int { return q.bytes }

// Push adds a datagram. It copies d.Data.
func (q *Queue) Push(d Datagram) {
	if q.count == len(q.ring) {
		ring := make([]Datagram, max(leastRing, 2*len(q.ring)))
		for i := range q.count {
			ring[i] = *q.at(i)
		}
		q.ring, q.first = ring, 0
	}
	d.Data, d.page = q.store(d.Data)
	q.count++
	*q.at(q.count - 1) = d
	q.bytes += len(d.Data) + Overhead
}

// Memory returns the number of bytes of memory that the queue occupies.
func (q *Queue) Memory() int {
	return len(q.ring)*int(unsafe.Sizeof(Datagram{})) + q.pages*len(page{}.memory) + q.large
}

func (q *Queue) at(i int) *Datagram { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

// store returns a copy of data and the page it is in.
func (q *Queue) store(data []byte) ([]byte, *page) {
	if len(data) > maxInPage {
		q.large += len(data)
		return append([]byte(nil), data...), nil
	}
	p := q.last
	if p == nil || len(data) > len(p.memory)-p.used {
		p = pages.Get().(*page)
		q.pages++
		p.used = 0
		q.last = p
	}
	to := p.memory[p.used : p.used+len(data)]
	copy(to, data)
	p.used += len(data)
	p.users++
	return to, p
}

// Pop copies the oldest datagram's data to b and returns the datagram without it, and the number of bytes copied. The
// queue must not be empty.
func (q *Queue) Pop(b []byte) (d Datagram, n int, truncated bool) {
	at := q.at(0)
	d = *at
	*at = Datagram{}
	n = copy(b, d.Data)
	truncated = n < len(d.Data)
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	q.bytes -= len(d.Data) + Overhead
	q.free(&d)
	if q.count == 0 {
		q.Clear()
	}
	d.Data, d.page = nil, nil
	return d, n, truncated
}

// Clear discards everything and returns the memory.
func (q *Queue) Clear() {
	for i := range q.count {
		at := q.at(i)
		q.free(at)
		*at = Datagram{}
	}
	if q.last != nil {
		q.put(q.last)
	}
	q.first, q.count, q.bytes, q.last = 0, 0, 0, nil
	if len(q.ring) > leastRing {
		q.ring = nil
	}
}

// free returns the memory of a datagram's data.
func (q *Queue) free(d *Datagram) {
	if d.page == nil {
		if len(d.Data) > maxInPage {
			q.large -= len(d.Data)
		}
		return
	}
	if d.page.users--; d.page.users == 0 && d.page != q.last {
		q.put(d.page)
	}
}

// put returns a page.
func (q *Queue) put(p *page) {
	q.pages--
	pages.Put(p)
}
