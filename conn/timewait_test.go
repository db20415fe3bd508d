package conn

import (
	"testing"
	"time"

	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// Shows: MAY-2.
func TestTimeWaitConn(t *testing.T) {
	remnant := func() (*endpoint, *TimeWaitConn) {
		o := established(t, Config{})
		_ = o.c.CloseWrite()
		o.want(segment{flags: fin, seq: 1, ack: 1})
		o.in(segment{flags: fin, seq: 1, ack: 2})
		o.want(segment{flags: ack, seq: 2, ack: 2})
		return o, o.c.TimeWait(o.now)
	}
	receive := func(o *endpoint, r *TimeWaitConn, f wire.Flags, at, ack uint32) Verdict {
		return r.Receive(o.now, &Segment{TCP: wire.TCP{Flags: f, Seq: testIRS + at, Ack: testISS + ack}})
	}
	o, r := remnant()
	if v := receive(o, r, rst, 2, 0); v != VerdictIgnored || r.Expired(o.now.Add(59*time.Second)) {
		t.Errorf("RST: %v: TIME-WAIT assassinated (RFC 1337)", v)
	}
	o.now = o.now.Add(30 * time.Second)
	if v := receive(o, r, fin, 1, 2); v != VerdictDuplicate || r.Expired(o.now.Add(59*time.Second)) {
		t.Errorf("FIN again: %v, or the timer did not start anew", v)
	}
	if !r.Transmit(o.now, 1, &o.last) || o.last.TCP.Ack != testIRS+2 || o.last.TCP.Seq != testISS+2 {
		t.Error("FIN again is not acknowledged")
	}
	if v := receive(o, r, syn, 1, 0); v == VerdictReopen {
		t.Error("an old SYN reopens")
	}
	if v := receive(o, r, syn, 2, 0); v != VerdictReopen {
		t.Errorf("a new SYN: %v", v)
	}
	if iss := r.ISN(testISS); seq.Less(iss, testISS+2) {
		t.Errorf("ISN %d would reuse numbers", iss)
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
		tsval uint32 // 0: none
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
				if c.tsval == 0 {
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
			s := Segment{TCP: wire.TCP{Flags: c.flags, Seq: testIRS + c.at, Options: options(c.tsval)}}
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

// Only the peer's FIN, and no similar segment, restarts the time of TIME-WAIT.
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
