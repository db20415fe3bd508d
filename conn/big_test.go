package conn

import (
	"testing"
	"time"

	"minitcp/conn/wire"
)

// bulkSender is one that a device lets make frames of 256 KiB, in the middle of a transfer: everything so far is
// acknowledged, and the windows have room for several.
func bulkSender(t *testing.T, rtt time.Duration) (o *one, acked func(to int64, blocks ...wire.SACKBlock), next func() (start, n int64)) {
	o = newOne(t, Config{MaxRTO: 60e9, Timestamps: Disabled, SendBuffer: 8 << 20})
	o.c = Dial(o.now, &o.cfg, testOpen())
	o.c.path.near = rtt < time.Millisecond
	o.want(segment{flags: syn})
	o.sleep(rtt)
	o.in(segment{flags: syn | ack, ack: 1, options: wire.Options{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 10}})
	acked = func(to int64, blocks ...wire.SACKBlock) {
		o.t.Helper()
		options := wire.Options{SACKCount: uint8(len(blocks))}
		copy(options.SACK[:], blocks)
		o.in(segment{flags: ack, seq: 1, ack: to, window: 8192, options: options})
	}
	var out Outgoing
	next = func() (start, n int64) {
		o.t.Helper()
		if !o.c.Transmit(o.now, 256<<10, &out) {
			return 0, 0
		}
		return int64(out.TCP.Seq - testISS), int64(out.Len)
	}
	data := make([]byte, 1<<20)
	for o.c.cc.Window() < 2<<20 {
		o.c.Write(o.now, data)
		end := int64(0)
		for at, n := next(); n > 0; at, n = next() {
			end = at + n
		}
		if end > 0 {
			o.sleep(rtt)
			acked(end)
		}
		o.sleep(rtt)
		o.c.Advance(o.now)
	}
	for o.c.snd.una < o.c.snd.buf.End() {
		end := int64(0)
		for at, n := next(); n > 0; at, n = next() {
			end = at + n
		}
		o.sleep(rtt)
		o.c.Advance(o.now)
		if end > 0 {
			acked(end)
		}
	}
	for range 2 {
		if n, err := o.c.Write(o.now, data); n != len(data) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	return o, acked, next
}

// Where it is near and arrives whole, a superframe is as large as the device takes. It is a packet at most on a longer
// path, and from then on when one was cut on its way, as a part that is acknowledged says, or when several were lost.
func TestBigSuperframes(t *testing.T) {
	const near, far = 100 * time.Microsecond, 40 * time.Millisecond
	most := func(next func() (int64, int64), frames int) (n int64) {
		for range frames {
			_, size := next()
			n = max(n, size)
		}
		return n
	}
	t.Run("near", func(t *testing.T) {
		_, acked, next := bulkSender(t, near)
		at, n := next()
		if n <= 3*Superframe {
			t.Fatalf("a frame of %d octets, want nearly 256 KiB", n)
		}
		second, m := next()
		acked(at+n, wire.SACKBlock{Left: testISS + uint32(second), Right: testISS + uint32(second+m)}) // whole, both
		if _, n := next(); n <= Superframe {
			t.Errorf("after it arrived whole, a frame of %d octets", n)
		}
	})
	t.Run("far", func(t *testing.T) {
		_, _, next := bulkSender(t, far)
		if n := most(next, 8); n > Superframe || n == 0 {
			t.Errorf("a frame of %d octets", n)
		}
	})
	t.Run("a part acknowledged", func(t *testing.T) {
		_, acked, next := bulkSender(t, near)
		at, _ := next()
		acked(at + 1460)
		if n := most(next, 8); n > Superframe || n == 0 {
			t.Errorf("a frame of %d octets", n)
		}
	})
	for name, cut := range map[string][2]int64{"the beginning SACKed": {0, 2920}, "the middle SACKed": {1460, 2920}} {
		t.Run(name, func(t *testing.T) {
			_, acked, next := bulkSender(t, near)
			first, _ := next()
			at, _ := next()
			left := testISS + uint32(at)
			acked(first, wire.SACKBlock{Left: left + uint32(cut[0]), Right: left + uint32(cut[1])})
			if n := most(next, 4); n > Superframe || n == 0 {
				t.Errorf("a frame of %d octets", n)
			}
		})
	}
	t.Run("lost", func(t *testing.T) {
		for failed := range uint8(bigFailures) {
			o, acked, next := bulkSender(t, near)
			o.c.snd.bigFailed = failed
			first, n := next()
			if n <= Superframe {
				t.Errorf("after %d losses a frame of %d octets", failed, n)
			}
			at, n := next()
			o.sleep(near)
			acked(first, wire.SACKBlock{Left: testISS + uint32(at), Right: testISS + uint32(at+n)})
			o.wait(10 * time.Millisecond) // RACK's reordering window
			for end := at; first < end; {
				again, n := next()
				if again != first || n > Superframe || n == 0 {
					t.Fatalf("%d octets from %d on, want the lost %d again in smaller ones", n, again, first)
				}
				first += n
			}
			if o.c.snd.bigFailed != failed+1 {
				t.Errorf("one loss more than %d makes %d", failed, o.c.snd.bigFailed)
			}
		}
	})
	t.Run("several were lost", func(t *testing.T) {
		o, _, next := bulkSender(t, near)
		o.c.snd.bigFailed = bigFailures
		if n := most(next, 8); n > Superframe || n == 0 {
			t.Errorf("a frame of %d octets", n)
		}
	})
	t.Run("lost, without SACK", func(t *testing.T) {
		o, acked, next := bulkSender(t, near)
		o.c.sack = false
		first, _ := next()
		for range 4 {
			next()
		}
		for range duplicateThreshold {
			acked(first)
		}
		if again, _ := next(); again != first || o.c.snd.bigFailed != 1 {
			t.Errorf("%d is sent again, want %d; %d losses", again, first, o.c.snd.bigFailed)
		}
	})
	t.Run("not lost after all", func(t *testing.T) {
		o, _, _ := bulkSender(t, near)
		for before, after := range map[uint8]uint8{bigFailures - 1: 0, bigFailures: bigFailures} {
			o.c.snd.bigFailed = before
			if o.c.undoEpisode(o.now); o.c.snd.bigFailed != after {
				t.Errorf("%d losses are %d, want %d", before, o.c.snd.bigFailed, after)
			}
		}
	})
	t.Run("asleep", func(t *testing.T) {
		o, _, _ := bulkSender(t, near)
		o.c.awake = nil
		if n := o.c.FrameLimit(256 << 10); n != Superframe {
			t.Errorf("the limit is %d octets", n)
		}
	})
}
