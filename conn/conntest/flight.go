package conntest

import "minitcp/conn"

// packet is on its way.
type packet struct {
	at       conn.Time
	order    int // of departure, among those that arrive at one instant
	from, to *End
	seg      conn.Segment
	note     conn.Note
	damage   bool
	copied   bool // the network made it of another
	twin     bool // there is another like it
	replaced bool // an acknowledgment whose place a later one has taken
}

// flight is the packets that are on their way, the next to arrive first: a heap.
type flight []*packet

func (f flight) before(i, j int) bool {
	return f[i].at < f[j].at || f[i].at == f[j].at && f[i].order < f[j].order
}

func (f *flight) push(k *packet) {
	*f = append(*f, k)
	h := *f
	for i := len(h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (f *flight) pop() *packet {
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

// next is when the next packet arrives.
func (f flight) next() conn.Time {
	if len(f) == 0 {
		return conn.Never
	}
	return f[0].at
}
