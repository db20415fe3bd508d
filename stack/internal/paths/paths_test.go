package paths

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"minitcp/conn"
	"minitcp/conn/pmtu"
	"minitcp/stack/internal/flow"
)

func host(n uint32) flow.Address {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return flow.AddressOf(netip.AddrFrom4(b))
}

// A host is remembered for ten minutes after the last Put, and is known neither under another address nor as another
// IP version.
func TestLife(t *testing.T) {
	var c Cache
	a, known := host(0x0a000001), conn.KnownPath{Known: pmtu.Known{MTU: 1400, High: 1400}}
	c.Put(0, a, conn.KnownPath{})
	if c.table.Load() != nil {
		t.Error("forgetting a host takes memory")
	}
	c.Put(5, a, known)
	end := conn.Time(5).Add(Life)
	for at, want := range map[conn.Time]conn.KnownPath{5: known, end - 1: known, end: {}} {
		if got := c.Get(at, a); got != want {
			t.Errorf("at %d: %+v, want %+v", at, got, want)
		}
	}
	for _, other := range []flow.Address{host(0x0a000002), flow.AddressOf(netip.MustParseAddr("::a00:1"))} {
		if got := c.Get(5, other); got != (conn.KnownPath{}) {
			t.Errorf("%v: %+v", other.Addr(), got)
		}
	}
	known.MTU = 1300
	c.Put(6, a, known)
	if got := c.Get(end, a); got != known {
		t.Errorf("put again: %+v, want %+v", got, known)
	}
	c.Put(7, a, conn.KnownPath{})
	if got := c.Get(7, a); got != (conn.KnownPath{}) {
		t.Errorf("forgotten: %+v", got)
	}
}

// The number of hosts is bounded. Of the hosts that share a part of the table, the oldest is forgotten.
func TestBound(t *testing.T) {
	var c Cache
	known := conn.KnownPath{Known: pmtu.Known{MTU: 1400}, ECNFailed: 1}
	const hosts = 20 * Most
	remembered := func(first, end uint32) (n int) {
		for i := first; i < end; i++ {
			if c.Get(hosts, host(i)) == known {
				n++
			}
		}
		return n
	}
	for i := range uint32(hosts) {
		c.Put(conn.Time(i), host(i), known)
	}
	if n := remembered(0, hosts); n != Most {
		t.Errorf("%d hosts are remembered, want %d", n, Most)
	}
	if n := remembered(hosts-Most/4, hosts); n < Most/4-ways {
		t.Errorf("%d of the last %d hosts are remembered", n, Most/4)
	}
	a := host(hosts - 1)
	if n := testing.AllocsPerRun(100, func() { c.Get(hosts, a); c.Put(hosts, a, known) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
