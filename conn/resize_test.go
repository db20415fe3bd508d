package conn

import (
	"slices"
	"testing"
	"time"

	"minitcp/conn/ecn"
	"minitcp/conn/seq"
	"minitcp/conn/wire"
)

// tooBig reports a path MTU for which segments of 1000 bytes are too large and those of 700 are not.
func (o *endpoint) tooBig() {
	o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: 740, Seq: testISS + uint32(o.c.snd.una)})
}

// After Packet Too Big only segments that were too large are retransmitted, as smaller ones. They do not count as lost
// for any controller.
func TestPacketTooBigResendsLargeSegments(t *testing.T) {
	for _, control := range []CongestionControl{CUBIC, Reno, BBR} {
		for _, sack := range []Feature{Enabled, Disabled} {
			o := sackOne(t, Disabled)
			o.c.sack = sack == Enabled
			o.c.SetCongestionControl(control)
			for _, n := range []int{1000, 700, 2000, 300} {
				o.write(repeat(n))
				o.drain()
				o.sleep(ms)
			}
			window, rate := o.c.congestionWindow(), o.c.active.sent.TotalLost()
			o.tooBig()
			o.drainInto(t, []interval{{1, 701}, {701, 1001}, {1701, 2401}, {2401, 3101}, {3101, 3701}})
			if o.c.congestionWindow() < window || o.c.active.sent.TotalLost() != rate || o.c.active.sent.InFlight() != 4000 || o.c.stats.Spurious != 0 {
				t.Errorf("%v: window %d, was %d; %d bytes in flight", control, o.c.congestionWindow(), window, o.c.active.sent.InFlight())
			}
			o.sleep(100 * ms)
			o.ack(1701)
			o.ack(4001)
			o.nothing()
			if o.c.active.recovery.phase != noRecovery || o.c.congestionWindow() < window || o.c.stats.Timeouts != 0 || o.c.stats.Retransmitted != 5 {
				t.Errorf("%v: phase %d, window %d, was %d, %+v", control, o.c.active.recovery.phase, o.c.congestionWindow(), window, o.c.stats)
			}
			o.tooBig() // again
			o.nothing()
		}
	}
}

// Segments sent before the one that the message quotes have passed the router: they stay in flight. A later message
// about an earlier segment has that sent again. The order is that of transmission, and a GSO packet is cut.
func TestPacketTooBigQuotesSegment(t *testing.T) {
	quotes := func(o *endpoint, at uint32, mtu int) {
		o.c.ReceiveICMP(o.now, ICMPError{Kind: ICMPTooBig, MTU: mtu, Seq: testISS + at})
		o.check()
	}
	start := func(sack bool) *endpoint {
		o := sackOne(t, Disabled)
		o.c.sack = sack
		o.write(repeat(3000))
		for o.c.Transmit(o.now, gsoLimit, &o.last) {
		}
		o.sleep(ms)
		o.write(repeat(3000))
		o.drain()
		o.sleep(ms)
		return o
	}
	for _, sack := range []bool{true, false} {
		o := start(sack)
		quotes(o, 4001, 740)
		o.drainInto(t, []interval{{4001, 4701}, {4701, 5401}, {5401, 6001}})
		quotes(o, 1001, 740)
		o.drainInto(t, []interval{{1001, 1701}, {1701, 2401}, {2401, 3101}, {3101, 3801}, {3801, 4001}})
		quotes(o, 4001, 740)
		o.nothing()

		o = start(sack)
		quotes(o, 4001, 740)
		o.drainInto(t, []interval{{4001, 4701}, {4701, 5401}, {5401, 6001}})
		quotes(o, 1001, 1100) // another router: segments of 1000 bytes fit
		o.nothing()
		quotes(o, 2001, 900)
		o.drainInto(t, []interval{{2001, 2701}, {2701, 3401}, {3401, 4001}})
	}

	o := start(true) // the first segment was sent last
	o.sleep(98 * ms)
	o.ack(1, 1001, 4001)
	o.drainInto(t, []interval{{1, 1001}})
	quotes(o, 1, 740)
	o.drainInto(t, []interval{{1, 701}, {701, 1001}})
}

// A FIN is retransmitted with its segment if that was too large, and only then.
func TestPacketTooBigWithFIN(t *testing.T) {
	for n, want := range map[int][]interval{
		2000: {{1, 701}, {701, 1401}, {1401, 2001}},
		2500: {{1, 701}, {701, 1401}, {1401, 2001}},
		500:  nil,
	} {
		o := sackOne(t, Disabled)
		_, _ = o.c.Write(o.now, []byte(repeat(n)))
		_ = o.c.CloseWrite()
		for o.c.Transmit(o.now, gsoLimit, &o.last) {
		}
		o.tooBig()
		o.last.TCP.Flags = 0
		o.drainInto(t, want)
		if fin := o.last.TCP.Flags.Has(wire.FIN); fin != (n == 2000) {
			t.Errorf("%d bytes: the FIN is sent again: %v", n, fin)
		}
		if o.c.active.sent.InFlight() != int64(n)+1 {
			t.Errorf("%d bytes: %d in flight", n, o.c.active.sent.InFlight())
		}
	}
}

// Loss and marks that follow in the same round trip bring the window down as ever.
func TestCongestionWhileResizing(t *testing.T) {
	lose := func(o *endpoint) { o.ack(1, 701, 3501) }
	for name, hear := range map[string]func(*endpoint){
		"loss": lose,
		"mark": func(o *endpoint) {
			o.c.ecn.Handshake = ecn.Handshake{}
			o.c.ecn.Offer(syn, ECNActive, 0)
			o.c.ecn.Received(syn|ack|ece, wire.NotECT, ECNActive)
			o.in(segment{flags: ack | wire.ECE, seq: 1, ack: 701})
		},
	} {
		o := tenSent(t, Disabled)
		o.tooBig()
		o.drain()
		o.sleep(100 * ms)
		before := o.c.active.cc.Window()
		hear(o)
		if o.c.active.cc.Window() >= before || o.c.active.recovery.phase == resizing {
			t.Errorf("%s: window %d, was %d, phase %d", name, o.c.active.cc.Window(), before, o.c.active.recovery.phase)
		}
		o.sleep(100 * time.Millisecond)
		o.drain()
		o.ack(int64(o.c.snd.nxt))
		if o.c.active.recovery.phase != noRecovery {
			t.Errorf("%s: phase %d in the end", name, o.c.active.recovery.phase)
		}
	}
}

// Small losses next to each other are sent again in one segment.
func TestSmallLossesAreJoined(t *testing.T) {
	o := sackOne(t, Disabled)
	for range 9 {
		o.write(repeat(300))
		o.drain()
		o.sleep(ms)
	}
	o.sleep(100 * ms)
	o.ack(1, 1501, 2701) // the last four of nine
	o.wait(30 * ms)
	o.drainInto(t, []interval{{1, 901}})
	o.sleep(100 * ms)
	o.ack(901, 1501, 2701)
	o.drainInto(t, []interval{{901, 1501}})
}

// interval is the bytes from start up to, not including, end.
type interval struct{ start, end seq.Offset }

// drainInto expects these segments.
func (o *endpoint) drainInto(t *testing.T, want []interval) {
	t.Helper()
	var got []interval
	for o.c.Transmit(o.now, 1, &o.last) {
		at := seq.Unwrap(testISS, o.c.snd.una, o.last.TCP.Seq)
		got = append(got, interval{at, at + seq.Offset(o.last.Len)})
		o.check()
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}
