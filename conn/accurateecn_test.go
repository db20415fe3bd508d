package conn

import (
	"testing"
	"time"

	"minitcp/conn/accecn"
	"minitcp/conn/cookie"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

const ae = wire.AE

// accurateOne returns a connection in AccECN mode, which this end has requested. Its MSS is 1000.
func accurateOne(t *testing.T, cfg Config) *endpoint {
	t.Helper()
	cfg.MaxRTO, cfg.ECN, cfg.Timestamps, cfg.WindowScale, cfg.Pacing = time.Minute, ECNAccurate, Disabled, Disabled, Disabled
	o := newEndpoint(t, cfg)
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn | ece | cwr | ae})
	o.sleep(100 * ms)
	o.in(segment{flags: syn | ack | cwr, ack: 1, options: wire.Options{
		MSS: 1000, SACKPermitted: cfg.SACK == Enabled, AccECN: accecn.Intro(40),
	}})
	o.want(segment{flags: ack | cwr, seq: 1, ack: 1})
	if i := o.c.Info(o.now); !i.ECN || !i.AccECN.Agreed || i.AccECN.Failures != 0 {
		t.Fatalf("AccECN: %+v", i.AccECN)
	}
	return o
}

// mark receives n packets with CE, of 100 bytes each, from the number on.
func (o *endpoint) mark(number int64, n int) {
	o.t.Helper()
	o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: testIRS + uint32(number), Ack: testISS + 1, Flags: ack | ae | ece, Window: 65535},
		Data: []byte(repeat(100 * n)), SegmentSize: 100, ECN: wire.CE})
	o.check()
}

// A GSO packet counts as its packets, and one ACK reports them (RFC 9768 3.2.2.5.1).
func TestAccECNCountsGSOPackets(t *testing.T) {
	o := accurateOne(t, Config{})
	o.mark(1, 44)
	o.want(segment{flags: ack | accecn.FieldFlags(5+44), seq: 1, ack: 4401})
	if got := o.last.TCP.Options.AccECN.String(); got != "e1b 1 ceb 4400 e0b 1" {
		t.Errorf("the option is %q", got)
	}
	if i := o.c.Info(o.now); i.CEReceived != 44 || i.AccECN.Received != (accecn.Bytes{CE: 4400}) {
		t.Errorf("%d packets with CE, %+v", i.CEReceived, i.AccECN.Received)
	}
}

// While the ACE field has CWR, new data and retransmissions are no GSO packets: devices clear CWR in all pieces but the
// first (RFC 9768 3.3.4).
func TestAccECNWithoutGSOPackets(t *testing.T) {
	for marks := range 9 {
		o := accurateOne(t, Config{})
		if marks > 0 {
			o.mark(1, marks)
			o.want(segment{flags: ack | accecn.FieldFlags(uint32(5+marks)), seq: 1, ack: int64(1 + 100*marks)})
		}
		field := accecn.FieldFlags(uint32(5 + marks))
		o.write(repeat(10_000))
		var out Outgoing
		for o.c.Transmit(o.now, 65_000, &out) {
			if got := out.TCP.Flags & (ae | cwr | ece); got != field {
				t.Errorf("%d marks: the field has %v, want %v", marks, got, field)
			}
			if whole := out.Len > 1000; whole == field.Has(cwr) && out.Len+int(out.TCP.Options.Len()) > 1000 {
				t.Errorf("%d marks: %d bytes in one packet with %v", marks, out.Len, out.TCP.Flags)
			}
		}
		o.now = o.c.Deadline() // a tail probe, then a timeout: retransmissions
		for range 3 {
			o.c.Advance(o.now)
			for o.c.Transmit(o.now, 65_000, &out) {
				if out.Len > 1000 && out.TCP.Flags.Has(cwr) {
					t.Errorf("%d marks: %d bytes sent again in one packet with %v", marks, out.Len, out.TCP.Flags)
				}
			}
			o.now = o.c.Deadline()
		}
	}
}

// Retransmissions have no option, and after a timeout of new data with an option no segment has (RFC 9768 3.2.3.2.2).
func TestAccECNOptionLost(t *testing.T) {
	o := accurateOne(t, Config{})
	o.write(repeat(500))
	o.want(segment{flags: ack | ae | ece, seq: 1, ack: 1, data: repeat(500)})
	if o.last.TCP.Options.AccECN.Count != 3 {
		t.Fatalf("the first data has the option %v", &o.last.TCP.Options.AccECN)
	}
	for range 2 { // the tail probe, and the timeout
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.want(segment{flags: ack | ae | ece, seq: 1, ack: 1, data: repeat(500)})
		if o.last.TCP.Options.AccECN.Order != wire.AccECNAbsent {
			t.Errorf("the retransmission has the option %v", &o.last.TCP.Options.AccECN)
		}
	}
	if i := o.c.Info(o.now); i.AccECN.Failures != accecn.OptionSent {
		t.Errorf("failures %v", i.AccECN.Failures)
	}
	o.mark(1, 1)
	if o.drain(); o.last.TCP.Options.AccECN.Order != wire.AccECNAbsent {
		t.Errorf("a later ACK has the option %v", &o.last.TCP.Options.AccECN)
	}
}

// If data arrives again although an ACK with an option has reported it as received twice, no segment has an option (RFC
// 9768 3.2.3.2.2).
func TestAccECNOptionLostWithDSACK(t *testing.T) {
	o := accurateOne(t, Config{})
	for n, want := range []struct {
		options  bool
		blocks   uint8
		failures accecn.Failures
	}{{true, 0, 0}, {true, 1, 0}, {false, 1, accecn.OptionSent}, {false, 1, accecn.OptionSent}} {
		o.dataIn(1, ae|ece, wire.ECT0)
		if !o.c.Transmit(o.now, 1, &o.last) {
			t.Fatalf("arrival %d: no ACK", n)
		}
		options, failures := &o.last.TCP.Options, o.c.Info(o.now).AccECN.Failures
		if (options.AccECN.Order != wire.AccECNAbsent) != want.options || options.SACKCount != want.blocks || failures != want.failures {
			t.Errorf("arrival %d: option %v, %d SACK blocks, failures %v", n, &options.AccECN, options.SACKCount, failures)
		}
		o.sleep(time.Second)
	}
}

// Without SACK, data that is sent again four times although it has been acknowledged with an option ends the options
// too. The ACKs may be lost because of them (RFC 9768 3.2.3.2.2).
func TestAccECNOptionLostWithoutSACK(t *testing.T) {
	o := accurateOne(t, Config{SACK: Disabled})
	for n, want := range []bool{true, true, true, true, false, false} {
		o.dataIn(1, ae|ece, wire.NotECT)
		if !o.c.Transmit(o.now, 1, &o.last) {
			t.Fatalf("arrival %d: no ACK", n)
		}
		if got := o.last.TCP.Options.AccECN.Order != wire.AccECNAbsent; got != want {
			t.Errorf("arrival %d: the ACK has an option: %v, want %v", n, got, want)
		}
		o.sleep(time.Second)
	}
}

// An ACE field of 0 in the first feedback after the handshake is zeroed on the way: no more ECT, and no response (RFC
// 9768 3.2.2.4).
func TestAccECNZeroed(t *testing.T) {
	o := accurateOne(t, Config{})
	o.write(repeat(10_000))
	o.drain()
	o.sleep(100 * ms)
	o.in(segment{flags: ack, seq: 1, ack: 1001})
	o.in(segment{flags: ack | ece, seq: 1, ack: 2001})
	o.wantReductions(12, 0)
	o.write(repeat(3000))
	for o.c.Transmit(o.now, 1, &o.last) {
		if o.last.ECN != wire.NotECT {
			t.Errorf("sent with %v", o.last.ECN)
		}
	}
	if i := o.c.Info(o.now); i.AccECN.Failures&accecn.ACEReceived == 0 {
		t.Errorf("failures %v", i.AccECN.Failures)
	}
}

// One reduction in a round trip, with every controller, whatever the number of marks, and no CWR as a reply (RFC 9768
// 3.1.5).
func TestAccECNReduction(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
		o := accurateOne(t, Config{CongestionControl: control})
		o.write(repeat(10_000))
		o.drain()
		o.sleep(100 * ms)
		for n := range 10 { // each ACK reports a packet
			o.in(segment{flags: ack | accecn.FieldFlags(uint32(6+n)), seq: 1, ack: int64(1001 + 1000*n)})
		}
		if i := o.c.Info(o.now); i.ECEReductions != 1 || i.AccECN.DeliveredCE != 10 {
			t.Errorf("%v: %d reductions, %d packets with CE, want 1 and 10", control, i.ECEReductions, i.AccECN.DeliveredCE)
		}
		o.write(repeat(1000))
		if o.drain(); o.last.TCP.Flags&(ae|cwr|ece) != ae|ece {
			t.Errorf("%v: new data has %v", control, o.last.TCP.Flags)
		}
	}
}

// A listener that keeps no state of a SYN recovers AccECN from the ACE field of the ACK: 2 and more are from peers that
// have requested it (RFC 9768 5.1).
func TestAccECNCookie(t *testing.T) {
	cfg := Config{}.WithDefaults()
	keys := cookie.NewKeys(&cookieSecret, 1e9)
	for _, requested := range []wire.Flags{0, ece | cwr, ae | ece | cwr} {
		for _, timestamps := range []bool{false, true} {
			for n := range uint32(8) {
				s := wire.TCP{Seq: testIRS, Flags: syn | requested, Window: 9000, Options: wire.Options{MSS: 1460, HasTimestamps: timestamps, TSVal: 7}}
				open := testOpen()
				open.ECN = wire.ECT1
				var out Outgoing
				if !SYNCookie(1e9, &cfg, open, &s, keys, &cookieEnds, &out) {
					t.Fatal("no cookie")
				}
				if got := out.TCP.Flags; requested.Has(ae) && (got != syn|ack|accecn.Reflect(wire.ECT1) || out.TCP.Options.AccECN.Count != 3) {
					t.Errorf("the SYN-ACK has %v, %v", got, &out.TCP.Options.AccECN)
				}
				reply := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: out.TCP.Seq + 1, Flags: ack | accecn.FieldFlags(n), Window: 229}}
				reply.TCP.Options.HasTimestamps, reply.TCP.Options.TSVal, reply.TCP.Options.TSEcr = timestamps, 8, out.TCP.Options.TSVal
				h, ok := HandshakeFromCookie(1e9, &cfg, testOpen(), &reply, keys, &cookieEnds)
				if !ok || h.Receive(1e9, &reply) != VerdictAccepted {
					t.Fatal("the cookie is not valid")
				}
				c := h.Establish(1e9)
				c.Receive(1e9, &reply)
				classic := requested == ece|cwr && timestamps
				if i := c.Info(1e9); i.AccECN.Agreed != (n >= 2 && !classic) || i.ECN != (n >= 2 || classic) {
					t.Errorf("SYN with %v, timestamps %v, ACK with %d: ECN %v, AccECN %v", requested, timestamps, n, i.ECN, i.AccECN.Agreed)
				}
			}
		}
	}
}

// ACKs in TIME-WAIT and RSTs have the ACE field, and a SYN that ends TIME-WAIT negotiates anew (RFC 9768 3.2.2, 3.1.2).
func TestAccECNAtTheEnd(t *testing.T) {
	o := accurateOne(t, Config{})
	o.mark(1, 1)
	o.want(segment{flags: ack | ae | cwr, seq: 1, ack: 101})
	aborted := accurateOne(t, Config{})
	aborted.mark(1, 1)
	aborted.c.Abort()
	if aborted.drain(); aborted.last.TCP.Flags != wire.RST|ack|ae|cwr {
		t.Errorf("the RST has %v", aborted.last.TCP.Flags)
	}
	o.c.CloseWrite()
	o.want(segment{flags: fin | ack | ae | cwr, seq: 1, ack: 101})
	o.in(segment{flags: fin | ack | ae | ece, seq: 101, ack: 2})
	o.want(segment{flags: ack | ae | cwr, seq: 2, ack: 102})
	w := o.c.TimeWait(o.now)
	fin := Segment{TCP: wire.TCP{Seq: seq.Wire(testIRS, 101), Ack: seq.Wire(testISS, 2), Flags: fin | ack | ae | ece}}
	w.Receive(o.now, &fin)
	if !w.Transmit(o.now, 1, &o.last) || o.last.TCP.Flags != ack|ae|cwr {
		t.Errorf("the ACK in TIME-WAIT has %v", o.last.TCP.Flags)
	}
}

// A SYN that conflicts with the first resets a handshake that is held, too (RFC 9768 3.1.5).
func TestAccECNConflictWhileHeld(t *testing.T) {
	cfg := Config{}.WithDefaults()
	h := NewHandshake(1e9, &cfg, testOpen(), &wire.TCP{Flags: syn | ae | ece | cwr, Seq: testIRS, Window: 9000})
	h.Hold(1e9)
	if v := h.Receive(2e9, &Segment{TCP: wire.TCP{Flags: syn | ece | cwr, Seq: testIRS, Window: 9000}}); v != VerdictReset {
		t.Errorf("verdict %v", v)
	}
	var out Outgoing
	if !h.Transmit(2e9, 1, &out) || out.TCP.Flags != wire.RST|ack || out.TCP.Seq != testISS+1 || out.TCP.Ack != testIRS+1 || h.State() != Closed {
		t.Errorf("sent %+v, state %v", out.TCP, h.State())
	}
}

// In a simultaneous open, both ends report the codepoint of the other's SYN in the SYN-ACK, and count (RFC 9768 3.1.2).
func TestAccECNSimultaneousOpen(t *testing.T) {
	o := dialEndpoint(t, Config{ECN: ECNAccurate})
	o.want(segment{flags: syn | ece | cwr | ae})
	o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: testIRS, Flags: syn | ece | cwr | ae, Window: 65535}, ECN: wire.ECT0})
	o.want(segment{flags: syn | ack | ae, ack: 1})
	o.in(segment{flags: syn | ack | cwr, ack: 1, options: wire.Options{MSS: 1000, AccECN: accecn.Intro(40)}})
	o.drain()
	if i := o.c.Info(o.now); !i.AccECN.Agreed || !i.ECN || i.AccECN.Failures != 0 || i.State != Established {
		t.Errorf("%v: ECN %v, %+v", i.State, i.ECN, i.AccECN)
	}
	// SYNs of both kinds end the connection.
	o = dialEndpoint(t, Config{ECN: ECNAccurate})
	o.drain()
	o.in(segment{flags: syn | ece | cwr | ae})
	o.drain()
	o.in(segment{flags: syn | ece | cwr})
	if o.drain(); o.c.State() != Closed || o.last.TCP.Flags != wire.RST|ack|ae|ece {
		t.Errorf("%v, sent %v", o.c.State(), o.last.TCP.Flags)
	}
}

// The counters of an idle connection remain, also those of packets that arrive meanwhile.
func TestAccECNAfterIdle(t *testing.T) {
	o := accurateOne(t, Config{})
	o.mark(1, 2)
	o.drain()
	o.c.Read(make([]byte, 1000))
	o.drain()
	for o.c.active != nil {
		o.now = o.c.Deadline()
		o.c.Advance(o.now)
		o.drain()
	}
	for range 3 { // acknowledged without data: the third is
		o.c.Receive(o.now, &Segment{TCP: wire.TCP{Seq: seq.Wire(testIRS, 201), Ack: testISS + 1, Flags: ack | ae | ece, Window: 65535}, ECN: wire.CE})
	}
	o.want(segment{flags: ack | accecn.FieldFlags(5+5), seq: 1, ack: 201})
	if o.c.active != nil {
		t.Error("the connection is not idle")
	}
	o.write(repeat(500))
	o.want(segment{flags: ack | accecn.FieldFlags(5+5), seq: 1, ack: 201, data: repeat(500)})
	if o.last.ECN != wire.ECT0 {
		t.Errorf("sent with %v", o.last.ECN)
	}
	o.in(segment{flags: ack | accecn.FieldFlags(6), seq: 201, ack: 501})
	o.wantReductions(8, 1)
}
