package conn

// State is a connection state of RFC 9293 3.3.2.
type State uint8

// The states. A [Conn] is never in Listen: listeners belong to the driver, and a SYN to one becomes a [Handshake].
const (
	Closed State = iota
	Listen
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait
)

var stateNames = [...]string{
	Closed:      "CLOSED",
	Listen:      "LISTEN",
	SynSent:     "SYN-SENT",
	SynReceived: "SYN-RECEIVED",
	Established: "ESTABLISHED",
	FinWait1:    "FIN-WAIT-1",
	FinWait2:    "FIN-WAIT-2",
	CloseWait:   "CLOSE-WAIT",
	Closing:     "CLOSING",
	LastAck:     "LAST-ACK",
	TimeWait:    "TIME-WAIT",
}

// String returns the RFC's name, such as "FIN-WAIT-1".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "UNKNOWN"
}

// edges holds the set of states that may follow each state: the arrows of RFC 9293 figure 5 and, from every state, the
// one to CLOSED (RST, abort, timeout). Two arrows of the figure are missing because a close before ESTABLISHED takes
// effect there (RFC 9293 3.10.4): the connection passes through ESTABLISHED.
var edges = [...]uint16{
	Closed:      1<<SynSent | 1<<SynReceived,
	SynSent:     1<<Established | 1<<SynReceived | 1<<Closed,
	SynReceived: 1<<Established | 1<<Closed,
	Established: 1<<FinWait1 | 1<<CloseWait | 1<<Closed,
	FinWait1:    1<<FinWait2 | 1<<Closing | 1<<TimeWait | 1<<Closed,
	FinWait2:    1<<TimeWait | 1<<Closed,
	CloseWait:   1<<LastAck | 1<<Closed,
	Closing:     1<<TimeWait | 1<<Closed,
	LastAck:     1 << Closed,
	TimeWait:    1 << Closed,
}

// setState sets the state, and nothing else does. It panics if RFC 9293 has no such arrow, which no input can
// cause.
func (c *Conn) setState(s State) {
	if edges[c.state]&(1<<s) == 0 {
		panic("conn: no arrow from " + c.state.String() + " to " + s.String())
	}
	c.state = s
}

// synchronized reports whether both ends know each other's sequence numbers (RFC 9293 3.3.2).
func (s State) synchronized() bool { return s >= Established }

// maySend reports whether the application may queue data: it has not closed the sending direction.
func (s State) maySend() bool { return s == Established || s == CloseWait }

// mayReceive reports whether data may arrive: the peer's FIN has not been processed.
func (s State) mayReceive() bool { return s == Established || s == FinWait1 || s == FinWait2 }
