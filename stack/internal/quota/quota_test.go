package quota

import (
	"net/netip"
	"testing"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// An IPv4 address is a host, and an IPv6 network of 64 bits is one. A connection that leaves makes room.
func TestQuota(t *testing.T) {
	q := New(4, 2)
	enter := func(a string, want bool) {
		t.Helper()
		if full := q.Full(addr(a)); full == want {
			t.Errorf("Full(%s) is %v, want %v", a, full, !want)
		}
		if got := q.Enter(addr(a)); got != want {
			t.Errorf("Enter(%s) is %v, want %v", a, got, want)
		}
	}
	enter("fd77::1", true)
	enter("fd77::ffff:1", true)
	enter("fd77::2", false)
	enter("10.0.0.1", true)
	enter("10.0.0.2", true)
	enter("10.0.0.3", false)
	q.Leave(addr("10.0.0.1"))
	enter("fd77::2", false)
	q.Leave(addr("fd77::1"))
	enter("fd77::3", true)
	enter("10.0.0.2", true)
	enter("10.0.0.1", false)
	for _, a := range []string{"fd77::1", "fd77::2", "10.0.0.2", "10.0.0.2"} {
		q.Leave(addr(a))
	}
	for i := range q.shards {
		if n := len(q.shards[i].hosts); n != 0 {
			t.Errorf("shard %d counts %d hosts without connections", i, n)
		}
	}
	if n := q.count.Load(); n != 0 {
		t.Errorf("%d connections are counted, want 0", n)
	}
}

// Without limits, every connection enters, and no host is kept.
func TestNoQuota(t *testing.T) {
	q := New(0, 0)
	for range 100 {
		if q.Full(addr("10.0.0.1")) || !q.Enter(addr("10.0.0.1")) {
			t.Fatal("a connection is refused")
		}
	}
	if n := q.count.Load(); n != 100 {
		t.Errorf("%d connections are counted, want 100", n)
	}
}

// A connection takes no memory of its own, and a call allocates none.
func TestQuotaAllocs(t *testing.T) {
	q, a := New(1000, 100), addr("10.0.0.1")
	q.Enter(a)
	if n := testing.AllocsPerRun(100, func() {
		if q.Full(a) || !q.Enter(a) {
			t.Fatal("a connection is refused")
		}
		q.Leave(a)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
