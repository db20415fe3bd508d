package conn

import (
	"bytes"
	"fmt"
	"testing"

	"minitcp/conn/seq"
	"minitcp/conn/window"
	"minitcp/conn/wire"
)

// subject is the receiver of a segment of the matrix: a connection in one state, as a Conn, a Handshake or a
// TimeWaitConn, or a listener. The test makes the calls of a driver, in the same order.
type subject struct {
	*endpoint
	handshake *Handshake
	remnant   *TimeWaitConn
	listen    bool // in LISTEN; with no form at all it is CLOSED
	tcb       tcb
}

// tcb is RFC 9293's view of the subject before the segment: the variables of 3.3.1, as offsets.
type tcb struct {
	state         State
	passive       bool // the state before SYN-RECEIVED was LISTEN
	orphan        bool // the application has closed
	una, nxt      seq.Offset
	fin           seq.Offset // ours, 0: not sent
	maxWindow     seq.Offset // MAX.SND.WND
	rcvNxt, rcvUp seq.Offset // RCV.NXT, and RCV.NXT+RCV.WND
	read          seq.Offset // how far the application has read
}

// matrixGroup is one state and the places around its windows that can make a difference.
type matrixGroup struct {
	name   string
	about  string
	make   func(t *testing.T) *subject
	places []place
	acks   []acked
}

// place is the position at which a segment with n bytes of data begins.
type place struct {
	name string
	at   func(t *tcb, n seq.Offset) seq.Offset
}

// acked is the data that a segment acknowledges.
type acked struct {
	name string
	at   func(t *tcb) seq.Offset
}

var (
	placeLeft     = place{"left", func(t *tcb, _ seq.Offset) seq.Offset { return t.rcvNxt - 15 }}
	placeIRS      = place{"IRS", func(*tcb, seq.Offset) seq.Offset { return 0 }}
	placeFIN      = place{"FIN again", func(t *tcb, n seq.Offset) seq.Offset { return t.rcvNxt - 1 - n }}
	placeStraddle = place{"straddling", func(t *tcb, _ seq.Offset) seq.Offset { return t.rcvNxt - 5 }}
	placeEdge     = place{"edge", func(t *tcb, _ seq.Offset) seq.Offset { return t.rcvNxt }}
	placeInside   = place{"inside", func(t *tcb, _ seq.Offset) seq.Offset { return t.rcvNxt + 100 }}
	placeLast     = place{"last", func(t *tcb, _ seq.Offset) seq.Offset { return t.rcvUp - 1 }}
	placeRight    = place{"right", func(t *tcb, _ seq.Offset) seq.Offset { return t.rcvUp + 100 }}

	ackAncient = acked{"ancient", func(t *tcb) seq.Offset { return t.una - t.maxWindow - 1 }}
	ackOld     = acked{"old", func(t *tcb) seq.Offset { return t.una - 5 }}
	ackCurrent = acked{"current", func(t *tcb) seq.Offset { return t.una }}
	ackPart    = acked{"part", func(t *tcb) seq.Offset { return t.una + 20 }}
	ackNew     = acked{"new", func(t *tcb) seq.Offset { return t.nxt }}
	ackTooNew  = acked{"too new", func(t *tcb) seq.Offset { return t.nxt + 1 }}

	// A window: before it, its left edge, inside, beyond it.
	around     = []place{placeLeft, placeEdge, placeInside, placeRight}
	anywhere   = []place{placeLeft, placeEdge, placeRight}
	inFlight   = []acked{ackAncient, ackOld, ackCurrent, ackNew, ackTooNew}
	withFIN    = []acked{ackAncient, ackOld, ackCurrent, ackPart, ackNew, ackTooNew}
	noneFlying = []acked{ackAncient, ackOld, ackCurrent, ackTooNew}
)

var matrixGroups = []matrixGroup{
	{"CLOSED", "there is no connection", closedSubject, anywhere, inFlight},
	{"LISTEN", "", listenSubject, anywhere, inFlight},
	{"SYN-SENT", "our SYN is sent", synSentSubject, anywhere, inFlight},
	{"SYN-RECEIVED, passive", "from LISTEN; our SYN-ACK is sent", handshakeSubject,
		[]place{placeLeft, placeIRS, placeEdge, placeInside, placeRight}, inFlight},
	{"SYN-RECEIVED, active", "from SYN-SENT, by a simultaneous open; our SYN-ACK is sent", crossedSubject,
		[]place{placeLeft, placeIRS, placeEdge, placeInside, placeRight}, inFlight},
	{"ESTABLISHED", "20 bytes are in flight", establishedSubject,
		[]place{placeLeft, placeStraddle, placeEdge, placeInside, placeLast, placeRight}, inFlight},
	{"ESTABLISHED, window closed", "20 bytes are in flight; the application does not read, RCV.WND is 0",
		windowClosedSubject, []place{placeLeft, placeStraddle, placeEdge, placeRight}, inFlight},
	{"FIN-WAIT-1", "20 bytes and our FIN are in flight", finWait1Subject, around, withFIN},
	{"FIN-WAIT-2", "", finWait2Subject, around, noneFlying},
	{"FIN-WAIT-2, orphan", "the application has closed, and will not read", orphanSubject, around, noneFlying},
	{"CLOSE-WAIT", "20 bytes are in flight", closeWaitSubject, append(around[:4:4], placeFIN), inFlight},
	{"CLOSING", "20 bytes and our FIN are in flight", closingSubject, append(around[:4:4], placeFIN), withFIN},
	{"LAST-ACK", "20 bytes and our FIN are in flight", lastAckSubject, append(around[:4:4], placeFIN), withFIN},
	{"TIME-WAIT", "", timeWaitSubject, append(around[:4:4], placeFIN), noneFlying},
}

func closedSubject(t *testing.T) *subject {
	s := &subject{endpoint: newEndpoint(t, Config{})}
	s.tcb = tcb{state: Closed, nxt: 1, maxWindow: window.MaxField, rcvNxt: 1, rcvUp: 65536}
	return s
}

func listenSubject(t *testing.T) *subject {
	s := closedSubject(t)
	s.listen, s.tcb.state = true, Listen
	return s
}

func synSentSubject(t *testing.T) *subject {
	s := &subject{endpoint: dialEndpoint(t, Config{})}
	s.want(segment{flags: syn})
	s.tcb = tcb{state: SynSent, nxt: 1, maxWindow: window.MaxField, rcvNxt: 1, rcvUp: 65536}
	return s
}

func handshakeSubject(t *testing.T) *subject {
	s := &subject{endpoint: newEndpoint(t, Config{})}
	s.handshake = NewHandshake(s.now, &s.cfg, testOpen(), &wire.TCP{Flags: syn, Seq: testIRS, Window: window.MaxField})
	s.handshake.Transmit(s.now, 1, &s.last)
	s.tcb = tcb{state: SynReceived, passive: true, nxt: 1, maxWindow: window.MaxField, rcvNxt: 1, rcvUp: 65536}
	return s
}

func crossedSubject(t *testing.T) *subject {
	s := synSentSubject(t)
	s.in(segment{flags: syn})
	s.want(segment{flags: syn | ack, ack: 1})
	return s.seen()
}

// talking returns a connection that has sent and received data: SND.UNA is 11, RCV.NXT 21, 20 bytes are in flight.
func talking(t *testing.T) *subject {
	s := &subject{endpoint: established(t, Config{})}
	s.write(repeat(10))
	s.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(10)})
	s.in(segment{flags: ack, seq: 1, ack: 11, data: repeat(20)})
	s.read(repeat(20), nil)
	s.write(repeat(20))
	s.want(segment{flags: ack, seq: 11, ack: 21, data: repeat(20)})
	s.nothing()
	return s
}

func establishedSubject(t *testing.T) *subject { return talking(t).seen() }

func windowClosedSubject(t *testing.T) *subject {
	s := &subject{endpoint: established(t, Config{ReceiveBuffer: minBuffer})}
	s.write(repeat(10))
	s.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(10)})
	s.in(segment{flags: ack, seq: 1, ack: 11, data: repeat(1024)})
	s.in(segment{flags: ack, seq: 1025, ack: 11, data: repeat(1024)})
	s.write(repeat(20))
	s.want(segment{flags: ack, seq: 11, ack: 2049, data: repeat(20)})
	if s.last.TCP.Window != 0 {
		t.Fatalf("the window is %d", s.last.TCP.Window)
	}
	s.nothing()
	return s.seen()
}

func finWait1Subject(t *testing.T) *subject {
	s := talking(t)
	_ = s.c.CloseWrite()
	s.want(segment{flags: fin, seq: 31, ack: 21})
	return s.seen()
}

func finWait2Subject(t *testing.T) *subject {
	s := finWait1Subject(t)
	s.in(segment{flags: ack, seq: 21, ack: 32})
	return s.seen()
}

func orphanSubject(t *testing.T) *subject {
	s := finWait2Subject(t)
	s.c.Close(s.now, Linger{})
	return s.seen()
}

func closeWaitSubject(t *testing.T) *subject {
	s := talking(t)
	s.in(segment{flags: fin, seq: 21, ack: 11})
	s.want(segment{flags: ack, seq: 31, ack: 22})
	return s.seen()
}

func closingSubject(t *testing.T) *subject {
	s := finWait1Subject(t)
	s.in(segment{flags: fin, seq: 21, ack: 11})
	s.want(segment{flags: ack, seq: 32, ack: 22})
	return s.seen()
}

func lastAckSubject(t *testing.T) *subject {
	s := closeWaitSubject(t)
	_ = s.c.CloseWrite()
	s.want(segment{flags: fin, seq: 31, ack: 22})
	return s.seen()
}

func timeWaitSubject(t *testing.T) *subject {
	s := finWait2Subject(t)
	s.in(segment{flags: fin, seq: 21, ack: 32})
	s.want(segment{flags: ack, seq: 32, ack: 22})
	s.seen()
	s.remnant = s.c.TimeWait(s.now)
	s.now = s.now.Add(s.cfg.TimeWait / 2) // so that a restart of TIME-WAIT is visible
	return s
}

// seen copies the variables of the connection to the tcb.
func (s *subject) seen() *subject {
	c := s.c
	s.tcb = tcb{state: c.state, orphan: c.orphan, una: c.snd.una, nxt: c.snd.max, maxWindow: seq.Offset(c.snd.wnd.Largest),
		rcvNxt: c.rcv.nxt(), rcvUp: c.rcv.wnd.Edge, read: c.rcv.buf.Start()}
	if c.snd.finQueued {
		s.tcb.fin = c.snd.buf.End()
	}
	return s
}

// arriving is one segment of the matrix, with its meaning for the tcb.
type arriving struct {
	flags   wire.Flags
	at, ack seq.Offset
	data    seq.Offset
}

// matrixUrgent is the urgent pointer of a segment that has one.
const matrixUrgent = 5

// length returns SEG.LEN.
func (a *arriving) length() seq.Offset {
	n := a.data
	for _, f := range []wire.Flags{wire.SYN, wire.FIN} {
		if a.flags.Has(f) {
			n++
		}
	}
	return n
}

func (a *arriving) segment() *Segment {
	s := &Segment{TCP: wire.TCP{Flags: a.flags, Seq: seq.Wire(testIRS, a.at), Window: window.MaxField}, Data: bytes.Repeat([]byte("d"), int(a.data))}
	if a.flags.Has(wire.ACK) {
		s.TCP.Ack = seq.Wire(testISS, a.ack)
	}
	if a.flags.Has(wire.URG) {
		s.TCP.Urgent = matrixUrgent
	}
	return s
}

// outcome is the effect of a segment.
type outcome struct {
	sends   string // in the RFC's notation
	delayed bool   // within the delayed ACK's time
	next    string // state
	verdict string
	acks    seq.Offset // bytes by which SND.UNA moved
	takes   int        // bytes that have become readable
	holds   int        // bytes that wait for those before them
	urgent  bool       // the application is notified of urgent data
	anew    bool       // the time of TIME-WAIT restarts
}

// effects describes the effects that neither the reply nor the state shows. Changes of SND.UNA and RCV.UP are compared
// with the RFC, but not shown: they would double the size of the table and are obvious.
func (o *outcome) effects() string {
	var b []byte
	add := func(yes bool, format string, args ...any) {
		if yes {
			if len(b) > 0 {
				b = append(b, ", "...)
			}
			b = fmt.Appendf(b, format, args...)
		}
	}
	add(o.takes > 0, "takes %d", o.takes)
	add(o.holds > 0, "holds %d", o.holds)
	add(o.anew, "waits anew")
	return string(b)
}

// receive passes the segment to the subject as a driver does, and returns its effect.
func (s *subject) receive(a *arriving) outcome {
	segment := a.segment()
	var o outcome
	switch {
	case s.remnant != nil:
		deadline := s.remnant.Deadline()
		v := s.remnant.Receive(s.now, segment)
		o.verdict, o.next = v.String(), TimeWait.String()
		if v == VerdictReopen {
			s.listen, s.remnant, s.c = true, nil, nil
			reopened := s.receive(a)
			o.sends, o.next = reopened.sends, reopened.next
			return o
		}
		o.anew = s.remnant.Deadline() > deadline
		o.sends = s.drain(s.remnant, a)
	case s.handshake != nil:
		v := s.handshake.Receive(s.now, segment)
		if s.handshake.State() == Established {
			s.c, s.handshake = s.handshake.Establish(s.now), nil
			return s.receive(a)
		}
		o.verdict, o.next = v.String(), SynReceived.String()
		if s.handshake.State() == Closed {
			o.next = Listen.String()
		}
		o.sends = s.drain(s.handshake, a)
	case s.c != nil:
		una, unread := s.c.snd.una, s.c.rcv.buf.Readable()
		o.verdict = s.c.Receive(s.now, segment).String()
		s.check()
		o.acks, o.takes = s.c.snd.una-una, s.c.rcv.buf.Readable()-unread
		for _, early := range s.c.rcv.buf.OutOfOrder() {
			o.holds += int(early.Size())
		}
		_, o.urgent = s.c.Urgent()
		o.sends = s.drain(s.c, a)
		if s.c.active.timer.ack != Never {
			o.delayed = true
			s.now = s.c.active.timer.ack
			s.c.Advance(s.now)
			o.sends = s.drain(s.c, a)
		}
		o.next = s.c.State().String()
	case s.listen:
		o.verdict, o.next = "dropped", Listen.String()
		switch ReceiveListen(a.flags) {
		case ListenOpen:
			s.handshake = NewHandshake(s.now, &s.cfg, testOpen(), &segment.TCP)
			o.verdict, o.next = "opens", SynReceived.String()
			o.sends = s.drain(s.handshake, a)
		case ListenReset:
			o.verdict = "bad ack"
			o.sends = s.reset(a, segment)
		}
	default:
		o.verdict, o.next = "dropped", Closed.String()
		o.sends = s.reset(a, segment)
	}
	return o
}

// reset returns the reply to a segment that belongs to no connection.
func (s *subject) reset(a *arriving, segment *Segment) string {
	if !Reset(&segment.TCP, len(segment.Data), &s.last) {
		return ""
	}
	return s.notation(a)
}

// drain calls Transmit until there is nothing to send.
func (s *subject) drain(from interface {
	Transmit(Time, int, *Outgoing) bool
}, a *arriving) string {
	sent := ""
	for from.Transmit(s.now, 1, &s.last) {
		sent += s.notation(a)
	}
	return sent
}

// notation writes the segment last built as the RFC does, with its numbers by the names they have there.
func (s *subject) notation(a *arriving) string {
	h, t := &s.last.TCP, &s.tcb
	number := "0"
	switch at := seq.Unwrap(testISS, t.nxt, h.Seq); {
	case h.Flags == wire.RST && at == a.ack:
		number = "SEG.ACK"
	case h.Flags.Has(wire.RST|wire.ACK) && h.Seq == 0:
	case at == 0:
		number = "ISS"
	case at == t.nxt:
		number = "SND.NXT"
	default:
		number = fmt.Sprintf("SND.NXT%+d", at-t.nxt)
	}
	out := "<SEQ=" + number + ">"
	if h.Flags.Has(wire.ACK) {
		base, name := t.rcvNxt, "RCV.NXT"
		if t.state == Closed || t.state == Listen || t.state == SynSent || t.state == TimeWait && h.Flags.Has(wire.SYN) {
			base, name = a.at, "SEG.SEQ" // no other number is known
		}
		offset := seq.Unwrap(testIRS, base, h.Ack) - base
		switch {
		case name == "SEG.SEQ" && h.Flags.Has(wire.RST) && offset == a.length():
			name += "+SEG.LEN"
		case offset != 0:
			name += fmt.Sprintf("%+d", offset)
		}
		out += "<ACK=" + name + ">"
	}
	out += "<CTL=" + controls(h.Flags&^wire.PSH) + ">"
	if s.last.Len > 0 {
		out += fmt.Sprintf("(%d)", s.last.Len)
	}
	return out
}

// controls lists flags in the usual order.
func controls(f wire.Flags) string {
	names := []struct {
		flag wire.Flags
		name string
	}{{wire.RST, "RST"}, {wire.SYN, "SYN"}, {wire.FIN, "FIN"}, {wire.PSH, "PSH"}, {wire.URG, "URG"}, {wire.ACK, "ACK"}}
	out := ""
	for _, n := range names {
		if f.Has(n.flag) {
			if out != "" {
				out += ","
			}
			out += n.name
		}
	}
	return out
}
