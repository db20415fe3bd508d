package stack

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack/internal/flow"
	"minitcp/stack/stacktest"
)

// host4 and network6 return the destination number i.
func host4(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func network6(i int) netip.Addr {
	b := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1}
	binary.BigEndian.PutUint32(b[4:], uint32(i))
	return netip.AddrFrom16(b)
}

// Each destination gets three quarters to all of a tenth of a second's replies at once, in all about as many as are
// allowed.
func TestReplyLimit(t *testing.T) {
	for _, perSecond := range []int{1, 9, 1000, 1e9} {
		l := newRateLimit(perSecond)
		if perSecond == 1e9 {
			if l.budget != 1e8 {
				t.Errorf("the budget is %d, want 1e8", l.budget)
			}
			continue
		}
		now, sent, seen := conn.Time(time.Hour), 0, map[int]bool{}
		for range 1000 {
			n := 0
			for l.allow(now, host4(1)) {
				n++
			}
			if n > int(l.budget) || n > 0 && n < int(l.budget)*3/4 {
				t.Fatalf("%d per second: %d replies in a period, want %d to %d", perSecond, n, l.budget*3/4, l.budget)
			}
			seen[n] = true
			sent += n
			now += l.period / 4
		}
		total := int(int64(perSecond) * int64(l.period) * 250 / int64(time.Second))
		if sent < total*2/3 || sent > total*5/4 {
			t.Errorf("%d per second: %d replies in the time of %d", perSecond, sent, total)
		}
		if perSecond == 1000 && len(seen) < 10 {
			t.Errorf("only %d different counts", len(seen))
		}
	}
}

// Replies to one destination change nothing for another one, though there are more destinations than counts in a row.
// Addresses of one IPv6 network are one destination.
func TestReplyLimitIsByDestination(t *testing.T) {
	for _, address := range []func(int) netip.Addr{host4, network6} {
		l := newRateLimit(1000)
		now := conn.Time(time.Hour)
		for range 10 * int(l.budget) {
			l.allow(now, address(0))
		}
		for i := 1; i <= 2*limitTables*limitColumns; i++ {
			if !l.allow(now, address(i)) {
				t.Fatalf("a first reply to %v is refused", address(i))
			}
		}
		if l.allow(now, address(0)) {
			t.Error("replies beyond the limit")
		}
	}
	l := newRateLimit(1000)
	for l.allow(0, network6(1)) {
	}
	if neighbour := network6(1).Next(); l.allow(0, neighbour) {
		t.Errorf("%v has another budget than %v", neighbour, network6(1))
	}
}

// Destinations are spread over all tables, and one whose lock is held does not delay replies to those of the others.
func TestRateLimitTables(t *testing.T) {
	const destinations = 1000 * limitTables
	l, n := newRateLimit(1000), map[*limitTable]int{}
	held := &l.tables[0]
	held.mu.Lock()
	for i := range destinations {
		table := l.table(flow.AddressOf(host4(i)).Network())
		if n[table]++; table != held && !l.allow(0, host4(i)) {
			t.Fatalf("a first reply to %v is refused", host4(i))
		}
	}
	for table, n := range n {
		if n < 800 || n > 1200 {
			t.Errorf("%d of %d destinations have the table at %p, want about 1000", n, destinations, table)
		}
	}
	if len(n) != limitTables {
		t.Errorf("%d tables are in use, want %d", len(n), limitTables)
	}
}

// observed is the number of RSTs that an observer gets for probes of its own, while segments with another host's
// address arrive for a connection of that host: one that exists, or not. The observer sends as many as are answered,
// and more.
func observed(t *testing.T, v6, exists bool, probes int) (n int, limit uint32) {
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
			p.db.Inject(packet(segmentSpec{src: victim, dst: open, flags: wire.ACK, seq: 1001, ack: p.b.table.find(&k).iss + 1}))
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
		limit = p.b.resetLimit.table(flow.AddressOf(observer.Addr()).Network()).limit
	})
	return n, limit
}

// An observer that counts its RSTs cannot find out whether a segment with another host's address hit a connection: it
// gets an answer to each of a few probes, and of many as many as the limit allows, whatever else arrives.
func TestResetsDoNotTellOfConnections(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, exists := range []bool{false, true} {
			if n, _ := observed(t, v6, exists, 70); n != 70 {
				t.Errorf("IPv6 %v, connection %v: %d RSTs for 70 probes", v6, exists, n)
			}
			if n, limit := observed(t, v6, exists, 1000); n != int(limit) {
				t.Errorf("IPv6 %v, connection %v: %d RSTs for 1000 probes, want %d", v6, exists, n, limit)
			}
		}
	}
}
