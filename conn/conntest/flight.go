package conntest

import "minitcp/conn"

// packet is a packet in flight.
type packet struct {
	at         conn.Time
	order      int // order of departure, for packets that arrive at the same time
	from, to   *End
	seg        conn.Segment
	note       conn.Note
	damage     bool
	copied     bool // a copy made by the network
	duplicated bool // one of several copies
	replaced   bool // an ACK replaced by a later one
}

// packetHeap is a heap of the packets in flight, with the next to arrive first.
type packetHeap []*packet

func (f packetHeap) before(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}

func (f *packetHeap) push(k *packet) {
	*f = append(*f, k)
	h := *f
	for i := len(h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (f *packetHeap) pop() *packet {
	h := *f
	k, n := h[0], len(h)-1
	h[0], h[n] = h[n], nil
	h = h[:n]
	*f = h
	for i := 0; ; {
		least := i
		for j := 2*i + 1; j < min(2*i+3, n); j++ {
			if h.before(j, least) {
				least = j
			}
		}
		if least == i {
			return k
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// next returns the time of the next arrival.
func (f packetHeap) next() conn.Time {
	if len(f) == 0 {
		return conn.Never
	}
	return f[0].at
}
