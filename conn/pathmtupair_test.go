package conn_test

import (
	"fmt"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/conntest"
	"minitcp/conn/pmtu"
)

// narrowBulk returns a bulk transfer over a path of 20 Mbit/s and 40 ms, which from a time on loses packets of more
// than carries bytes. The sender's device has the MTU given.
func narrowBulk(cfg conn.Config, mtu, ipHeader int, from time.Duration, carries int) *bulk {
	b := makeBulk(1, cfg, conntest.Link{
		Delay: 20 * time.Millisecond, Rate: pathRate / 5, Queue: pathBDP / 5,
		Narrows: []conntest.Narrow{{From: from, To: time.Hour, MTU: carries}},
	})
	for _, e := range []*conntest.End{b.pair.A, b.pair.B} {
		e.Open.MTU, e.Open.IPHeader = mtu, ipHeader
		e.Monitor = conntest.Monitor{MTU: mtu, IPHeader: ipHeader}
	}
	b.pair.Dial(b.pair.A)
	return b
}

// A link begins to discard packets of more than 1,400 bytes, without an ICMP message. The transfer resumes within three
// seconds, and reaches 95 % of the speed of one whose segments are never larger. After the packet size has fallen, all
// that is lost are probes, and GSO packets are cut at the new size.
func TestBlackHole(t *testing.T) {
	const carries = 1400
	for _, c := range []struct {
		cfg    conn.Config
		header int
		from   time.Duration
	}{
		{conn.Config{}, 20, 0},
		{conn.Config{}, 40, time.Second},
		{conn.Config{MTUProbing: conn.MTUProbingAlways}, 40, 0},
		{conn.Config{MTUProbing: conn.MTUProbingAlways}, 20, time.Second},
		{conn.Config{Timestamps: conn.Disabled}, 20, 0},
		{conn.Config{CongestionControl: conn.Reno}, 40, 0},
		{conn.Config{CongestionControl: conn.Reno}, 20, time.Second},
		{conn.Config{CongestionControl: conn.BBR}, 20, 0},
		{conn.Config{CongestionControl: conn.BBR}, 40, time.Second},
	} {
		name := fmt.Sprintf("%v, %v, timestamps %v, header %d, from %v", c.cfg.CongestionControl, c.cfg.MTUProbing, c.cfg.Timestamps, c.header, c.from)
		clamped := narrowBulk(c.cfg, carries, c.header, 0, carries)
		clamped.run(t, c.from+3*time.Second)
		best := clamped.run(t, 4*time.Second)

		b := narrowBulk(c.cfg, 1500, c.header, c.from, carries)
		lost := countLost(b.pair, carries)
		b.run(t, c.from+2900*time.Millisecond)
		if b.run(t, 100*time.Millisecond) == 0 {
			t.Errorf("%s: nothing arrives after 3 s", name)
		}
		got := b.run(t, 4*time.Second)
		i := b.pair.A.Conn.Info(b.pair.Now)
		if got < 0.95*best || i.PathMTU != carries || i.PathMTUSource != pmtu.Probe {
			t.Errorf("%s: %.1f Mbit/s, clamped %.1f; path MTU %d from %v", name, got, best, i.PathMTU, i.PathMTUSource)
		}
		if *lost != 0 || i.PathEvents.Failed > 6 || i.PathEvents.BlackHoles > 1 {
			t.Errorf("%s: %d packets lost for their size that are no probes, %+v", name, *lost, i.PathEvents)
		}
	}
}

// countLost counts the packets of a, except for probes, that the path loses for their size after the connection has
// smaller ones.
func countLost(p *conntest.Pair, carries int) *int {
	lost := new(int)
	p.Trace = func(v *conntest.Event) {
		if v.From == p.A && v.Lost == "lost: too large" && v.Note != conn.NoteMTUProbe && p.A.Conn.Info(p.Now).PathMTU <= carries {
			*lost++
		}
	}
	return lost
}

// Both directions lose large packets, from the beginning and in mid-stream, also without SACK.
func TestBlackHoleBothWays(t *testing.T) {
	for _, cfg := range []conn.Config{{}, {SACK: conn.Disabled}, {Timestamps: conn.Disabled}, {Nagle: conn.Nagle}} {
		for _, from := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond} {
			for _, carries := range []int{576, 700, 1280, 1400} {
				p := conntest.NewPair(1, cfg, conntest.Link{
					Delay: 20 * time.Millisecond, Rate: pathRate, Queue: pathBDP, GSOMaxSize: 65000, Cut: true,
					Narrows: []conntest.Narrow{{From: from, To: time.Hour, MTU: carries}},
				})
				p.A.ToSend, p.B.ToSend = make([]byte, 300_000), make([]byte, 500_000)
				p.Dial(p.A)
				if err := p.Run(2 * time.Minute); err != nil {
					t.Errorf("%+v, from %v, %d: %v", cfg, from, carries, err)
				}
			}
		}
	}
}

// Nothing arrives for a while, as in a black hole. Afterwards the first probe restores the size, or the proof that data
// had arrived before.
func TestOutageIsNoBlackHole(t *testing.T) {
	for _, a := range []conn.CongestionControl{conn.CUBIC, conn.Reno, conn.BBR} {
		b := newBulk(1, a, conntest.Link{Queue: pathBDP, Outages: []conntest.Outage{{From: 2 * time.Second, To: 4 * time.Second}}})
		b.run(t, 7*time.Second)
		i := b.pair.A.Conn.Info(b.pair.Now)
		if i.PathMTU != 1500 || i.PathEvents.BlackHoles != 1 || i.PathEvents.Failed != 0 {
			t.Errorf("%v: path MTU %d, %+v", a, i.PathMTU, i.PathEvents)
		}
	}
}

// Without a black hole, nothing is probed. Always finds the size of the device within a second.
func TestProbingOnGoodPath(t *testing.T) {
	for mode, want := range map[conn.MTUProbing]conn.PathEvents{
		conn.MTUProbingAuto: {}, conn.MTUProbingOff: {}, conn.MTUProbingAlways: {Probes: 1},
	} {
		b := makeBulk(1, conn.Config{MTUProbing: mode}, conntest.Link{Delay: 20 * time.Millisecond, Rate: pathRate})
		b.pair.Dial(b.pair.A)
		b.run(t, time.Second)
		i := b.pair.A.Conn.Info(b.pair.Now)
		if i.PathMTU != 1500 || i.PathEvents != want || i.Retransmitted != 0 {
			t.Errorf("%v: path MTU %d, %+v, %d segments retransmitted", mode, i.PathMTU, i.PathEvents, i.Retransmitted)
		}
	}
}

// Ten minutes after a router has reported a smaller path MTU, and after a search, larger packets are tried again.
// The path carries them by then.
func TestPathMTUGrowsAgain(t *testing.T) {
	for _, reports := range []bool{true, false} {
		for _, mode := range []conn.MTUProbing{conn.MTUProbingAuto, conn.MTUProbingOff} {
			if !reports && mode == conn.MTUProbingOff {
				continue // the transfer stands still
			}
			narrow := conntest.Narrow{From: time.Second, To: 100 * time.Second, MTU: 1400, Reports: reports}
			b := newBulkOver(1, conn.CUBIC, conntest.Link{Delay: 20 * time.Millisecond, Rate: 62_500, Queue: 30_000, Narrows: []conntest.Narrow{narrow}})
			b.pair.A.Config.MTUProbing = mode
			b.run(t, 600*time.Second)
			before := b.pair.A.Conn.Info(b.pair.Now)
			b.run(t, 30*time.Second)
			after := b.pair.A.Conn.Info(b.pair.Now)
			if before.PathMTU != 1400 || after.PathMTU != 1500 {
				t.Errorf("reports %v, %v: path MTU %d after ten minutes, then %d", reports, mode, before.PathMTU, after.PathMTU)
			}
			if probes := after.PathEvents.Probes - before.PathEvents.Probes; (probes == 1) != (mode == conn.MTUProbingAuto) {
				t.Errorf("reports %v, %v: %d probes", reports, mode, probes)
			}
		}
	}
}

// With MTUProbingOff the size stays, whatever is lost.
func TestProbingOff(t *testing.T) {
	b := narrowBulk(conn.Config{MTUProbing: conn.MTUProbingOff}, 1500, 20, time.Second, 1400)
	b.run(t, 30*time.Second)
	i := b.pair.A.Conn.Info(b.pair.Now)
	if i.PathMTU != 1500 || i.PathEvents != (conn.PathEvents{}) || i.ConsecutiveTimeouts < 4 {
		t.Errorf("path MTU %d, %+v, %d timeouts", i.PathMTU, i.PathEvents, i.ConsecutiveTimeouts)
	}
}
