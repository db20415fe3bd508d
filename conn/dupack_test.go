package conn

import "testing"

func TestFastRetransmitWithoutSACK(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(14600))
	for i := range 10 {
		o.want(segment{flags: ack, seq: 1 + 1460*int64(i), ack: 1, data: repeat(1460)})
	}
	o.nothing()
	// The first and the third are lost.
	for range 2 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
		o.nothing()
	}
	o.in(segment{flags: ack, seq: 1, ack: 1})
	o.want(segment{flags: ack, seq: 1, ack: 1, data: repeat(1460)})
	if o.last.Note != NoteFastRetransmission {
		t.Errorf("note %v", o.last.Note)
	}
	o.nothing()
	for range 5 {
		o.in(segment{flags: ack, seq: 1, ack: 1})
	}
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 1 + 2*1460}) // partial
	o.want(segment{flags: ack, seq: 1 + 2*1460, ack: 1, data: repeat(1460)})
	o.nothing()
	o.in(segment{flags: ack, seq: 1, ack: 14601})
	if i := o.c.Info(o.now); i.SlowStartThreshold != 14600*7/10 || i.Timeouts != 0 || i.Retransmitted != 2 {
		t.Errorf("ssthresh %d, timeouts %d, retransmitted %d", i.SlowStartThreshold, i.Timeouts, i.Retransmitted)
	}
}

// Needless retransmissions cause duplicate ACKs at the end of an episode. They begin no other episode until more than
// its data is acknowledged (RFC 6582 3.2).
func TestDuplicatesAfterEpisode(t *testing.T) {
	o := established(t, Config{})
	for _, episode := range []bool{true, false, true} {
		start := int64(o.c.snd.nxt)
		o.write(repeat(7300))
		for i := range int64(5) {
			o.want(segment{flags: ack, seq: start + 1460*i, ack: 1, data: repeat(1460)})
		}
		for range 3 {
			o.in(segment{flags: ack, seq: 1, ack: start})
		}
		if episode {
			o.want(segment{flags: ack, seq: start, ack: 1, data: repeat(1460)})
		}
		o.nothing()
		o.in(segment{flags: ack, seq: 1, ack: start + 7300})
	}
}
