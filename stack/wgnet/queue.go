package wgnet

import "minitcp/stack/internal/gso"

// packetQueue is packets that wait to be read, in order.
type packetQueue struct {
	ring  [][]byte // a power of two of them, or none
	first int
	count int
	spare [][]byte // memory for packets
}

// push adds the next packet that c cuts, which is at most mtu bytes long.
func (q *packetQueue) push(c *gso.Cutter, mtu int) {
	if q.count == len(q.ring) {
		ring := make([][]byte, max(8, 2*len(q.ring)))
		for i := range q.count {
			ring[i] = q.ring[(q.first+i)&(len(q.ring)-1)]
		}
		q.ring, q.first = ring, 0
	}
	var p []byte
	if n := len(q.spare); n > 0 {
		p, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		p = make([]byte, mtu)
	}
	if n := c.Next(p); n > 0 {
		q.ring[(q.first+q.count)&(len(q.ring)-1)] = p[:n]
		q.count++
	}
}

// pop takes the oldest packet out, copies it to b and returns its length in bytes. If b is too short the packet is
// lost, and pop returns 0. The queue must not be empty.
func (q *packetQueue) pop(b []byte) int {
	at := &q.ring[q.first]
	n := 0
	if len(*at) <= len(b) {
		n = copy(b, *at)
	}
	if len(q.spare) < batchSize {
		q.spare = append(q.spare, (*at)[:cap(*at)])
	}
	*at = nil
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.count--
	return n
}
