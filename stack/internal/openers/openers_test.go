package openers

import (
	"net/netip"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/fastopen"
	"minitcp/conn/wire"
)

var (
	serverA = netip.MustParseAddr("192.0.2.1")
	clientA = netip.MustParseAddr("198.51.100.7")
)

const standard = wire.FastOpenStandard

func destination(i int) Destination {
	return Destination{clientA, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 80)}
}

// A client requests a cookie of a server that it does not know, and offers the cookie that it has learned, with the
// MSS.
func TestClientLearns(t *testing.T) {
	var c Client
	request := fastopen.Offer{Option: wire.FastOpen{Kind: standard}}
	known := fastopen.Offer{Option: fastopen.FixedKeys([16]byte{1}).Cookie(standard, serverA, clientA), MSS: 1400}
	a := destination(1)
	if got := c.Begin(0, a); got != request {
		t.Errorf("unknown: %+v", got)
	}
	c.learn(a, known)
	if got := c.Begin(0, a); got != known {
		t.Errorf("known: %+v, want %+v", got, known)
	}
	for _, other := range []Destination{{clientA.Next(), a.Server}, {a.Client, netip.AddrPortFrom(a.Server.Addr(), 81)}, destination(2)} {
		if got := c.Begin(0, other); got != request {
			t.Errorf("%v: %+v", other, got)
		}
	}
	known.MSS = 1300
	c.learn(a, known)
	if got := c.Begin(0, a); got != known {
		t.Errorf("learned again: %+v, want %+v", got, known)
	}
}

// After failures with a server, the client uses no Fast Open with it for 2, 4, 8, 16, 32 and then 64 minutes. The
// cookie is known afterwards.
func TestClientFailures(t *testing.T) {
	var c Client
	known := fastopen.Offer{Option: wire.FastOpen{Kind: standard, Len: 4, Cookie: [16]byte{1}}}
	a := destination(1)
	c.learn(a, known)
	now := conn.Time(0)
	fails := func(minutes time.Duration) {
		t.Helper()
		c.failed(now, a)
		end := now.Add(minutes * time.Minute)
		if before, after := c.Begin(end-1, a), c.Begin(end, a); before != (fastopen.Offer{}) || after != known {
			t.Errorf("a failure does not last %d minutes: %+v before the end, %+v after it", minutes, before, after)
		}
		now = end
	}
	for _, minutes := range []time.Duration{2, 4, 8, 16, 32, 64, 64} {
		fails(minutes)
	}
	c.accepted(a)
	fails(2)
	c.failed(now, destination(2)) // of a request
	if got := c.Begin(now, destination(2)); got != (fastopen.Offer{}) {
		t.Errorf("a cookie is requested after a request has failed: %+v", got)
	}
	c.accepted(destination(3)) // not known
}

// A black hole disables Fast Open with all servers for an hour, then two, and at most 64. Data that arrives makes the
// next one the first.
func TestBlackHole(t *testing.T) {
	var c Client
	now := conn.Time(1)
	hole := func(hours time.Duration) {
		t.Helper()
		c.blackHole(now)
		end := now.Add(hours * time.Hour)
		if got := c.Begin(now, destination(1)); got != (fastopen.Offer{}) || !c.Disabled(end-1) || c.Disabled(end) {
			t.Errorf("a black hole does not last %d hours: %+v", hours, got)
		}
		now = end
	}
	for _, hours := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 64} {
		hole(hours)
	}
	c.works()
	hole(1)
}

// The number of servers is bounded; the first learned is forgotten first.
func TestClientBound(t *testing.T) {
	var c Client
	for i := range 3 * MaxServers {
		c.learn(destination(i), fastopen.Offer{Option: wire.FastOpen{Kind: standard, Len: 4}})
	}
	if len(c.servers) != MaxServers || len(c.order) != MaxServers {
		t.Errorf("%d servers, %d in order, want %d", len(c.servers), len(c.order), MaxServers)
	}
	for i, want := range map[int]uint8{0: 0, 2*MaxServers - 1: 0, 2 * MaxServers: 4, 3*MaxServers - 1: 4} {
		if got := c.Begin(0, destination(i)).Option.Len; got != want {
			t.Errorf("the cookie of server %d has %d bytes, want %d", i, got, want)
		}
	}
}

// Take passes each result of a report on.
func TestTake(t *testing.T) {
	const now = conn.Time(time.Hour)
	var c Client
	d := destination(1)
	known := fastopen.Offer{Option: fastopen.FixedKeys([16]byte{1}).Cookie(standard, serverA, clientA), MSS: 1400}
	for _, step := range []struct {
		name  string
		r     fastopen.Report
		offer fastopen.Offer
		holes int
	}{
		{"a cookie", fastopen.Report{Learned: known, Accepted: true}, known, 0},
		{"nothing", fastopen.Report{}, known, 0},
		{"a failure", fastopen.Report{Refused: true, Failed: true}, fastopen.Offer{}, 0},
		{"data accepted", fastopen.Report{Accepted: true}, known, 0},
		{"a black hole", fastopen.Report{BlackHole: true}, fastopen.Offer{}, 1},
		{"data has arrived", fastopen.Report{Works: true}, fastopen.Offer{}, 0},
	} {
		c.Take(now, d, &step.r)
		if got := c.Begin(now, d); got != step.offer || c.blackHoles != step.holes {
			t.Errorf("after %s: the offer %+v and %d black holes, want %+v and %d", step.name, got, c.blackHoles, step.offer, step.holes)
		}
	}
}
