package conn

import (
	"testing"

	"minitcp/conn/buffer"
	"minitcp/conn/wire"
)

// No congestion control allocates memory for an ACK, nor for the segments sent after it, also after a search for the
// path MTU.
func TestControlAllocatesNothing(t *testing.T) {
	for i, control := range []CongestionControl{CUBIC, Reno, BBR, CUBIC} {
		cfg := Config{MaxRTO: 60e9, Timestamps: Disabled, CongestionControl: control, SendBuffer: 4 << 20}
		if i == 3 {
			cfg.MTUProbing = MTUProbingAlways
		}
		o := newEndpoint(t, cfg)
		o.c = Dial(o.now, &o.cfg, testOpen())
		o.want(segment{flags: syn})
		o.sleep(40 * ms)
		o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1300, SACKPermitted: true}})
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
		if i := o.c.Info(o.now); sent < 500_000 || i.MSS != 1300 || i.Timeouts > 0 || i.PacingRate == 0 {
			t.Errorf("%v: %d bytes sent, %+v", control, sent, i)
		}
	}
}

// Sending and receiving in steady state allocate nothing.
func TestNoAllocationPerSegment(t *testing.T) {
	pages := &recycler{}
	o := established(t, Config{Pool: pages})
	buf := []byte(repeat(1460))
	at := uint32(1)
	var out Outgoing
	seg := Segment{TCP: wire.TCP{Flags: ack, Window: 65535}, Data: buf}
	round := func() {
		seg.TCP.Seq, seg.TCP.Ack = testIRS+at, testISS+at
		o.c.Receive(o.now, &seg)
		if n, err := o.c.Read(buf); n != 1460 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := o.c.Write(o.now, buf); n != 1460 || err != nil {
			t.Fatal(n, err)
		}
		for o.c.Transmit(o.now, 1, &out) {
		}
		o.c.Deadline()
		o.c.Ready()
		at += 1460
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type recycler struct{ free []*buffer.Page }

func (r *recycler) Get(size int) *buffer.Page { // which is small
	if n := len(r.free); n > 0 {
		p := r.free[n-1]
		r.free = r.free[:n-1]
		return p
	}
	return buffer.NewPage(size)
}

func (r *recycler) Put(p *buffer.Page) { r.free = append(r.free, p) }

func (*recycler) Charge(int) {}
