package script

import (
	"slices"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

// host drives the connections of package conn in place of package stack. It has connections, in the order in which they
// began, and sockets.
type host struct {
	now     conn.Time
	s       *settings
	flows   []*flow
	current *flow // the flow of the script's segments
	fresh   bool  // whether the next SYN begins another flow, after a listen
	sockets []*socket
	sent    []*sent // segments that the script has not expected yet
	log     []logged
	out     conn.Outgoing
	header  [60]byte

	// Knowledge of earlier connections; there is only one other host.
	path  conn.KnownPath
	offer fastopen.Offer
}

// endpoint is the common interface of a handshake, a connection and one in TIME-WAIT.
type endpoint interface {
	Advance(now conn.Time)
	Transmit(now conn.Time, limit int, out *conn.Outgoing) bool
	Deadline() conn.Time
}

// flow is a pair of addresses and ports, with or without a connection.
type flow struct {
	tcp  endpoint   // *conn.Handshake, *conn.Conn, *conn.TimeWaitConn, or nil
	last *conn.Conn // the last connection, open or not, for assertions

	listener *socket // of a handshake
	synData  int64   // bytes of data in our SYN

	incarnation int // number of connections so far
	numbers     numbering
}

// sent is a segment that the host sent.
type sent struct {
	at          conn.Time
	flow        *flow
	incarnation int
	tcp         wire.TCP
	ecn         wire.ECN
	options     []option
	data        []byte
	segmentSize int // of the segments of a GSO packet; 0 for a segment
}

// epoch is the time at which scripts begin. It is not 0, which could hide a timer that was never set.
const epoch = conn.Time(1000e9)

// The host's sequence numbers and timestamps begin shortly before they wrap around, so that every long script covers
// the wrap.
const (
	initialSequence  = 1<<32 - 512
	timestampsOffset = 1<<32 - 1000e3 - 250
)

func newHost(s *settings) *host { return &host{now: epoch, s: s} }

// open returns the parameters of a new connection.
func (h *host) open() conn.Open {
	o := conn.Open{ISS: initialSequence, TSOffset: timestampsOffset, MTU: h.s.mtu, IPHeader: wire.IPv4HeaderLen, Path: h.path}
	if h.s.ipv6 {
		o.IPHeader = wire.IPv6HeaderLen
	}
	return o
}

// openFor returns the parameters of a new connection of a socket. A limit on its segments has the effect of a smaller
// MTU.
func (h *host) openFor(u *socket) conn.Open {
	o := h.open()
	if u.options.maxSegment > 0 {
		o.MTU = min(o.MTU, u.options.maxSegment+o.IPHeader+tcpHeaderLen)
	}
	return o
}

const tcpHeaderLen = 20

// newFlow adds a flow and makes it the current one.
func (h *host) newFlow() *flow {
	f := &flow{numbers: numbering{relative: h.s.asLinux}}
	h.flows = append(h.flows, f)
	h.current = f
	h.fresh = false
	return f
}

// deadline returns the time at which the first timer expires.
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
			h.flush(f)
		}
	}
}

// receive processes a segment of a flow, from a packet with the codepoint e.
func (h *host) receive(f *flow, segment []byte, e wire.ECN) {
	s := conn.Segment{ECN: e}
	data, err := wire.ParseTCP(segment, &s.TCP)
	if err != nil {
		return // dropped like a segment with a wrong checksum
	}
	s.Data = data
	switch tcp := f.tcp.(type) {
	case nil:
		h.noConnection(f, &s, nil)
	case *conn.Handshake:
		h.receiveHandshake(f, tcp, &s)
	case *conn.Conn:
		tcp.Receive(h.now, &s)
	case *conn.TimeWaitConn:
		if tcp.Receive(h.now, &s) != conn.VerdictReopen {
			break
		}
		if h.listener() == nil {
			tcp.Refuse(h.now)
			break
		}
		f.tcp = nil
		h.noConnection(f, &s, tcp)
	}
	h.flush(f)
}

// receiveHandshake processes a segment of a handshake. If the handshake is complete and the accept queue has room, the
// connection is established.
func (h *host) receiveHandshake(f *flow, e *conn.Handshake, s *conn.Segment) {
	e.Receive(h.now, s)
	if e.State() != conn.Established || len(f.listener.queue) >= f.listener.backlog {
		return
	}
	tcp := e.Establish(h.now)
	h.accepted(f, f.listener, tcp)
	tcp.Receive(h.now, s)
}

// accepted makes tcp the connection of f, and adds it to the accept queue of a listener.
func (h *host) accepted(f *flow, l *socket, tcp *conn.Conn) {
	f.tcp, f.last, f.listener = tcp, tcp, nil
	l.queue = append(l.queue, &socket{s: h.s, options: l.options, flow: f, tcp: tcp, connected: true})
}

// noConnection processes a segment that belongs to no connection (RFC 9293 3.10.7.1, 3.10.7.2). old is the connection
// in TIME-WAIT that the segment replaces, or nil.
func (h *host) noConnection(f *flow, s *conn.Segment, old *conn.TimeWaitConn) {
	l := h.listener()
	action := conn.ListenReset // in CLOSED
	if l != nil {
		action = conn.ReceiveListen(s.TCP.Flags)
	}
	switch action {
	case conn.ListenOpen:
		o := h.openFor(l)
		o.ECN = s.ECN
		if old != nil {
			o.ISS = old.ISN(o.ISS)
		}
		f.begin(o.ISS)
		handshake := conn.NewHandshake(h.now, l.config(), o, &s.TCP)
		if l.fastOpens(s, handshake) {
			h.accepted(f, l, handshake.FastOpen(h.now, s, wire.FastOpen{}))
			break
		}
		f.tcp, f.listener = handshake, l
	case conn.ListenReset:
		if conn.Reset(&s.TCP, len(s.Data), &h.out) {
			h.send(f)
		}
	}
}

// listener returns the last socket that listens, or nil.
func (h *host) listener() (l *socket) {
	for _, u := range h.sockets {
		if u.listening {
			l = u
		}
	}
	return l
}

// receiveICMP processes an ICMP error about a flow.
func (h *host) receiveICMP(f *flow, e conn.ICMPError) {
	if tcp, ok := f.tcp.(*conn.Conn); ok {
		tcp.ReceiveICMP(h.now, e)
		h.flush(f)
	}
}

// flush sends pending segments. It replaces a connection that has entered TIME-WAIT, and removes one that has ended.
func (h *host) flush(f *flow) {
	if f.tcp == nil {
		return
	}
	for f.tcp.Transmit(h.now, h.s.gso, &h.out) {
		h.send(f)
	}
	switch tcp := f.tcp.(type) {
	case *conn.Handshake:
		if tcp.State() == conn.Closed {
			f.tcp, f.listener = nil, nil
		}
	case *conn.Conn:
		if tcp.PathNews() {
			_, h.path, _ = tcp.ReportPath()
		}
		if tcp.FastOpenNews() {
			if r := tcp.ReportFastOpen(); r.Learned.Option.Len > 0 {
				h.offer = r.Learned
			}
		}
		switch {
		case tcp.Ready()&conn.ReadyClosed != 0:
			f.tcp = nil
		case tcp.State() == conn.TimeWait:
			f.tcp = tcp.TimeWait(h.now)
		}
	case *conn.TimeWaitConn:
		if tcp.Expired(h.now) {
			f.tcp = nil
		}
	}
}

// send queues the segment in h.out for the script. The script sees the encoded header, as it would be on the wire.
func (h *host) send(f *flow) {
	n := wire.PutTCP(h.header[:], &h.out.TCP)
	s := sent{at: h.now, flow: f, incarnation: f.incarnation, tcp: h.out.TCP, ecn: h.out.ECN, segmentSize: h.out.SegmentSize}
	s.options = decodeOptions(h.header[tcpHeaderLen:n])
	for _, d := range h.out.Data {
		s.data = append(s.data, d...)
	}
	if h.out.TCP.Flags.Has(wire.SYN) && len(s.data) > 0 {
		f.synData = int64(len(s.data))
	}
	h.sent = append(h.sent, &s)
	h.log = append(h.log, logged{at: h.now, sent: &s})
}

// logged is a line of the log: a sent segment, or a text.
type logged struct {
	at   conn.Time
	text string
	sent *sent
}

// note adds a text to the log.
func (h *host) note(text string) { h.log = append(h.log, logged{at: h.now, text: text}) }

// tail returns the last lines of the log.
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

// begin starts the numbering of a new connection.
func (f *flow) begin(iss uint32) {
	f.incarnation++
	f.numbers = numbering{iss: iss, relative: f.numbers.relative, irs: f.numbers.irs}
}

// state returns the connection's state, CLOSED without a connection.
func (f *flow) state() conn.State {
	switch tcp := f.tcp.(type) {
	case *conn.Handshake:
		return conn.SynReceived
	case *conn.Conn:
		return tcp.State()
	case *conn.TimeWaitConn:
		return conn.TimeWait
	}
	return conn.Closed
}
