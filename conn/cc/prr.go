package cc

// PRR is proportional rate reduction (RFC 9937): it reduces the window during an episode of loss recovery in proportion
// to the data delivered, from the data in flight at the beginning to the controller's threshold, so that sending never
// stops.
type PRR struct {
	flight    int64 // RecoverFS
	threshold int64 // ssthresh
	delivered int64 // bytes delivered in the episode
	sent      int64 // bytes sent in the episode
	window    int64
}

// Delivery describes an ACK to a [PRR].
type Delivery struct {
	Bytes  int64 // newly delivered
	Pipe   int64 // in flight now
	MSS    int64
	Safe   bool // the ACK has moved SND.UNA, and shows no further loss
	Marked bool // the cause of the reduction is an ECN mark, so there is nothing to retransmit
}

// NewPRR begins an episode with a number of bytes in flight, which is at least 1, and the window to reach.
func NewPRR(flight, threshold int64) PRR { return PRR{flight: max(1, flight), threshold: threshold} }

// Window returns the number of bytes that may be in flight.
func (p *PRR) Window() int64 { return p.window }

// SetWindow sets the number of bytes that may be in flight until the next ACK.
func (p *PRR) SetWindow(n int64) { p.window = n }

// OnSent is called when n bytes have been sent.
func (p *PRR) OnSent(n int64) { p.sent += n }

// OnAck is called for each ACK of the episode that delivers data or shows a loss.
func (p *PRR) OnAck(d Delivery) {
	p.delivered += d.Bytes
	var more int64
	if d.Pipe > p.threshold {
		more = (p.delivered*p.threshold+p.flight-1)/p.flight - p.sent
		if !d.Marked {
			// Deviation: RFC 9937 6.2 counts bytes, and a share of less than a segment waits. It leaves early as a
			// whole segment here, as on Linux, which counts segments: few ACKs arrive in an episode that begins with
			// few segments in flight. The excess is part of sent, so that later ACKs make up for it. A reduction for a
			// mark has nothing to repair, and counts bytes.
			more = (max(0, more) + d.MSS - 1) / d.MSS * d.MSS
		}
	} else {
		more = max(p.delivered-p.sent, d.Bytes) // PRR-CRB: the pipe does not shrink further
		if d.Safe {
			more += d.MSS // PRR-SSRB: slow start up to the threshold
		}
		more = min(more, p.threshold-d.Pipe)
	}
	if p.sent == 0 && !d.Marked {
		more = max(more, d.MSS) // the first retransmission
	}
	p.window = d.Pipe + max(0, more)
}
