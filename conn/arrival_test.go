package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// Segments that arrive together are answered by one ACK, when all are taken.
//
// Shows: MUST-58, MUST-59.
func TestOneACKForManySegments(t *testing.T) {
	o := established(t, Config{})
	for i := range int64(8) {
		o.in(segment{flags: ack, seq: 1 + 1460*i, ack: 1, data: repeat(1460)})
	}
	o.want(segment{flags: ack, seq: 1, ack: 1 + 8*1460})
	o.nothing()
	// And on data, if there is any.
	o.in(segment{flags: ack, seq: 1 + 8*1460, ack: 1, data: repeat(1460)})
	o.in(segment{flags: ack, seq: 1 + 9*1460, ack: 1, data: repeat(1460)})
	o.write("x")
	o.want(segment{flags: ack, seq: 1, ack: 1 + 10*1460, data: "x"})
	o.nothing()
}

// What comes early is kept, and not needed again.
//
// Shows: SHLD-31, MAY-13.
func TestEarlyDataIsKept(t *testing.T) {
	o := established(t, Config{})
	for _, at := range []int64{21, 11} {
		if v := o.in(segment{flags: ack, seq: at, ack: 1, data: "0123456789"}); v != VerdictOutOfOrder {
			t.Errorf("at %d: %v", at, v)
		}
		o.want(segment{flags: ack, seq: 1, ack: 1}) // at once
	}
	o.in(segment{flags: ack, seq: 1, ack: 1, data: "abcdefghij"})
	o.want(segment{flags: ack, seq: 1, ack: 31})
	o.read("abcdefghij01234567890123456789", nil)
}

// A SYN-ACK counts in SYN-RECEIVED only with the number of the SYN it repeats: anywhere else in the window it may be
// forged, and gets a challenge ACK.
func TestSYNACKInTheWindowIsChallenged(t *testing.T) {
	for _, at := range []int64{1, 100} {
		o := crossedSubject(t).one
		if v := o.in(segment{flags: syn | ack, seq: at, ack: 1, data: "x"}); v != VerdictChallenged {
			t.Errorf("at %d: %v", at, v)
		}
		o.state(SynReceived)
		o.want(segment{flags: ack, seq: 1, ack: 1})
	}
	o := crossedSubject(t).one
	o.in(segment{flags: syn | ack, seq: 0, ack: 1, data: "x"})
	o.state(Established)
	o.read("x", nil)
}

// A second FIN is ignored, not called early.
func TestSecondFIN(t *testing.T) {
	for _, at := range []int64{22, 30} {
		o := closeWaitSubject(t).one
		if v := o.in(segment{flags: fin, seq: at, ack: 31}); v != VerdictIgnored {
			t.Errorf("at %d: %v", at, v)
		}
		o.state(CloseWait)
		o.nothing()
	}
}

// TIME-WAIT ends early for a SYN whose timestamp is later, although its number is not (RFC 6191), and for one without
// timestamps if its number is beyond the old ones. A SYN that is neither, that carries FIN, or for which there is no
// listener, is answered by an ACK.
//
// Shows: SHLD-4, MAY-2.
func TestSYNInTimeWait(t *testing.T) {
	stamped := func(v uint32) wire.Options { return wire.Options{HasTimestamps: true, TSVal: v, TSEcr: 2000} }
	first := stamped(100)
	first.MSS = 1460
	for _, c := range []struct {
		name  string
		cfg   Config
		flags wire.Flags
		at    uint32
		stamp uint32 // 0: none
		want  Verdict
	}{
		{"later timestamp, old number", modern, syn, 0, 300, VerdictReopen},
		{"earlier timestamp, new number", modern, syn, 70000, 50, VerdictOldTimestamp},
		{"same timestamp, new number", modern, syn, 70000, 200, VerdictReopen},
		{"same timestamp, old number", modern, syn, 0, 200, VerdictOutOfWindow},
		{"no timestamps, new number", Config{}, syn, 70000, 0, VerdictReopen},
		{"no timestamps, old number", Config{}, syn, 0, 0, VerdictOutOfWindow},
		{"with FIN", modern, syn | wire.FIN, 70000, 300, VerdictOutOfWindow},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := func(v uint32) wire.Options {
				if c.stamp == 0 {
					return wire.Options{}
				}
				return stamped(v)
			}
			o := opened(t, c.cfg, testOpen(), options(100))
			_ = o.c.CloseWrite()
			o.want(segment{flags: fin, seq: 1, ack: 1})
			o.in(segment{flags: fin, seq: 1, ack: 2, options: options(200)})
			o.want(segment{flags: ack, seq: 2, ack: 2})
			r := o.c.TimeWait(o.now)
			o.now = o.now.Add(time.Second)
			s := Segment{TCP: wire.TCP{Flags: c.flags, Seq: testIRS + c.at, Options: options(c.stamp)}}
			if v := r.Receive(o.now, &s); v != c.want {
				t.Errorf("%v, want %v", v, c.want)
			}
			if c.want == VerdictReopen {
				if r.Transmit(o.now, 1, &o.last) {
					t.Error("the old incarnation answers too")
				}
				r.Refuse(o.now)
			}
			if !r.Transmit(o.now, 1, &o.last) || o.last.TCP.Flags != ack || o.last.TCP.Ack != testIRS+2 {
				t.Errorf("answered by %v", o.last.TCP.Flags)
			}
			if r.Expired(o.now.Add(58 * time.Second)) {
				t.Error("TIME-WAIT is over")
			}
		})
	}
}

// Only the peer's FIN again, and nothing that looks like it, makes TIME-WAIT begin anew.
//
// Shows: MUST-13.
func TestTimeWaitBeginsAnew(t *testing.T) {
	for _, c := range []struct {
		name string
		in   arriving
		anew bool
	}{
		{"FIN", arriving{flags: fin, at: 21}, true},
		{"FIN with its data", arriving{flags: fin, at: 11, data: 10}, true},
		{"FIN without ACK", arriving{flags: wire.FIN, at: 21}, false},
		{"SYN and FIN", arriving{flags: fin | syn, at: 21}, false},
		{"FIN elsewhere", arriving{flags: fin, at: 22}, false},
		{"ACK", arriving{flags: ack, at: 21}, false},
	} {
		s := timeWaitSubject(t)
		if o := s.receive(&c.in); o.anew != c.anew || o.sends != rfcACK {
			t.Errorf("%s: waits anew: %v, answered by %q", c.name, o.anew, o.sends)
		}
	}
}

// A RST to a handshake of a listener puts an end to the handshake, one to a call of ours to the call.
//
// Shows: MUST-11.
func TestResetInSynReceived(t *testing.T) {
	passive, active := handshakeSubject(t), crossedSubject(t)
	if o := passive.receive(&arriving{flags: rst, at: 1}); o.next != "LISTEN" || o.sends != "" {
		t.Errorf("passive: %+v", o)
	}
	active.in(segment{flags: rst, seq: 1})
	active.state(Closed)
	active.read("", ErrRefused)
}
