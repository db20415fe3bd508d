package stack

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/stacktest"
)

// The shortest round trip to a host is remembered for five minutes, or until another host takes its place.
func TestPeers(t *testing.T) {
	var p peers
	host, other := addressOf(netip.MustParseAddr("10.0.0.1")), addressOf(netip.MustParseAddr("fd77::1"))
	now := conn.Time(0)
	for _, m := range []struct {
		after     time.Duration
		host      address
		rtt, want time.Duration
	}{
		{0, host, 30 * time.Millisecond, 30 * time.Millisecond},
		{time.Minute, host, 50 * time.Millisecond, 30 * time.Millisecond},
		{time.Second, other, 70 * time.Millisecond, 70 * time.Millisecond},
		{time.Second, host, 40 * time.Microsecond, 40 * time.Microsecond},
		{5 * time.Minute, host, 60 * time.Millisecond, 40 * time.Microsecond},
		{time.Second, host, 60 * time.Millisecond, 60 * time.Millisecond},
	} {
		now = now.Add(m.after)
		if got := p.meet(now, m.host, m.rtt); got != m.want {
			t.Errorf("at %v a round trip of %v makes the shortest %v, want %v", time.Duration(now), m.rtt, got, m.want)
		}
	}
	for n := range 4 * peerSlots { // whoever finds no slot displaces another
		a := addressOf(netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}))
		if got := p.meet(now, a, time.Second); got != time.Second {
			t.Fatalf("for host %d the shortest is %v", n, got)
		}
	}
}

// late makes what p's stacks send from now on arrive so much later.
func (p *pair) late(by time.Duration) {
	to := func(device *stacktest.Device) stacktest.Hook {
		return func(frame []byte) stacktest.Fate {
			later := bytes.Clone(frame)
			time.AfterFunc(by, func() { device.Inject(later) })
			return stacktest.Drop
		}
	}
	p.da.SetHook(to(p.db))
	p.db.SetHook(to(p.da))
}

// A connection that measured too much before any other did learns how short its path is from a later one, though it measures
// nothing more itself.
func TestPeersTellTheFirst(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		p.late(15 * time.Millisecond)
		client, first := p.connect(l)
		p.late(20 * time.Microsecond)
		p.connect(l)
		if first.tcp.Nearby() {
			t.Error("its path is short already")
		}
		time.Sleep(time.Second / 4)
		write(t, client, "x")
		wantRead(t, first, "x")
		if !first.tcp.Nearby() {
			t.Errorf("its path is %v long still", first.tcp.ShortestRTT())
		}
	})
}

// A connection that opens in a crowd learns how short its path is from the first.
func TestPeersTellConnections(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		l := p.listen()
		first, _ := p.connect(l)
		p.late(15 * time.Millisecond)
		second, server := p.connect(l)
		for name, c := range map[string]*Conn{"dialed": second, "accepted": server} {
			if own := c.Info().MinRTT; own < 30*time.Millisecond {
				t.Errorf("%s: it has measured %v itself", name, own)
			}
			if known, want := c.tcp.ShortestRTT(), max(first.Info().MinRTT, time.Microsecond); known > want {
				t.Errorf("%s: the shortest known is %v, want no more than %v", name, known, want)
			}
		}
	})
}
