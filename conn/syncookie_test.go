package conn

import (
	"net/netip"
	"testing"

	"minitcp/conn/cookie"
	"minitcp/conn/wire"
)

var (
	cookieSecret = [32]byte{7}
	cookieEnds   = cookie.Ends{Local: netip.MustParseAddrPort("192.0.2.1:80"), Remote: netip.MustParseAddrPort("192.0.2.2:4000"), IRS: testIRS}
)

// synOptions calls f with every combination of the options of a SYN that a cookie holds without loss.
func synOptions(f func(wire.TCP)) {
	for bits := range 16 {
		for _, mss := range []uint16{0, 536, 1220, 1460} {
			s := wire.TCP{Seq: testIRS, Flags: syn, Window: 29200, Options: wire.Options{MSS: mss}}
			o := &s.Options
			o.SACKPermitted, o.HasWindowScale, o.HasTimestamps = bits&1 != 0, bits&2 != 0, bits&4 != 0
			if o.HasWindowScale {
				o.WindowScale = 7
			}
			if o.HasTimestamps {
				o.TSVal = 5000
			}
			if bits&8 != 0 {
				s.Flags |= wire.ECE | wire.CWR
			}
			f(s)
		}
	}
}

// A connection that comes from a cookie is the one that comes from a Handshake, for every combination of options:
// SYN-ACKs, states, Infos and first segments are equal. A cookie has no measured round-trip time, and no room for ECN
// without timestamps.
func TestSYNCookieOptions(t *testing.T) {
	const start, rtt = Time(1e9), 20 * ms
	cfg := Config{}.WithDefaults()
	keys := cookie.NewKeys(&cookieSecret, start)
	synOptions(func(s wire.TCP) {
		var kept, sent Outgoing
		h := NewHandshake(start, &cfg, testOpen(), &s)
		h.Transmit(start, 1, &kept)
		if !SYNCookie(start, &cfg, testOpen(), &s, keys, &cookieEnds, &sent) {
			t.Fatalf("%v: no cookie", s)
		}
		iss, tsval := sent.TCP.Seq, sent.TCP.Options.TSVal
		if age := kept.TCP.Options.TSVal - tsval; age >= 32 {
			t.Errorf("%v: the TSVal is %d ms old", s, age)
		}
		sent.TCP.Seq, sent.TCP.Options.TSVal = kept.TCP.Seq, kept.TCP.Options.TSVal
		if !s.Options.HasTimestamps {
			kept.TCP.Flags &^= wire.ECE
			h.ecn.Declined()
		}
		if sent.TCP != kept.TCP {
			t.Fatalf("%v: SYN-ACK\n%+v, want\n%+v", s, sent.TCP, kept.TCP)
		}

		reply := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: testISS + 1, Flags: ack, Window: 229}, Data: []byte("GET")}
		reply.TCP.Options.HasTimestamps, reply.TCP.Options.TSVal = s.Options.HasTimestamps, s.Options.TSVal
		cookieReply := reply
		cookieReply.TCP.Ack = iss + 1
		if s.Options.HasTimestamps {
			reply.TCP.Options.TSEcr, cookieReply.TCP.Options.TSEcr = kept.TCP.Options.TSVal, tsval
		}
		now := start.Add(rtt)
		h2, ok := HandshakeFromCookie(now, &cfg, testOpen(), &cookieReply, keys, &cookieEnds)
		if !ok {
			t.Fatalf("%v: the cookie is not valid", s)
		}
		want, got := establish(t, now, h, &reply), establish(t, now, h2, &cookieReply)
		if got.rtt.SRTT != 0 || want.rtt.SRTT != rtt {
			t.Errorf("%v: round-trip times %v and %v, want 0 and %v", s, got.rtt.SRTT, want.rtt.SRTT, rtt)
		}
		got.rtt = want.rtt
		if g, w := got.Info(now), want.Info(now); g != w {
			t.Errorf("%v:\n%+v, want\n%+v", s, g, w)
		}
		data := make([]byte, 5000)
		want.Write(now, data)
		got.Write(now, data)
		var a, b Outgoing
		for want.Transmit(now, 1, &a) {
			if !got.Transmit(now, 1, &b) {
				t.Fatalf("%v: a segment is missing", s)
			}
			if b.TCP.Seq -= iss - testISS; a.TCP != b.TCP || a.Len != b.Len || a.ECN != b.ECN {
				t.Fatalf("%v:\n%+v, want\n%+v", s, b, a)
			}
		}
	})
}

// establish passes the segment that completes a handshake to it and to its connection.
func establish(t *testing.T, now Time, h *Handshake, s *Segment) *Conn {
	t.Helper()
	if v := h.Receive(now, s); v != VerdictAccepted || h.State() != Established {
		t.Fatalf("handshake: %v, %v", v, h.State())
	}
	c := h.Establish(now)
	if v := c.Receive(now, s); v != VerdictAccepted || c.State() != Established {
		t.Fatalf("connection: %v, %v", v, c.State())
	}
	return c
}

// A FIN with the ACK closes the peer's direction at once, and a segment that begins after the first byte of data does
// not open a connection: the peer's initial sequence number is part of the cookie.
func TestSYNCookieFirstSegment(t *testing.T) {
	cfg := Config{}.WithDefaults()
	keys := cookie.NewKeys(&cookieSecret, 0)
	s := wire.TCP{Seq: testIRS, Flags: syn, Window: 1000}
	var out Outgoing
	SYNCookie(0, &cfg, testOpen(), &s, keys, &cookieEnds, &out)
	reply := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: out.TCP.Seq + 1, Flags: ack | fin, Window: 1000}, Data: []byte("x")}
	h, ok := HandshakeFromCookie(0, &cfg, testOpen(), &reply, keys, &cookieEnds)
	if !ok {
		t.Fatal("the cookie is not valid")
	}
	h.Receive(0, &reply)
	c := h.Establish(0)
	if c.Receive(0, &reply); c.State() != CloseWait {
		t.Errorf("a FIN with the ACK: %v", c.State())
	}
	later := cookieEnds
	later.IRS++
	if _, ok := HandshakeFromCookie(0, &cfg, testOpen(), &reply, keys, &later); ok {
		t.Error("valid for the second byte of data")
	}
}

// A peer with a small MSS gets no cookie, which could not hold it (MUST-16).
func TestSYNCookieSmallMSS(t *testing.T) {
	cfg := Config{}.WithDefaults()
	keys := cookie.NewKeys(&cookieSecret, 0)
	for mss, want := range map[uint16]bool{1: false, 535: false, 536: true} {
		s := wire.TCP{Seq: testIRS, Flags: syn, Window: 1000, Options: wire.Options{MSS: mss}}
		var out Outgoing
		if got := SYNCookie(0, &cfg, testOpen(), &s, keys, &cookieEnds, &out); got != want {
			t.Errorf("MSS %d: a cookie: %v, want %v", mss, got, want)
		}
	}
}

// A cookie costs no allocation for a SYN, nor for an ACK that is not valid.
func TestSYNCookieAllocs(t *testing.T) {
	cfg := Config{}.WithDefaults()
	keys := cookie.NewKeys(&cookieSecret, 0)
	s := wire.TCP{Seq: testIRS, Flags: syn, Window: 1000, Options: wire.Options{MSS: 1460, HasTimestamps: true, TSVal: 1}}
	reply := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: 77, Flags: ack}}
	var out Outgoing
	if n := testing.AllocsPerRun(100, func() {
		SYNCookie(0, &cfg, testOpen(), &s, keys, &cookieEnds, &out)
		HandshakeFromCookie(0, &cfg, testOpen(), &reply, keys, &cookieEnds)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// The first round trip of a connection from a cookie is that of its first data, even if the ACK covers only a part of a
// GSO packet and the rest is late or lost.
func TestSYNCookieRoundTrip(t *testing.T) {
	cfg := Config{}.WithDefaults()
	keys := cookie.NewKeys(&cookieSecret, 0)
	s := wire.TCP{Seq: testIRS, Flags: syn, Window: 65535, Options: wire.Options{MSS: 1000, SACKPermitted: true}}
	var out Outgoing
	SYNCookie(0, &cfg, testOpen(), &s, keys, &cookieEnds, &out)
	reply := Segment{TCP: wire.TCP{Seq: testIRS + 1, Ack: out.TCP.Seq + 1, Flags: ack, Window: 65535}}
	h, ok := HandshakeFromCookie(0, &cfg, testOpen(), &reply, keys, &cookieEnds)
	if !ok {
		t.Fatal("the cookie is not valid")
	}
	c := establish(t, 0, h, &reply)
	c.Write(0, make([]byte, 3000))
	if !c.Transmit(0, 64000, &out) || out.Len != 3000 {
		t.Fatalf("a segment of %d bytes", out.Len)
	}
	reply.TCP.Ack += 1000
	now := Time(20 * ms)
	if c.Receive(now, &reply); c.rtt.SRTT != 20*ms {
		t.Errorf("round-trip time %v, want 20ms", c.rtt.SRTT)
	}
}
