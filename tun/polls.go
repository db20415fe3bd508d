//go:build linux

package tun

// polls decides how often an empty queue is polled, yielding in between, before the reader blocks. To block and be
// woken costs more than the time in which a peer on the same machine replies. But polls that find nothing take the CPU
// from the peer, or from the program whose data the peer waits for.
//
// So a reader polls many times while that finds more frames than it misses, and a few times otherwise. Now and then it
// polls many times to find out. Compared with many polls each time, that saves CPU time beside other work and in a
// forwarder, and makes no difference with the CPUs to itself. bench/README.md has the measurements.
type polls struct {
	n       int  // polls of this wait
	most    int  // of this wait
	credit  int  // frames that many polls have found, less the waits in which they found none; not negative
	waits   int  // waits that found the queue empty
	blocked bool // the reader has blocked in this wait
}

const (
	manyPolls = 64
	fewPolls  = 4
	maxCredit = 16
	// trial is the number of waits of which one has manyPolls in any case.
	trial = 32
)

// begin begins a wait.
func (p *polls) begin() { p.n, p.blocked = 0, false }

// again reports whether to poll the empty queue once more.
func (p *polls) again() bool {
	if p.n == 0 {
		p.most = fewPolls
		if p.waits++; p.credit > 0 || p.waits%trial == 0 {
			p.most = manyPolls
		}
	}
	if p.n < p.most {
		p.n++
		return true
	}
	if !p.blocked {
		p.blocked = true
		p.credit = max(p.credit-1, 0)
	}
	return false
}

// found notes that there is a frame.
func (p *polls) found() {
	if p.n > fewPolls && !p.blocked {
		p.credit = min(p.credit+1, maxCredit)
	}
}
