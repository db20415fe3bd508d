//go:build linux

package tun

// polls decides how often an empty queue is polled, yielding in between, before the reader blocks. To block and be
// woken costs more than the time in which a peer on the same machine replies. But polls that find nothing take the CPU
// from the peer, or from the program whose data the peer waits for. bench/README.md has the measurements.
//
// So the number follows the success: it is twice as large as a wait needed that found a frame, and half as large after
// a wait that did not. Now and then it is the largest, to find out whether that has changed.
type polls struct {
	n       int // polls of this wait
	most    int // of this wait
	usual   int // of the next one
	waits   int
	blocked bool // the reader has blocked in this wait
}

const (
	maxPolls = 64
	minPolls = 2
	// fullWaits is the number of waits of which one has maxPolls.
	fullWaits = 32
)

// begin begins a wait.
func (p *polls) begin() { p.n, p.blocked = 0, false }

// again reports whether to poll the empty queue once more.
func (p *polls) again() bool {
	if p.n == 0 {
		p.most = max(p.usual, minPolls)
		if p.waits++; p.waits%fullWaits == 0 {
			p.most = maxPolls
		}
	}
	if p.n < p.most {
		p.n++
		return true
	}
	if !p.blocked {
		p.blocked = true
		p.usual /= 2
	}
	return false
}

// found notes that there is a frame.
func (p *polls) found() {
	if p.n > 0 && !p.blocked {
		p.usual = min(2*p.n, maxPolls)
	}
}
