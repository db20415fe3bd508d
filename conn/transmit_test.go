package conn

import (
	"slices"
	"testing"
	"time"

	"minitcp/conn/wire"
)

// New and lost data leaves in frames of up to Transmit's limit, also if that is more than an IP packet can hold.
func TestTransmitFollowsItsLimit(t *testing.T) {
	const limit, rtt = 256 << 10, 100 * time.Microsecond
	o := newEndpoint(t, Config{MaxRTO: 60e9, Timestamps: Disabled, SendBuffer: 8 << 20})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.want(segment{flags: syn})
	o.sleep(rtt)
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 10}})
	acknowledge := func(to int64, blocks ...wire.SACKBlock) {
		options := wire.Options{SACKCount: uint8(len(blocks))}
		copy(options.SACK[:], blocks)
		o.in(segment{flags: ack, seq: 1, ack: to, window: 8192, options: options})
	}
	var out Outgoing
	next := func() (start, n int64) {
		if !o.c.Transmit(o.now, limit, &out) {
			return 0, 0
		}
		return int64(out.TCP.Seq - testISS), int64(out.Len)
	}
	for o.c.active.cc.Window() < 2<<20 || o.c.snd.una < o.c.snd.buf.End() {
		o.c.Write(o.now, make([]byte, min(1<<20, max(0, 2<<20-o.c.active.cc.Window()))))
		end := int64(0)
		for at, n := next(); n > 0; at, n = next() {
			end = at + n
		}
		o.sleep(rtt)
		o.c.Advance(o.now)
		if end > 0 {
			acknowledge(end)
		}
	}
	o.c.Write(o.now, make([]byte, 1<<20))
	first, size := next()
	at, n := next()
	if least := int64(limit - 1460); size < least || n < least {
		t.Fatalf("new data leaves in %d and %d bytes, want nearly %d", size, n, limit)
	}
	o.sleep(rtt)
	acknowledge(first, wire.SACKBlock{Left: testISS + uint32(at), Right: testISS + uint32(at+n)})
	o.wait(10 * time.Millisecond) // RACK's reordering window
	if again, n := next(); again != first || n != size {
		t.Errorf("%d bytes from %d on leave after a loss, want %d from %d on", n, again, size, first)
	}
}

// A GSO packet holds at most half of the peer's largest window, so that PSH, which ends it, is not rarer, and the first
// ACK may arrive while the other half is in flight.
func TestGSOPacketsOfHalfTheWindow(t *testing.T) {
	for _, c := range []struct {
		window int
		want   []int
	}{
		{65535, []int{14600}},
		{20000, []int{8760, 5840}},
		{9000, []int{4380, 4380}},
		{2900, []int{1460}},
	} {
		o := dialEndpoint(t, Config{})
		o.want(segment{flags: wire.SYN})
		o.in(segment{flags: wire.SYN | wire.ACK, ack: 1, window: c.window, options: wire.Options{MSS: 1460}})
		o.want(segment{flags: wire.ACK, seq: 1, ack: 1})
		o.write(repeat(20_000))
		var got []int
		for o.c.Transmit(o.now, 64<<10, &o.last) {
			got = append(got, o.last.Len)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("window of %d bytes: packets of %d bytes, want %d", c.window, got, c.want)
		}
	}
}

// Every GSO packet has PSH, also in the middle of a write.
func TestGSOPacketsHavePSH(t *testing.T) {
	o := established(t, Config{})
	o.write(repeat(100_000))
	for o.c.Transmit(o.now, 4*1460, &o.last) {
		if whole := o.last.Len > 1460; o.last.TCP.Flags.Has(wire.PSH) != whole {
			t.Errorf("%d bytes have the flags %v", o.last.Len, o.last.TCP.Flags)
		}
	}
}
