package ratelimit

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/stack/internal/flow"
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
// allowed (CVE-2020-25705).
func TestReplyLimit(t *testing.T) {
	for _, perSecond := range []int{1, 9, 1000, 1e9} {
		l := New(perSecond)
		if perSecond == 1e9 {
			if l.budget != 1e8 {
				t.Errorf("the budget is %d, want 1e8", l.budget)
			}
			continue
		}
		now, sent, seen := conn.Time(time.Hour), 0, map[int]bool{}
		for range 1000 {
			n := 0
			for l.Allow(now, host4(1)) {
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
		l := New(1000)
		now := conn.Time(time.Hour)
		for range 10 * int(l.budget) {
			l.Allow(now, address(0))
		}
		for i := 1; i <= 2*tableCount*columns; i++ {
			if !l.Allow(now, address(i)) {
				t.Fatalf("a first reply to %v is refused", address(i))
			}
		}
		if l.Allow(now, address(0)) {
			t.Error("replies beyond the limit")
		}
	}
	l := New(1000)
	for l.Allow(0, network6(1)) {
	}
	if neighbour := network6(1).Next(); l.Allow(0, neighbour) {
		t.Errorf("%v has another budget than %v", neighbour, network6(1))
	}
}

// Destinations are spread over all tables, and one whose lock is held does not delay replies to those of the others.
func TestRateLimitTables(t *testing.T) {
	const destinations = 1000 * tableCount
	l, n := New(1000), map[*table]int{}
	held := &l.tables[0]
	held.mu.Lock()
	for i := range destinations {
		table := l.table(flow.AddressOf(host4(i)).Network())
		if n[table]++; table != held && !l.Allow(0, host4(i)) {
			t.Fatalf("a first reply to %v is refused", host4(i))
		}
	}
	for table, n := range n {
		if n < 800 || n > 1200 {
			t.Errorf("%d of %d destinations have the table at %p, want about 1000", n, destinations, table)
		}
	}
	if len(n) != tableCount {
		t.Errorf("%d tables are in use, want %d", len(n), tableCount)
	}
}
