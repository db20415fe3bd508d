package conn

import (
	"testing"

	"minitcp/conn/wire"
)

// Whatever decides the window and the pace, nothing is allocated for an ACK or what it lets go.
func TestControlAllocatesNothing(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
		o := newOne(t, Config{MaxRTO: 60e9, Timestamps: Disabled, CongestionControl: control, SendBuffer: 4 << 20})
		o.c = Dial(o.now, &o.cfg, testOpen())
		o.want(segment{flags: syn})
		o.sleep(40 * ms)
		o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1000, SACKPermitted: true}})
		data := make([]byte, 1<<20)
		s := Segment{TCP: wire.TCP{Seq: testIRS + 1, Flags: wire.ACK, Window: 65535}}
		var out Outgoing
		acked := uint32(testISS + 1)
		sent := 0
		step := func() {
			if o.c.sendRoom() > len(data)/2 {
				if _, err := o.c.Write(o.now, data[:100_000]); err != nil {
					t.Fatal(err)
				}
			}
			for o.c.Transmit(o.now, 64000, &out) {
				sent += out.Len
			}
			o.sleep(4 * ms)
			o.c.Advance(o.now)
			if c := o.c; c.active.sent.InFlight() > 0 && o.now.Sub(c.active.sent.First().SentAt()) >= 40*ms {
				acked += uint32(c.active.sent.First().Size())
				s.TCP.Ack = acked
				c.Receive(o.now, &s)
			}
		}
		for range 200 {
			step() // pages and records are borrowed
		}
		sent = 0
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%v: %v allocations for each ACK", control, n)
		}
		if i := o.c.Info(o.now); sent < 500_000 || i.Timeouts > 0 || i.PacingRate == 0 {
			t.Errorf("%v: %d octets sent, %+v", control, sent, i)
		}
	}
}
