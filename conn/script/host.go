package script

import (
	"slices"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// host is what lies around package conn in place of a stack: connections by the order in which they began, and sockets.
// It treats the connections as package stack does.
type host struct {
	now     conn.Time
	s       *settings
	flows   []*flow
	current *flow // the one the script's segments belong to
	fresh   bool  // listen was called: the next SYN begins another flow
	sockets []*socket
	sent    []*sent // not yet expected by the script
	log     []logged
	out     conn.Outgoing
	header  [60]byte
}

// machine is what an embryo, a connection and what remains of one have in common.
type machine interface {
	Advance(now conn.Time)
	Transmit(now conn.Time, limit int, out *conn.Outgoing) bool
	Deadline() conn.Time
}

// flow is a pair of addresses and ports, whether or not there is a connection on it.
type flow struct {
	tcp  machine    // *conn.Embryo, *conn.Conn, *conn.Remnant, or nil
	last *conn.Conn // the last connection there was, for assertions

	listener *socket // of an embryo

	incarnation int // how many connections there have been
	numbers     numbering
}

// sent is a segment of ours.
type sent struct {
	at          conn.Time
	flow        *flow
	incarnation int
	tcp         wire.TCP
	ecn         wire.ECN
	options     []option
	data        []byte
}

// epoch is when scripts begin: not at 0, which could hide a timer that was never set.
const epoch = conn.Time(1000e9)

// Our initial sequence numbers and timestamps are shortly before they wrap around, so that every script of some length
// sees it happen.
const (
	initialSequence  = 1<<32 - 512
	timestampsOffset = 1<<32 - 1000e3 - 250
)

func newHost(s *settings) *host { return &host{now: epoch, s: s} }

func (h *host) open() conn.Open {
	o := conn.Open{ISS: initialSequence, TSOffset: timestampsOffset, MTU: h.s.mtu, IPHeader: wire.IPv4HeaderLen}
	if h.s.ipv6 {
		o.IPHeader = wire.IPv6HeaderLen
	}
	return o
}

// openFor is open for a socket with a limit on its segments, which shows as a smaller MTU does.
func (h *host) openFor(u *socket) conn.Open {
	o := h.open()
	if u.options.maxSegment > 0 {
		o.MTU = min(o.MTU, u.options.maxSegment+o.IPHeader+tcpHeaderLen)
	}
	return o
}

const tcpHeaderLen = 20

func (h *host) newFlow() *flow {
	f := &flow{}
	h.flows = append(h.flows, f)
	h.current = f
	h.fresh = false
	return f
}

// deadline is when the first timer runs out.
func (h *host) deadline() conn.Time {
	d := conn.Never
	for _, f := range h.flows {
		if f.tcp != nil {
			d = min(d, f.tcp.Deadline())
		}
	}
	return d
}

// fire runs the timers that are due.
func (h *host) fire() {
	for _, f := range h.flows {
		if f.tcp != nil && f.tcp.Deadline() <= h.now {
			f.tcp.Advance(h.now)
			h.settle(f)
		}
	}
}

// receive takes the octets of a segment for the flow, from a packet with that codepoint.
func (h *host) receive(f *flow, segment []byte, e wire.ECN) {
	s := conn.Segment{ECN: e}
	data, err := wire.ParseTCP(segment, &s.TCP)
	if err != nil {
		return // as damaged as one with a wrong checksum
	}
	s.Data = data
	switch tcp := f.tcp.(type) {
	case nil:
		h.stray(f, &s, nil)
	case *conn.Embryo:
		h.receiveEmbryo(f, tcp, &s)
	case *conn.Conn:
		tcp.Receive(h.now, &s)
	case *conn.Remnant:
		if tcp.Receive(h.now, &s) != conn.VerdictReopen {
			break
		}
		if h.listener() == nil {
			tcp.Refuse(h.now)
			break
		}
		f.tcp = nil
		h.stray(f, &s, tcp)
	}
	h.settle(f)
}

// receiveEmbryo makes a connection of the embryo when its handshake is complete and there is room for one.
func (h *host) receiveEmbryo(f *flow, e *conn.Embryo, s *conn.Segment) {
	e.Receive(h.now, s)
	if e.State() != conn.EmbryoReady || len(f.listener.queue) >= f.listener.backlog {
		return
	}
	tcp := e.Establish(h.now)
	f.last = tcp
	f.tcp = tcp
	u := &socket{s: h.s, options: f.listener.options, flow: f, tcp: tcp, connected: true}
	f.listener.queue = append(f.listener.queue, u)
	f.listener = nil
	tcp.Receive(h.now, s)
}

// stray takes a segment for which there is no connection: CLOSED and LISTEN (RFC 9293 3.10.7.1 and 3.10.7.2).
func (h *host) stray(f *flow, s *conn.Segment, old *conn.Remnant) {
	l := h.listener()
	action := conn.ListenReset // as CLOSED has it
	if l != nil {
		action = conn.ReceiveListen(s.TCP.Flags)
	}
	switch action {
	case conn.ListenOpen:
		o := h.openFor(l)
		if old != nil {
			o.ISS = old.ISN(o.ISS)
		}
		f.begin(o.ISS)
		f.tcp, f.listener = conn.NewEmbryo(h.now, l.config(), o, &s.TCP), l
	case conn.ListenReset:
		if conn.Reset(&s.TCP, len(s.Data), &h.out) {
			h.send(f)
		}
	}
}

// listener is the socket that listens, the last if there are several.
func (h *host) listener() (l *socket) {
	for _, u := range h.sockets {
		if u.listening {
			l = u
		}
	}
	return l
}

// receiveICMP takes an ICMP error about the flow.
func (h *host) receiveICMP(f *flow, e conn.ICMPError) {
	if tcp, ok := f.tcp.(*conn.Conn); ok {
		tcp.ReceiveICMP(h.now, e)
		h.settle(f)
	}
}

// settle sends what is to be sent and moves the flow on when its connection has ended or entered TIME-WAIT.
func (h *host) settle(f *flow) {
	if f.tcp == nil {
		return
	}
	for f.tcp.Transmit(h.now, 0, &h.out) {
		h.send(f)
	}
	switch tcp := f.tcp.(type) {
	case *conn.Embryo:
		if tcp.State() == conn.EmbryoDead {
			f.tcp, f.listener = nil, nil
		}
	case *conn.Conn:
		switch {
		case tcp.Ready()&conn.ReadyClosed != 0:
			f.tcp = nil
		case tcp.State() == conn.TimeWait:
			f.tcp = tcp.Remnant(h.now)
		}
	case *conn.Remnant:
		if tcp.Expired(h.now) {
			f.tcp = nil
		}
	}
}

// send keeps what is in h.out for the script to expect. Its header is written and read again: what the script sees is
// what would be on the wire.
func (h *host) send(f *flow) {
	n := wire.PutTCP(h.header[:], &h.out.TCP)
	s := sent{at: h.now, flow: f, incarnation: f.incarnation, tcp: h.out.TCP, ecn: h.out.ECN}
	s.options = decodeOptions(h.header[tcpHeaderLen:n])
	for _, d := range h.out.Data {
		s.data = append(s.data, d...)
	}
	h.sent = append(h.sent, &s)
	h.log = append(h.log, logged{at: h.now, sent: &s})
}

// logged is a line of the exchange: a segment of ours, or something else.
type logged struct {
	at   conn.Time
	text string
	sent *sent
}

func (h *host) note(text string) { h.log = append(h.log, logged{at: h.now, text: text}) }

// tail is the last lines of the exchange.
func (h *host) tail(lines int) (tail []string) {
	for _, l := range h.log[max(0, len(h.log)-lines):] {
		text := l.text
		if l.sent != nil {
			text = "> " + l.sent.script().String()
			if slices.Contains(h.sent, l.sent) {
				text += "   (not expected yet)"
			}
		}
		tail = append(tail, seconds(l.at)+" "+text)
	}
	return tail
}

// begin is the beginning of a connection of ours.
func (f *flow) begin(iss uint32) {
	f.incarnation++
	f.numbers = numbering{iss: iss}
}

// state is the connection's state, CLOSED if there is none.
func (f *flow) state() conn.State {
	switch tcp := f.tcp.(type) {
	case *conn.Embryo:
		return conn.SynReceived
	case *conn.Conn:
		return tcp.State()
	case *conn.Remnant:
		return conn.TimeWait
	}
	return conn.Closed
}
