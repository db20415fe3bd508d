package stack

import (
	"net/netip"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
	"minitcp/stack/stacktest"
)

// observed returns the number of RSTs that an observer gets for probes of its own, while segments with another host's
// address arrive for a connection of that host: one that exists, or not. The observer sends as many as are answered,
// and more.
func observed(t *testing.T, v6, exists bool, probes int) (n, limit int) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{Queue: 20000}, Config{}, Config{ICMPRate: 100})
		observer, victim := netip.MustParseAddrPort("10.99.0.1:7"), netip.MustParseAddrPort("10.88.0.1:5000")
		closed, open := netip.MustParseAddrPort("10.77.0.2:81"), netip.MustParseAddrPort("10.77.0.2:80")
		if v6 {
			observer, victim = netip.MustParseAddrPort("[2001:db8:1::1]:7"), netip.MustParseAddrPort("[2001:db8:2::1]:5000")
			closed, open = netip.MustParseAddrPort("[fd77::2]:81"), netip.MustParseAddrPort("[fd77::2]:80")
		}
		l := p.listen()
		if exists {
			p.db.Inject(packet(segmentSpec{src: victim, dst: open, flags: wire.SYN, seq: 1000}))
			quiet()
			k := flow.KeyOf(open.Addr(), victim.Addr(), open.Port(), victim.Port())
			p.db.Inject(packet(segmentSpec{src: victim, dst: open, flags: wire.ACK, seq: 1001, ack: p.b.table.Find(&k).iss + 1}))
			c, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			defer c.SetLinger(0) // used until the end
		}
		p.db.SetHook(func(frame []byte) stacktest.Fate {
			if ip, tcp, _, ok := stacktest.Segment(frame); ok && ip.Dst == observer.Addr() && tcp.Flags.Has(wire.RST) {
				n++
			}
			return stacktest.Drop
		})
		for range probes {
			p.db.Inject(packet(segmentSpec{src: victim, dst: open, flags: wire.ACK, seq: 5_000_000, ack: 77}))
			p.db.Inject(packet(segmentSpec{src: observer, dst: closed, flags: wire.ACK, seq: 1, ack: 1}))
		}
		quiet()
		limit = p.b.resetLimit.Current(observer.Addr())
	})
	return n, limit
}

// An observer that counts its RSTs cannot find out whether a segment with another host's address hit a connection: it
// gets an answer to each of a few probes, and of many as many as the limit allows, whatever else arrives
// (CVE-2016-5696).
func TestResetsDoNotTellOfConnections(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, exists := range []bool{false, true} {
			if n, _ := observed(t, v6, exists, 70); n != 70 {
				t.Errorf("IPv6 %v, connection %v: %d RSTs for 70 probes", v6, exists, n)
			}
			if n, limit := observed(t, v6, exists, 1000); n != limit {
				t.Errorf("IPv6 %v, connection %v: %d RSTs for 1000 probes, want %d", v6, exists, n, limit)
			}
		}
	}
}
