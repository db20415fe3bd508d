package accecn

import (
	"testing"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/wire"
)

const mss = 1000

// acknowledge passes an ACK of packets, with the fields of from, to s.
func acknowledge(s, from *State, packets int, withOption bool) int {
	a := ACK{Flags: from.ACE(), Option: new(wire.AccECN), Packets: packets, MSS: mss}
	if withOption {
		*a.Option = from.Option(40)
	}
	from.Sent(0, a.Option)
	return s.Acknowledged(&a)
}

// The field's bits are AE, CWR and ECE (RFC 9768 figure 3).
func TestField(t *testing.T) {
	for n, want := range []wire.Flags{0, wire.ECE, wire.CWR, wire.CWR | wire.ECE, wire.AE, wire.AE | wire.ECE, wire.AE | wire.CWR, wire.AE | wire.CWR | wire.ECE} {
		if got := FieldFlags(uint32(n) + 16); got != want || Field(want|wire.ACK|wire.PSH) != uint8(n) {
			t.Errorf("%d: flags %v, want %v, which are read as %d", n, got, want, Field(want))
		}
	}
}

// The codepoint of a SYN is reported as in RFC 9768 table 2, and that of a SYN-ACK as in table 3. Values without a
// meaning are those of an unchanged packet.
func TestReflect(t *testing.T) {
	for e, want := range map[wire.ECN]uint8{wire.NotECT: 0b010, wire.ECT1: 0b011, wire.ECT0: 0b100, wire.CE: 0b110} {
		f := Reflect(e)
		if Field(f) != want || Reflected(f) != e {
			t.Errorf("%v: %03b is read as %v, want %03b", e, Field(f), Reflected(f), want)
		}
	}
	for _, n := range []uint32{0b000, 0b001, 0b101, 0b111} {
		if got := Reflected(FieldFlags(n)); got != wire.NotECT {
			t.Errorf("%03b is read as %v", n, got)
		}
	}
}

// The counters begin at 5 for packets, at 1 for bytes with ECT and at 0 for bytes with CE (RFC 9768 3.2.1).
func TestInitialValues(t *testing.T) {
	s := New(ServerOptions)
	want := wire.AccECN{Order: wire.AccECN1, Count: 3, Fields: [3]uint32{1, 0, 1}}
	if got := Intro(40); Field(s.ACE()) != 5 || got != want {
		t.Errorf("ACE %d, option %v, want 5 and %v", Field(s.ACE()), &got, &want)
	}
}

// The option of the handshake has the fields that fit. An option needs at least 4 bytes (RFC 9768 table 5).
func TestIntroRoom(t *testing.T) {
	for room, want := range map[int]int{0: 0, 3: 0, 4: 4, 7: 4, 8: 8, 11: 8, 12: 12, 40: 12} {
		if o := Intro(room); o.Len() != want {
			t.Errorf("room %d: %d bytes, want %d", room, o.Len(), want)
		}
	}
	// Two fields take the same 8 bytes as one.
	if o := Intro(8); o.Count != 2 {
		t.Errorf("%d fields in 8 bytes, want 2", o.Count)
	}
}

// Every packet with CE is counted, with or without data, and the packets of a GSO packet too. The bytes of data are
// counted by codepoint (RFC 9768 3.2).
func TestArrived(t *testing.T) {
	s := New(ServerOptions)
	s.Arrived(wire.CE, 1, 0, false)
	s.Arrived(wire.CE, 44, 44*mss, true)
	s.Arrived(wire.ECT0, 10, 10*mss, true)
	s.Arrived(wire.ECT1, 1, 7, true)
	s.Arrived(wire.NotECT, 3, 3*mss, true)
	want := Counters{Packets: 45, Bytes: [4]uint32{wire.CE: 44 * mss, wire.ECT0: 10 * mss, wire.ECT1: 7}}
	if s.Received != want || Field(s.ACE()) != (5+45)&7 {
		t.Errorf("%+v, ACE %d, want %+v", s.Received, Field(s.ACE()), want)
	}
}

// CE of SYN-ACKs is counted once (RFC 9768 3.2.2.2).
func TestArrivedSYNACK(t *testing.T) {
	s := New(ClientOptions)
	for range 3 {
		s.ArrivedSYNACK(wire.CE, 0)
	}
	if s.ArrivedSYNACK(wire.ECT0, 7); Field(s.ACE()) != 6 || s.Received.Bytes[wire.ECT0] != 7 {
		t.Errorf("ACE %d, want 6; %+v", Field(s.ACE()), s.Received)
	}
}

// The first data with CE after a packet without is acknowledged at once, and then every second packet with CE while
// data is unacknowledged, every third otherwise (RFC 9768 3.2.2.5.1).
func TestACKsAtOnce(t *testing.T) {
	type arrival struct {
		e              wire.ECN
		packets, bytes int
		unacknowledged bool
		want           bool
	}
	for name, list := range map[string][]arrival{
		"edge":                 {{wire.ECT0, 1, mss, true, false}, {wire.CE, 1, mss, true, true}},
		"edge after an ACK":    {{wire.NotECT, 1, 0, false, false}, {wire.CE, 1, mss, true, true}},
		"first":                {{wire.CE, 1, mss, true, true}},
		"no edge without data": {{wire.ECT0, 1, mss, true, false}, {wire.CE, 1, 0, true, false}},
		"end of marks":         {{wire.CE, 1, mss, true, true}, {wire.ECT0, 1, mss, true, false}},
		"third without data":   {{wire.CE, 1, 0, false, false}, {wire.CE, 1, 0, false, false}, {wire.CE, 1, 0, false, true}},
		"second with data":     {{wire.CE, 1, 0, true, false}, {wire.CE, 1, mss, true, true}},
		"superframe":           {{wire.CE, 1, 0, false, false}, {wire.CE, 40, 40 * mss, true, true}},
	} {
		s := New(ServerOptions)
		for i, a := range list {
			if got := s.Arrived(a.e, a.packets, a.bytes, a.unacknowledged); got != a.want {
				t.Errorf("%s: arrival %d: %v, want %v", name, i, got, a.want)
			}
		}
	}
	s := New(ServerOptions)
	s.Arrived(wire.CE, 1000, 1000*mss, true)
	if s.pending != maxPending {
		t.Errorf("%d packets are pending, want %d", s.pending, maxPending)
	}
	s.Sent(0, new(wire.AccECN))
	if s.Arrived(wire.CE, 1, mss, true) {
		t.Error("an ACK is due for the first packet with CE after an ACK")
	}
}

// An option has all counters in the order of Linux or, if they do not fit, those that have ever changed, in the order
// that makes it short (RFC 9768 3.2.3.3).
func TestOptionFields(t *testing.T) {
	for _, c := range []struct {
		arrivals []wire.ECN
		room     int
		want     string
	}{
		{nil, 40, "e1b 1 ceb 0 e0b 1"},
		{[]wire.ECN{wire.ECT0}, 40, "e1b 1 ceb 0 e0b 1001"},
		{[]wire.ECN{wire.ECT1, wire.CE, wire.ECT0, wire.CE}, 12, "e1b 1001 ceb 2000 e0b 1001"},
		{[]wire.ECN{wire.ECT0}, 11, "e0b 1001"},
		{[]wire.ECN{wire.ECT1}, 11, "e1b 1001"},
		{[]wire.ECN{wire.CE}, 8, "e0b 1 ceb 1000"},
		{[]wire.ECN{wire.ECT0, wire.CE}, 8, "e0b 1001 ceb 1000"},
		{[]wire.ECN{wire.ECT1, wire.CE}, 8, "e1b 1001 ceb 1000"},
		{[]wire.ECN{wire.ECT0}, 7, ""},
		{[]wire.ECN{wire.ECT0, wire.CE}, 7, ""},
		{[]wire.ECN{wire.ECT1, wire.ECT0}, 11, ""}, // both have changed
	} {
		s := New(ServerOptions)
		for _, e := range c.arrivals {
			s.Arrived(e, 1, mss, true)
		}
		if o := s.Option(c.room); o.String() != c.want {
			t.Errorf("%v in %d bytes: %v, want %s", c.arrivals, c.room, &o, c.want)
		}
	}
	s := New(ServerOptions)
	s.Arrived(wire.ECT0, 1, mss, true)
	s.Arrived(wire.ECT1, 1, mss, true)
	o := s.Option(40)
	s.Sent(0, &o)
	s.Arrived(wire.ECT1, 1, mss, true)
	if o := s.Option(8); o.String() != "e1b 2001" { // the other counter has not changed since
		t.Errorf("with little room: %v, want e1b 2001", &o)
	}
}

// Every ACK has an option if a counter has changed since the last one. Two have one after the codepoint has changed,
// and after CE. So a counter never grows by 2^22 bytes without an option while there are ACKs (RFC 9768 3.2.3.3).
func TestOptionDue(t *testing.T) {
	s := New(ServerOptions)
	send := func(want bool) {
		t.Helper()
		if got := s.OptionDue(0, 0); got != want {
			t.Errorf("an option is due: %v, want %v", got, want)
		}
		if s.OptionDue(0, 0) {
			o := s.Option(40)
			s.Sent(0, &o)
		} else {
			s.Sent(0, new(wire.AccECN))
		}
	}
	send(true) // the server's first segment
	send(false)
	s.Arrived(wire.NotECT, 1, mss, true)
	send(false)
	s.Arrived(wire.ECT0, 1, mss, true) // an edge
	send(true)
	send(true)
	send(false)
	s.Arrived(wire.ECT0, 1, mss, true)
	send(true)
	send(false)
	for range 3 {
		s.Arrived(wire.CE, 1, mss, true)
		send(true)
	}
	send(true)
	send(false)
	s.Arrived(wire.CE, 1, 0, true) // no bytes
	send(false)
}

// If no counter changes, an option follows after a third of a round trip, and after a millisecond at least. It follows
// the last option, whatever the reason for that was.
func TestOptionRepeated(t *testing.T) {
	const srtt = 30 * time.Millisecond
	s, o := New(ServerOptions), Intro(40)
	at := clock.Time(7e9)
	s.Sent(at, &o)
	for i, c := range []struct {
		after, srtt time.Duration
		want        bool
	}{
		{0, srtt, false}, {10*time.Millisecond - 1, srtt, false}, {10 * time.Millisecond, srtt, true}, {time.Hour, srtt, true},
		{time.Millisecond - 1, time.Microsecond, false}, {time.Millisecond, time.Microsecond, true}, {time.Hour, 0, false},
	} {
		if got := s.OptionDue(at.Add(c.after), c.srtt); got != c.want {
			t.Errorf("%d: %v after an option, with a round trip of %v: due %v, want %v", i, c.after, c.srtt, got, c.want)
		}
	}
	s.Arrived(wire.ECT0, 1, mss, true)
	s.Sent(at.Add(9*time.Millisecond), &o) // the first option after an edge
	s.Sent(at.Add(9*time.Millisecond), &o) // the second
	s.Sent(at.Add(11*time.Millisecond), new(wire.AccECN))
	if s.OptionDue(at.Add(18*time.Millisecond), srtt) || !s.OptionDue(at.Add(19*time.Millisecond), srtt) {
		t.Error("the time does not begin with the last option")
	}
}

// A client's first two segments have an option with all fields, in case the first is lost (RFC 9768 3.2.3.2.1).
func TestClientOptions(t *testing.T) {
	s := New(ClientOptions)
	for range 2 {
		o := s.Option(40)
		if !s.OptionDue(0, 0) || o.Count != 3 {
			t.Errorf("due %v, %v", s.OptionDue(0, 0), &o)
		}
		s.Sent(0, &o)
	}
	if s.OptionDue(0, 0) {
		t.Error("a third option is due")
	}
}

// The fields of an option wrap at 2^24, and the sender's counters do not.
func TestOptionWraps(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	for range 5 {
		r.Arrived(wire.ECT0, 4000, 1<<22, true)
		acknowledge(s, r, 4000, true)
	}
	if want := uint32(5 << 22); s.Delivered.Bytes[wire.ECT0] != want || r.Received.Bytes[wire.ECT0] != want {
		t.Errorf("%d bytes reported of %d, want %d", s.Delivered.Bytes[wire.ECT0], r.Received.Bytes[wire.ECT0], want)
	}
}

// The field gives the number of packets with CE exactly if fewer than 8 packets are acknowledged, and with an option
// whatever their number (RFC 9768 3.2.2.5.2, 3.2.3.1).
func TestUnwrap(t *testing.T) {
	for _, c := range []struct {
		marked, packets int
		option          bool
		want            int
	}{
		{0, 1, false, 0}, {1, 1, false, 1}, {7, 7, false, 7}, {3, 7, false, 3},
		{1, 0, false, 1}, // a control packet that is not counted here: the field is right
		{0, 7, true, 0}, {7, 7, true, 7},
		{0, 44, true, 0}, {1, 44, true, 1}, {8, 44, true, 8}, {13, 44, true, 13}, {44, 44, true, 44},
		{0, 44, false, 0},   // no mark before: eight are unlikely
		{1, 44, false, 41},  // the safest case
		{13, 44, false, 37}, // likewise
		{1, 8, false, 1}, {1, 9, false, 9},
	} {
		s, r := New(ServerOptions), New(ServerOptions)
		acknowledge(s, r, 1, false) // the first field is not 0
		r.Arrived(wire.ECT0, c.packets-c.marked, (c.packets-c.marked)*mss, true)
		r.Arrived(wire.CE, c.marked, c.marked*mss, true)
		if got := acknowledge(s, r, c.packets, c.option); got != c.want || s.Delivered.Packets != uint32(c.want) {
			t.Errorf("%d of %d packets, option %v: %d, want %d", c.marked, c.packets, c.option, got, c.want)
		}
	}
}

// Without options, an ACK whose field is unchanged is taken for eight packets with CE only after an ACK that has
// reported some.
func TestUnwrapSeries(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	r.Arrived(wire.CE, 1, mss, true)
	for i, want := range []int{1, 40, 0, 0} {
		if got := acknowledge(s, r, []int{1, 40, 40, 40}[i], false); got != want {
			t.Errorf("ACK %d: %d packets, want %d", i, got, want)
		}
	}
}

// An option that omits the counter of CE for lack of room does not report that it is unchanged.
func TestShortOption(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	r.Arrived(wire.CE, 1, mss, true)
	acknowledge(s, r, 1, true)
	r.Arrived(wire.CE, 8, 8*mss, true)
	a := ACK{Flags: r.ACE(), Option: &wire.AccECN{Order: wire.AccECN0, Count: 1, Fields: [3]uint32{1}}, Packets: 8, MSS: mss}
	if got := s.Acknowledged(&a); got != 8 {
		t.Errorf("%d packets, want 8", got)
	}
}

// An option that is older than the last one has no effect.
func TestOldOption(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	r.Arrived(wire.ECT0, 1, mss, true)
	old := r.Option(40)
	r.Arrived(wire.ECT0, 1, mss, true)
	acknowledge(s, r, 2, true)
	s.Acknowledged(&ACK{Flags: r.ACE(), Option: &old, Packets: 1, MSS: mss})
	if got := s.Delivered.Bytes[wire.ECT0]; got != 2*mss {
		t.Errorf("%d bytes with ECT(0), want %d", got, 2*mss)
	}
}

// The server's count depends on the ACK of its SYN-ACK as in RFC 9768 table 4. A field of 0, and every codepoint but
// Not-ECT, with which the SYN-ACK is sent, end the sending of packets with ECT (3.2.2.1, 3.2.2.3).
func TestHandshakeACK(t *testing.T) {
	for n, want := range []struct {
		packets uint32
		mayMark bool
	}{{0, false}, {0, true}, {0, true}, {0, false}, {0, false}, {0, true}, {1, false}, {0, true}} {
		s := New(ServerOptions)
		o := Intro(40)
		s.HandshakeACKed(FieldFlags(uint32(n)), &o)
		if s.Delivered.Packets != want.packets || s.MayMark() != want.mayMark {
			t.Errorf("%03b: %d packets, ECT %v, want %+v", n, s.Delivered.Packets, s.MayMark(), want)
		}
		responds := acknowledge(s, &State{Received: Counters{Packets: want.packets + 1}}, 1, false) > 0
		if responds != (n != 0) {
			t.Errorf("%03b: reports have an effect: %v", n, responds)
		}
	}
}

// The client's count does not include CE on its SYN (RFC 9768 3.2.2.2).
func TestSYNACK(t *testing.T) {
	for e, mayMark := range map[wire.ECN]bool{wire.NotECT: true, wire.ECT0: false, wire.ECT1: false, wire.CE: false} {
		s := New(ClientOptions)
		o := Intro(40)
		s.SYNACKed(Reflect(e), &o)
		if s.Delivered.Packets != 0 || s.MayMark() != mayMark || s.Failures&OptionReceived != 0 {
			t.Errorf("%v: %d packets, %v", e, s.Delivered.Packets, s.Failures)
		}
	}
}

// If the first field that counts packets is 0, it is zeroed on the way. The counters of the option show if it has
// wrapped instead (RFC 9768 3.2.2.4).
func TestZeroedField(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	s.Acknowledged(&ACK{Option: new(wire.AccECN), Packets: 3, MSS: mss})
	r.Arrived(wire.CE, 4, 4*mss, true)
	if n := acknowledge(s, r, 4, false); n != 0 || s.Failures != ACEReceived || s.MayMark() {
		t.Errorf("%d packets, failures %v", n, s.Failures)
	}
	s, r = New(ServerOptions), New(ServerOptions)
	r.Arrived(wire.CE, 3, 3*mss, true)
	if n := acknowledge(s, r, 3, true); n != 3 || s.Failures != 0 {
		t.Errorf("with an option: %d packets, failures %v", n, s.Failures)
	}
	s, r = New(ServerOptions), New(ServerOptions)
	acknowledge(s, r, 1, true)
	r.Arrived(wire.CE, 3, 3*mss, true)
	if n := acknowledge(s, r, 3, false); n != 3 || s.Failures != 0 {
		t.Errorf("later: %d packets, failures %v", n, s.Failures)
	}
}

// A field that does not count the packets whose bytes the option reports has been changed (RFC 9768 3.2.3.2.5).
func TestInconsistentFields(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	r.Arrived(wire.CE, 1, mss, true)
	o := r.Option(40)
	s.Acknowledged(&ACK{Flags: FieldFlags(5), Option: &o, Packets: 1, MSS: mss})
	if s.Failures != ACEReceived {
		t.Errorf("failures %v", s.Failures)
	}
	// An ACK without room for the option comes first.
	s, r = New(ServerOptions), New(ServerOptions)
	r.Arrived(wire.CE, 2, 2*mss, true)
	acknowledge(s, r, 2, false)
	r.changed = 1 << wire.CE
	acknowledge(s, r, 1, true)
	if s.Failures != 0 {
		t.Errorf("with the option later: failures %v", s.Failures)
	}
}

// Without an option in the handshake, options do not arrive, until one does. With a field of 0, they are ignored for
// ever (RFC 9768 3.2.3.2.3, 3.2.3.2.4).
func TestOptionMissing(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	s.HandshakeACKed(Reflect(wire.NotECT), new(wire.AccECN))
	if s.Failures != OptionReceived || !s.MayMark() {
		t.Errorf("failures %v", s.Failures)
	}
	r.Arrived(wire.ECT0, 1, mss, true)
	if acknowledge(s, r, 1, true); s.Failures != 0 || s.Delivered.Bytes[wire.ECT0] != mss {
		t.Errorf("later: failures %v, %+v", s.Failures, s.Delivered)
	}
	for _, fields := range [][3]uint32{{0, 0, 1}, {1, 0, 0}} {
		s := New(ServerOptions)
		s.ExpectOption(&wire.AccECN{Order: wire.AccECN0, Count: 3, Fields: fields})
		acknowledge(s, r, 1, true)
		if s.Failures != OptionReceived || s.Delivered.Bytes[wire.ECT0] != 0 {
			t.Errorf("fields %v: failures %v, %+v", fields, s.Failures, s.Delivered)
		}
	}
}

// retransmissions records n retransmissions, each after some packets with data whose last ACK has o.
func retransmissions(s *State, o *wire.AccECN, n, packets int) {
	for i := range n {
		for range packets {
			s.Arrived(wire.NotECT, 1, mss, true)
		}
		s.Sent(0, o)
		s.Repeated(uint32(100+i), wire.NotECT)
	}
}

// lost records n segments with an option and data from the sequence number 7. Each time, ten bytes from another one are
// sent again.
func lost(s *State, n int, resent uint32) {
	o := Intro(40)
	for range n {
		s.SentData(&o, 16)
		s.SentData(&o, 99) // a later one, which is not followed
		s.Resent(resent, 10)
		s.Resent(resent, 10) // counts once
		s.Progress(300)
	}
}

// passed records that a segment with an option is acknowledged.
func passed(s *State) {
	o := Intro(40)
	s.SentData(&o, 200)
	s.Progress(201)
}

// No option is sent after a segment with new data and an option has caused a timeout, nor after the peer has
// retransmitted data although an ACK with an option has reported it as received twice, nor after several losses of
// segments with an option between others that arrive (RFC 9768 3.2.3.2.2).
func TestOptionsLost(t *testing.T) {
	with, without := Intro(40), wire.AccECN{}
	for name, c := range map[string]struct {
		do   func(s *State)
		want Failures
	}{
		"timeout":                {func(s *State) { s.SentData(&with, 7); s.TimedOut() }, OptionSent},
		"timeout of a later one": {func(s *State) { s.SentData(&with, 7); s.SentData(&without, 8); s.TimedOut() }, OptionSent},
		"timeout without option": {func(s *State) { s.SentData(&without, 8); s.TimedOut() }, 0},
		"timeout after progress": {func(s *State) { s.SentData(&with, 7); s.Progress(8); s.TimedOut() }, 0},
		"timeout after others":   {func(s *State) { s.SentData(&with, 7); s.Progress(7); s.TimedOut() }, OptionSent},
		"timeout after passage": {func(s *State) {
			s.SentData(&with, 7)
			s.Progress(8)
			s.SentData(&with, 8)
			s.TimedOut()
		}, 0},
		"timeout after a probe": {func(s *State) { s.SentData(&with, 7); s.Resent(7, 1); s.TimedOut() }, OptionSent},
		"lost once":             {func(s *State) { lost(s, maxSuspects-1, 7) }, 0},
		"lost often":            {func(s *State) { lost(s, maxSuspects, 7) }, OptionSent},
		"others lost":           {func(s *State) { lost(s, 2*maxSuspects, 6); lost(s, 2*maxSuspects, 17) }, 0},
		"lost and passed":       {func(s *State) { lost(s, maxSuspects-1, 7); passed(s); lost(s, maxSuspects-1, 7) }, 0},
		"after SYN-ACK":         {func(s *State) { s.SYNACKLost(); lost(s, 1, 7) }, OptionSent},
		"only SYN-ACK":          {func(s *State) { s.SYNACKLost(); passed(s); lost(s, 1, 7) }, 0},
		"repeated":              {func(s *State) { s.Sent(0, &with); s.SentRepeated(&with, 7); s.Repeated(7, wire.ECT0) }, OptionSent},
		"repeated elsewhere":    {func(s *State) { s.Sent(0, &with); s.SentRepeated(&with, 7); s.Repeated(8, wire.ECT0) }, 0},
		"repeated without":      {func(s *State) { s.Sent(0, &without); s.SentRepeated(&without, 7); s.Repeated(7, wire.ECT0) }, 0},
		"retransmitted often":   {func(s *State) { retransmissions(s, &with, maxSuspects, 1) }, OptionSent},
		"retransmitted":         {func(s *State) { retransmissions(s, &with, maxSuspects-1, 1) }, 0},
		"retransmitted without": {func(s *State) { retransmissions(s, &without, 10, 1) }, 0},
		"retransmitted seldom":  {func(s *State) { retransmissions(s, &with, 10, calmPackets) }, 0},
		"repeated later":        {func(s *State) { s.SentRepeated(&with, 7); s.Sent(0, &without); s.Repeated(7, wire.ECT0) }, 0},
	} {
		s := New(ServerOptions)
		if c.do(s); s.Failures != c.want {
			t.Errorf("%s: failures %v, want %v", name, s.Failures, c.want)
		}
		if s.Arrived(wire.ECT0, 1, mss, true); s.OptionDue(0, 0) != (c.want == 0) {
			t.Errorf("%s: an option is due: %v", name, s.OptionDue(0, 0))
		}
	}
}

func TestFailuresString(t *testing.T) {
	for f, want := range map[Failures]string{0: "none", ACESent: "ACE sent", ACEReceived | OptionSent: "ACE received, option sent", OptionReceived: "option received"} {
		if got := f.String(); got != want {
			t.Errorf("%d is %q, want %q", uint8(f), got, want)
		}
	}
}

// FuzzReports lets packets arrive and loses ACKs and options. The sender's counters never pass the receiver's in bytes.
// In packets they are exact while fewer than 8 packets are acknowledged at a time, and differ by a multiple of 8
// otherwise.
func FuzzReports(f *testing.F) {
	f.Add([]byte{0x13, 0x22, 0x31, 0x80, 0xff})
	f.Fuzz(func(t *testing.T, list []byte) {
		s, r := New(ServerOptions), New(ServerOptions)
		unreported, largest := 0, 0
		acknowledge(s, r, 0, true) // the first field is not 0
		for _, b := range list {
			packets := int(b>>2&15) + 1
			r.Arrived(wire.ECN(b&3), packets, packets*mss, true)
			unreported += packets
			if b&0x80 != 0 {
				r.Sent(0, new(wire.AccECN)) // an ACK that is lost
				continue
			}
			acknowledge(s, r, unreported, b&0x40 == 0)
			largest, unreported = max(largest, unreported), 0
			d := int32(r.Received.Packets - s.Delivered.Packets)
			switch {
			case d&7 != 0, largest < 8 && d != 0:
				t.Fatalf("%d packets of %d", s.Delivered.Packets, r.Received.Packets)
			case s.Failures != 0:
				t.Fatal(s.Failures)
			}
			for e := range s.Delivered.Bytes {
				if s.Delivered.Bytes[e] > r.Received.Bytes[e] {
					t.Fatalf("%v: %d bytes of %d", wire.ECN(e), s.Delivered.Bytes[e], r.Received.Bytes[e])
				}
			}
		}
	})
}

// FuzzAcknowledged passes any ACKs to a sender.
func FuzzAcknowledged(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := New(ClientOptions)
		for ; len(b) >= 12; b = b[12:] {
			o := wire.AccECN{Order: wire.AccECNOrder(b[0] % 3), Count: b[0] >> 2 & 3}
			for i := range o.Fields {
				o.Fields[i] = uint32(b[3*i+1])<<16 | uint32(b[3*i+2])<<8 | uint32(b[3*i+3])
			}
			a := ACK{Flags: FieldFlags(uint32(b[10])), Option: &o, Packets: int(b[11]), MSS: mss}
			if n := s.Acknowledged(&a); n < 0 || n > max(7, a.Packets) {
				t.Fatalf("%d packets with CE of %d", n, a.Packets)
			}
		}
	})
}

func TestAllocs(t *testing.T) {
	s, r := New(ServerOptions), New(ServerOptions)
	var o wire.AccECN
	a := ACK{Option: &o, Packets: 9, MSS: mss}
	if n := testing.AllocsPerRun(100, func() {
		r.Arrived(wire.CE, 9, 9*mss, true)
		o, a.Flags = r.Option(28), r.ACE()
		r.Sent(0, &o)
		s.Acknowledged(&a)
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// An Info has the counters by codepoint, and that of a nil State is zero.
func TestInfo(t *testing.T) {
	if i := (*State)(nil).Info(); i != (Info{}) {
		t.Errorf("without a State: %+v", i)
	}
	s := New(ServerOptions)
	for n, e := range []wire.ECN{wire.NotECT, wire.ECT0, wire.ECT1, wire.CE} {
		s.Arrived(e, 1, 100+n, false)
	}
	s.Delivered = Counters{Packets: 7, Bytes: [4]uint32{wire.ECT0: 1, wire.ECT1: 2, wire.CE: 3}}
	s.fail(OptionSent)
	want := Info{Agreed: true, Failures: OptionSent, DeliveredCE: 7, Delivered: Bytes{1, 2, 3}, Received: Bytes{101, 102, 103}}
	if i := s.Info(); i != want {
		t.Errorf("%+v, want %+v", i, want)
	}
}
