package conn

// Ready is a set of conditions that an application waits for.
type Ready uint8

const (
	// ReadyRead means that Read would return data, io.EOF or an error.
	ReadyRead Ready = 1 << iota
	// ReadyWrite means that Write would take a useful amount of data, or return an error.
	ReadyWrite
	// ReadyConnected means that the handshake has completed or failed.
	ReadyConnected
	// ReadyUrgent means that urgent data is not read yet (RFC 9293 3.8.5, MUST-32).
	ReadyUrgent
	// ReadyTrouble means that one segment has been retransmitted R1 times (RFC 9293 3.8.3, SHLD-9).
	ReadyTrouble
	// ReadyClosed means that the connection has ended and has nothing left to send. The driver may drop it.
	ReadyClosed
)

var readyNames = [...]string{"read", "write", "connected", "urgent", "trouble", "closed"}

// String returns the names of the conditions with a "|" between them, such as "read|write", or "none".
func (r Ready) String() string {
	text := ""
	for i, name := range readyNames {
		if r&(1<<i) != 0 {
			text += "|" + name
		}
	}
	if text == "" {
		return "none"
	}
	return text[1:]
}

// Readable reports whether [ReadyRead] holds.
func (c *Conn) Readable() bool {
	return c.rcv.buf.Readable() > 0 || c.rcv.finDone || c.rcv.discard || c.state == Closed
}

// Ready returns the conditions that hold now.
func (c *Conn) Ready() Ready {
	var r Ready
	over := c.state == Closed
	if c.Readable() {
		r |= ReadyRead
	}
	if over || c.snd.finQueued || (c.state.maySend() || c.early() || c.AwaitsData()) && c.hasSendRoom() {
		r |= ReadyWrite
	}
	if over || c.state.synchronized() {
		r |= ReadyConnected
	}
	if _, pending := c.Urgent(); pending {
		r |= ReadyUrgent
	}
	if int(c.timeouts) >= c.cfg.R1 {
		r |= ReadyTrouble
	}
	if over && !c.resetDue {
		r |= ReadyClosed
	}
	return r
}
