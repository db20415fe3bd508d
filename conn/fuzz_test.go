package conn_test

import (
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/fastopen"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// FuzzConn has one connection, of an active or a passive OPEN, and converts bytes to calls on it: segments of every
// kind near the edges of the windows and far from them, time, ICMP errors, and all calls of an application. The data in
// both directions follows a pattern, so that every byte read or sent can be verified.
func FuzzConn(f *testing.F) {
	handshake := []byte{opSegment, fSYN | fACK, 0, 0, 0, 0, 0}
	add := func(setup []byte, ops ...[]byte) {
		in := setup
		for _, op := range ops {
			in = append(in, op...)
		}
		f.Add(in)
	}
	for _, setup := range [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0}, {1, 0xff, 3, 2}, {0, 0x0f, 1, 1}, {2, 0x30, 2, 0}, {9, 0, 7, 0}, {0x10, 0, 1, 0}, {0x11, 0, 1, 0x20}, {0x13, 0xff, 3, 0x0b}} {
		setup = setup[:len(setup):len(setup)]
		add(setup, handshake, []byte{opWrite, 200, opPeerACK, 0, opPeerData, 50, opRead, 255, opCloseWrite, opPeerACK, 0, opPeerFIN, opTime, 255})
		// Passive release.
		add(setup, handshake, []byte{opPeerFIN, opWrite, 3, opClose, 0, opPeerACK, 0})
		// Simultaneous close.
		add(setup, handshake, []byte{opCloseWrite, opPeerFIN, opPeerACK, 0})
		// Out of order.
		add(setup, handshake, []byte{opPeerEarly, 9, opPeerEarly, 3, opPeerFIN, opPeerData, 80, opRead, 80})
		// Timeouts.
		add(setup, handshake, []byte{opWrite, 250, opDeadline, opDeadline, opDeadline, opPeerACK, 1, opDeadline})
		// Zero window.
		add(setup, handshake, []byte{opWindow, 0, opWrite, 9, opDeadline, opDeadline, opPeerACK, 0, opWindow, 200})
		// Fast retransmit.
		add(setup, handshake, []byte{opWrite, 255, opDuplicates, 3, opPeerACK, 1, opDuplicates, 9, opPeerACK, 0})
		// RST for unread data.
		add(setup, handshake, []byte{opPeerData, 9, opClose, 0})
		// ICMP Packet Too Big, then a hard error.
		add(setup, handshake, []byte{opWrite, 90, opICMP, 2, 3, opICMP, 1, 0, opAbort})
		// Settings.
		add(setup, handshake, []byte{opSettings, 0, opSettings, 9, opSettings, 18, opSettings, 27, opTime, 250, opTime, 250})
		// Linger.
		add(setup, handshake, []byte{opClose, 2, opWrite, 1, opPeerACK, 0, opTime, 240, opSegment, fRST, 0, 0, 0, 0, 0})
		// ECN marks.
		add(setup, handshake, []byte{opWrite, 255, opMarks, 0xc3, opPeerData, 9, opPeerACK, 10, opWrite, 255, opPeerACK, 0, opMarks, 0, opPeerACK, 0})
		// ECN marks and losses.
		add(setup, []byte{opSegment, fSYN | fACK | fECE, 0, 0, 0, 0, 0, opWrite, 255, opMarks, 1, opDuplicates, 20, opPeerACK, 0})
		// F-RTO, and a window that does not reach SND.NXT.
		add(setup, handshake, []byte{opWrite, 255, opWrite, 255, opDeadline, opDeadline, opWindow, 1, opPeerACK, 9, opDeadline, opWindow, 255, opPeerACK, 1})
		// ICMP Packet Too Big for a part of the data in flight.
		add(setup, handshake, []byte{opWrite, 9, opTime, 1, opWrite, 255, opTime, 1, opICMP, 2, 3, opPeerACK, 5, opDuplicates, 5, opICMP, 2, 1, opPeerACK, 0})
		// Data in a SYN that is accepted in part, and in none.
		add(setup, []byte{opWrite, 255, opSegment, fSYN | fACK, 0, 0, 0, 0, 0, opWrite, 9, opPeerACK, 0})
		add(setup, []byte{opWrite, 255, opCloseWrite, opSegment, fSYN | fACK, 0, 4, 0, 0, 0, opPeerACK, 0, opDeadline})
		// Simultaneous open.
		add(setup, []byte{opSegment, fSYN, 0, 0, 0, 0, 7, opDeadline, opSegment, fSYN | fACK, 255, 0, 0, 0, 0, opTime, 9})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return // shorter inputs reach the same states
		}
		newPlay(t, b).run()
	})
}

// The calls. An operation is one byte, modulo opCount, and its arguments.
const (
	opSegment    = iota // flags, seq, seq, ack, ack, window, data: any segment
	opBatched           // the same, but Transmit is not called before the next operation
	opPeerACK           // n: an ACK of all segments sent except the last n
	opPeerData          // n: the next bytes
	opPeerEarly         // n: bytes beyond a gap
	opPeerFIN           // the next byte is the FIN
	opDuplicates        // n duplicate ACKs
	opWindow            // n: a window update
	opTime              // n: time passes, with all deadlines on the way
	opDeadline          // the next deadline
	opRead              // n
	opWrite             // n
	opUrgent            // n
	opCloseWrite        //
	opCloseRead         //
	opClose             // linger
	opAbort             //
	opSettings          // which
	opICMP              // kind, where
	opLimit             // for GSO packets
	opMarks             // the ECN codepoints of the peer's segments from now on
	opCount
)

const (
	fFIN = byte(wire.FIN)
	fSYN = byte(wire.SYN)
	fRST = byte(wire.RST)
	fACK = byte(wire.ACK)
	fECE = byte(wire.ECE)
)

const (
	playISS = 0xffffe000 // the numbers wrap after a while
	playIRS = 0xfffff000
)

// playCookie is the Fast Open cookie of the connections that use it.
var playCookie = wire.FastOpen{Kind: wire.FastOpenStandard, Len: 8, Cookie: [16]byte{1, 2, 3}}

// streamByte returns the byte of either stream at offset o.
func streamByte(o seq.Offset) byte { return byte(o) ^ byte(o>>8)*7 ^ byte(o>>16)*31 }

func pattern(at seq.Offset, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = streamByte(at + seq.Offset(i))
	}
	return b
}

type play struct {
	t     *testing.T
	in    []byte
	now   conn.Time
	cfg   conn.Config
	open  conn.Open
	pages conntest.Pages
	limit int

	handshake *conn.Handshake
	c         *conn.Conn
	remnant   *conn.TimeWaitConn
	monitor   conntest.Monitor

	// The peer.
	options wire.Options // of its SYN
	clock   uint32
	window  uint16
	bits    wire.Flags // ECE and CWR, in everything after its SYN
	ecn     wire.ECN
	next    seq.Offset // next byte of the peer's data

	wrote, read seq.Offset
	mostBuffer  int
	unsettled   bool
}

func newPlay(t *testing.T, in []byte) *play {
	p := &play{t: t, in: in, now: 1e9, limit: 1, window: 0xffff, clock: 5000, next: 1, wrote: 1, read: 1}
	mode, features, buffers, path := p.byte(), p.byte(), p.byte(), p.byte()
	p.cfg = conn.Config{
		Timestamps: conn.Feature(features & 1), SACK: conn.Feature(features >> 1 & 1),
		ECN:         conn.ECNMode(mode >> 1 & 3),
		WindowScale: conn.Feature(features >> 2 & 1), Nagle: conn.NagleMode(features >> 3 & 1),
		KeepAlive: conn.KeepAlive{Enable: features&0x10 != 0}, UserTimeout: time.Duration(features>>5&1) * 30 * time.Second,
		ReceiveBuffer: 2048 << (buffers & 7), SendBuffer: 2048 << (buffers >> 3 & 7), Pool: &p.pages, Pressure: &p.pages,
	}.WithDefaults()
	p.mostBuffer = p.cfg.ReceiveBuffer
	p.open = conn.Open{ISS: playISS, TSOffset: 77, MTU: []int{1500, 576, 9000, 65535}[path&3], IPHeader: 20 + 20*int(path>>2&1)}
	if p.open.IPHeader == 40 {
		p.open.MTU = max(p.open.MTU, 1280)
	}
	p.monitor = conntest.Monitor{MTU: p.open.MTU, IPHeader: p.open.IPHeader}
	p.options = wire.Options{
		MSS: []uint16{0, 1460, 536, 1, 65535, 100, 8960, 88}[path>>3&7], SACKPermitted: features&0x40 == 0,
		HasTimestamps: features&0x80 == 0, TSVal: p.clock, HasWindowScale: path&0x40 == 0, WindowScale: buffers >> 6 * 4,
	}
	p.monitor.Called()
	fast := mode&0x10 != 0
	switch {
	case mode&1 != 0:
		s := p.segment(wire.SYN|wire.Flags(mode>>3&1)*(wire.ECE|wire.CWR), 0, 0, int(path)*int(mode>>4&1)*8)
		p.monitor.Received(s)
		p.handshake = conn.NewHandshake(p.now, &p.cfg, p.open, &s.TCP)
		if fast {
			p.c, p.handshake = p.handshake.FastOpen(p.now, s, playCookie), nil
			p.next = 1 + seq.Offset(p.c.Arrived())
		}
	case fast:
		p.c = conn.DialFastOpen(p.now, &p.cfg, p.open, fastopen.Offer{Option: playCookie, MSS: p.options.MSS})
	default:
		p.c = conn.Dial(p.now, &p.cfg, p.open)
	}
	p.settle()
	return p
}

func (p *play) byte() byte {
	if len(p.in) == 0 {
		return 0
	}
	b := p.in[0]
	p.in = p.in[1:]
	return b
}

func (p *play) run() {
	for len(p.in) > 0 && !p.over() {
		p.step()
	}
	if p.unsettled {
		p.settle()
	}
	if p.c == nil {
		return
	}
	p.c.Abort()
	p.c.Close(p.now, conn.Linger{})
	p.monitor.Called()
	p.settle()
	if p.pages.Used != 0 || p.c.Deadline() != conn.Never || p.c.Ready()&conn.ReadyClosed == 0 {
		p.t.Fatalf("after the end: %d pages, deadline %v, ready %b", p.pages.Used, p.c.Deadline(), p.c.Ready())
	}
}

func (p *play) over() bool {
	return p.c != nil && p.c.State() == conn.Closed && !p.unsettled || p.handshake != nil && p.handshake.State() == conn.Closed
}

// near turns a byte into a distance: small ones to both sides, a few large.
func near(b byte) seq.Offset {
	d := seq.Offset(int8(b))
	switch {
	case d > 100:
		return seq.Offset(1) << (d - 100) * 16
	case d < -100:
		return -seq.Offset(1) << (-d - 100) * 16
	}
	return d
}

// segment passes a segment of the peer to the connection.
func (p *play) segment(f wire.Flags, at, ack seq.Offset, n int) *conn.Segment {
	if !f.Has(wire.SYN) {
		f |= p.bits
	} else {
		f |= p.bits & wire.AE
	}
	s := &conn.Segment{ECN: p.ecn, TCP: wire.TCP{Flags: f, Seq: playIRS + uint32(at), Ack: playISS + uint32(ack), Window: p.window}}
	if f.Has(wire.SYN) {
		s.TCP.Options = p.options
		s.TCP.Options.TSVal = p.clock
		at++
	} else if p.options.HasTimestamps {
		p.clock++
		s.TCP.Options = wire.Options{HasTimestamps: true, TSVal: p.clock, TSEcr: uint32(p.now/1e6) + 77}
	}
	s.TCP.Options.AccECN = p.options.AccECN
	s.Data = pattern(at, n)
	return s
}

func (p *play) step() {
	c := p.c
	switch op := p.byte() % opCount; op {
	case opSegment, opBatched:
		s := p.anySegment()
		p.receive(s)
		if op == opBatched {
			p.unsettled = true
			return
		}
	case opPeerACK:
		back := seq.Offset(p.byte()) * 100
		p.receive(p.segment(wire.ACK, p.next, max(p.monitor.Next-back, 1), 0))
	case opPeerData:
		n := int(p.byte()) * 16
		p.receive(p.segment(wire.ACK, p.next, p.monitor.Next, n))
		p.next = max(p.next, min(p.next+seq.Offset(n), p.monitor.Edge))
	case opPeerEarly:
		n := int(p.byte())
		p.receive(p.segment(wire.ACK, p.next+seq.Offset(n%16)*50+1, p.monitor.Next, n))
	case opPeerFIN:
		p.receive(p.segment(wire.ACK|wire.FIN, p.next, p.monitor.Next, 0))
	case opDuplicates:
		n := p.byte()
		for range n % 16 {
			s := p.segment(wire.ACK, p.next, max(p.monitor.Next-3000, 1), 0)
			s.TCP.Options.SACKCount = n >> 4 & 1
			s.TCP.Options.SACK[0] = wire.SACKBlock{Left: s.TCP.Ack + uint32(n)*5, Right: s.TCP.Ack + uint32(n)*10}
			p.receive(s)
		}
	case opWindow:
		p.window = uint16(p.byte()) * 257
		p.receive(p.segment(wire.ACK, p.next, p.monitor.Next, 0))
	case opTime:
		p.pass(time.Millisecond << (p.byte() % 32))
		return
	case opDeadline:
		p.advance(p.machine().Deadline())
		return
	case opRead, opWrite, opUrgent, opCloseWrite, opCloseRead, opClose, opAbort, opSettings, opICMP:
		if c == nil {
			return
		}
		p.call(op)
	case opLimit:
		p.limit = int(p.byte()) * 1100 // up to more than a packet
		return
	case opMarks:
		b := p.byte()
		p.bits, p.ecn = wire.Flags(b)&(wire.ECE|wire.CWR)|wire.Flags(b&0x20)<<3, wire.ECN(b&3) // 0x20 is AE
		p.options.AccECN = wire.AccECN{Order: wire.AccECNOrder(b >> 2 & 3 % 3), Count: b >> 4 & 1 * 3, Fields: [3]uint32{uint32(b), 0, 1}}
		return
	}
	p.settle()
}

func (p *play) anySegment() *conn.Segment {
	f := wire.Flags(p.byte())
	where, kind := p.byte(), p.byte()
	at := near(where)
	switch kind & 3 {
	case 0:
		at += p.monitor.Ack
	case 1:
		at += p.monitor.Edge
	case 2:
		at += p.next
	case 3:
		at = seq.Offset(where) << 24 // far off
	}
	if f.Has(wire.SYN) && p.c != nil && p.c.State() == conn.SynSent {
		at = 0 // or it would be another stream
	}
	ack := p.monitor.Next + near(p.byte())
	if kind&4 != 0 {
		ack = seq.Offset(p.byte()) << 24
	}
	switch p.byte() & 3 {
	case 1:
		p.window = 0
	case 2:
		p.window = 100
	case 3:
		p.window = 0xffff
	}
	n := int(p.byte())
	if n > 250 {
		n *= 60
	}
	s := p.segment(f, at, ack, n)
	s.TCP.Urgent = uint16(n)
	switch kind >> 3 & 7 {
	case 1:
		s.TCP.Options.HasTimestamps = false
	case 2:
		s.TCP.Options.TSVal -= 50
	case 3:
		s.TCP.Options.TSVal += 1 << 31
	case 4:
		p.clock += 1 << 20
	case 5:
		s.TCP.Options.SACKCount = 1
		s.TCP.Options.SACK[0] = wire.SACKBlock{Left: s.TCP.Ack + 10, Right: s.TCP.Ack + 20}
	case 6:
		s.SegmentSize = 1 + n/3
	}
	return s
}

func (p *play) receive(s *conn.Segment) {
	p.monitor.Received(s)
	if p.machine().Receive(p.now, s) == conn.VerdictReopen {
		if p.remnant == nil || s.TCP.Flags&(wire.SYN|wire.ACK|wire.RST) != wire.SYN {
			p.t.Fatalf("%v reopens", s.TCP.Flags)
		}
		p.in = nil
	}
	if p.c == nil && p.handshake.State() == conn.Established {
		p.c, p.handshake = p.handshake.Establish(p.now), nil
		p.check()
		p.c.Receive(p.now, s)
		if p.c.State() < conn.Established && p.c.State() != conn.Closed {
			p.t.Fatalf("the segment that completes the handshake leaves it in %v", p.c.State())
		}
	}
	p.check()
}

func (p *play) check() {
	p.t.Helper()
	if p.c == nil {
		return
	}
	if err := p.c.Check(); err != nil {
		p.t.Fatal(err)
	}
	if i := p.c.Info(p.now); int64(i.Unread)+i.ReceiveWindow > int64(p.mostBuffer)+1<<i.ReceiveScale {
		p.t.Fatalf("%d bytes unread and a window of %d, buffer %d", i.Unread, i.ReceiveWindow, p.mostBuffer)
	}
}

// settle performs the steps of a driver after a call.
func (p *play) settle() {
	p.drain()
	if p.c == nil || p.remnant != nil {
		return
	}
	i := p.c.Info(p.now)
	owes := i.State != conn.Closed && i.State != conn.TimeWait && (i.Unsent > 0 || i.InFlight > 0)
	if owes && p.c.Deadline() > p.now.Add(max(p.cfg.MaxRTO, p.cfg.InitialRTO)) {
		p.t.Fatalf("%v: stalls with %d bytes in flight and %d unsent, deadline %v", i.State, i.InFlight, i.Unsent, p.c.Deadline())
	}
	if i.State == conn.TimeWait {
		p.remnant = p.c.TimeWait(p.now)
	}
}

// drain takes all segments.
func (p *play) drain() {
	p.unsettled = false
	var out conn.Outgoing
	for n := 0; ; n++ {
		p.check()
		m := p.machine()
		if !m.Transmit(p.now, p.limit, &out) {
			break
		}
		if n > 20_000 {
			p.t.Fatalf("transmits without end: %+v", out.TCP)
		}
		if err := p.monitor.Sent(p.limit, m.IRS(), &out); err != nil {
			p.t.Fatal(err)
		}
		p.checkData(&out)
	}
	p.monitor.Drained()
}

func (p *play) checkData(out *conn.Outgoing) {
	at := p.monitor.At(out)
	if out.TCP.Flags.Has(wire.SYN) {
		at++
	}
	for _, piece := range out.Data {
		for _, b := range piece {
			if at < 1 || at >= p.wrote || b != streamByte(at) {
				p.t.Fatalf("byte %d of %d sent is wrong", at, p.wrote)
			}
			at++
		}
	}
}

type machine interface {
	Receive(conn.Time, *conn.Segment) conn.Verdict
	Transmit(conn.Time, int, *conn.Outgoing) bool
	Deadline() conn.Time
	Advance(conn.Time)
	IRS() uint32
}

func (p *play) machine() machine {
	switch {
	case p.remnant != nil:
		return p.remnant
	case p.c != nil:
		return p.c
	}
	return p.handshake
}

// advance advances the time to a deadline. The next deadline must be another one.
func (p *play) advance(to conn.Time) {
	if to == conn.Never {
		return
	}
	if p.unsettled {
		p.settle()
	}
	p.now = max(p.now, to)
	p.monitor.Called()
	m := p.machine()
	m.Advance(p.now)
	p.settle()
	switch {
	case p.remnant != nil && p.remnant.Expired(p.now):
		p.in = nil
	case m.Deadline() <= p.now:
		p.t.Fatalf("the deadline %v does not move at %v", m.Deadline(), p.now)
	}
}

func (p *play) pass(d time.Duration) {
	end := p.now.Add(d)
	for n := 0; !p.over() && p.machine().Deadline() <= end && p.in != nil && n < 1000; n++ {
		p.advance(p.machine().Deadline())
	}
	p.advance(end)
}

func (p *play) call(op byte) {
	c := p.c
	p.monitor.Called()
	switch op {
	case opRead:
		b := make([]byte, int(p.byte())*20)
		n, err := c.Read(b)
		for _, got := range b[:n] {
			if got != streamByte(p.read) {
				p.t.Fatalf("byte %d read is wrong", p.read)
			}
			p.read++
		}
		if n > 0 && err != nil || n == 0 && err == nil && len(b) > 0 {
			p.t.Fatalf("Read: %d, %v", n, err)
		}
	case opWrite:
		n := int(p.byte())
		if n&1 != 0 { // in two parts
			p.write(c.WriteMore(p.now, pattern(p.wrote, n)))
			p.drain()
		}
		p.write(c.Write(p.now, pattern(p.wrote, n*40)))
	case opUrgent:
		p.write(c.WriteUrgent(p.now, pattern(p.wrote, int(p.byte()))))
	case opCloseWrite:
		_ = c.CloseWrite()
		if n, err := c.Write(p.now, []byte{0}); n != 0 || err == nil {
			p.t.Fatalf("after CloseWrite, Write: %d, %v", n, err)
		}
	case opCloseRead:
		c.CloseRead()
	case opClose:
		l := p.byte()
		c.Close(p.now, conn.Linger{Set: l&1 != 0, Timeout: time.Duration(l>>1) * time.Second})
	case opAbort:
		c.Abort()
	case opSettings:
		p.setting(p.byte())
	case opICMP:
		kind, where := conn.ICMPKind(p.byte()%3), p.byte()
		c.ReceiveICMP(p.now, conn.ICMPError{Kind: kind, Err: conn.ErrHostUnreachable,
			Seq: playISS + uint32(p.monitor.Next-near(where)), MTU: int(where) * 8})
	}
}

func (p *play) write(n int, err error) {
	p.wrote += seq.Offset(n)
	if n > 0 && err != nil || n < 0 {
		p.t.Fatalf("Write: %d, %v", n, err)
	}
}

func (p *play) setting(b byte) {
	v := int(b >> 3)
	switch b & 7 {
	case 0:
		p.c.SetNagle(conn.NagleMode(v & 1))
	case 1:
		p.c.SetKeepAlive(p.now, conn.KeepAlive{Enable: v&1 != 0, Idle: time.Duration(v) * time.Second, Interval: time.Second, Count: v % 4})
	case 2:
		p.c.SetUserTimeout(p.now, time.Duration(v)*time.Second)
	case 3:
		p.c.SetReceiveBuffer(v * 4096)
		p.mostBuffer = max(p.mostBuffer, v*4096)
	case 4:
		p.c.SetSendBuffer(v * 4096)
	}
}
