package emulator

import "time"

// transit is a binary heap of packets by time of arrival, and by order of entry at the same time.
type transit struct {
	packets []underway
	count   uint64
}

type underway struct {
	at     time.Duration
	number uint64
	packet []byte
}

func (a *underway) before(b *underway) bool {
	return a.at < b.at || a.at == b.at && a.number < b.number
}

func (t *transit) push(at time.Duration, packet []byte) {
	t.count++
	t.packets = append(t.packets, underway{at, t.count, packet})
	p := t.packets
	for i := len(p) - 1; i > 0; {
		parent := (i - 1) / 2
		if !p[i].before(&p[parent]) {
			break
		}
		p[i], p[parent] = p[parent], p[i]
		i = parent
	}
}

// pop removes and returns the first packet. There must be one.
func (t *transit) pop() []byte {
	p := t.packets
	first, last := p[0].packet, len(p)-1
	p[0], p[last] = p[last], underway{}
	p = p[:last]
	t.packets = p
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if p[child].before(&p[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		p[i], p[least] = p[least], p[i]
		i = least
	}
}
