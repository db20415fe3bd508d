package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"minitcp/conn"
)

const second = conn.Time(time.Second)

var limits = Limits{Flows: 4, FlowsPerSource: 2, Timeouts: [timeouts]time.Duration{Idle: 10 * time.Second, DNS: 3 * time.Second}}

// flow returns the flow of a port of one of some hosts.
func flow(host, port int) *Flow[string] {
	name := fmt.Sprintf("%d:%d", host, port)
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(host)}), uint16(port))
	return &Flow[string]{Owner: &name, Key: Key{Client: client}}
}

func names(flows []*Flow[string]) (list []string) {
	for _, f := range flows {
		list = append(list, *f.Owner)
	}
	return list
}

// add adds a flow with a datagram, and expects the name of the flow that ends, "" if none does.
func add(t *testing.T, table *Table[string], now conn.Time, f *Flow[string], want string) {
	t.Helper()
	got := ""
	if evicted := table.Add(f); evicted != nil {
		got = *evicted.Owner
		if evicted.Live() || table.Find(evicted.Key) != nil {
			t.Errorf("%s is still in the table", got)
		}
	}
	if got != want {
		t.Errorf("%s is added, and %q ends; want %q", *f.Owner, got, want)
	}
	table.Touch(now, f, Idle)
	if !f.Live() || table.Find(f.Key) != f {
		t.Errorf("%s is not in the table", *f.Owner)
	}
}

// A new flow beyond a limit ends the one that has been idle for the longest time: of its source, or of all.
func TestLimits(t *testing.T) {
	table := NewTable[string](limits)
	first, other := flow(1, 1), flow(1, 2)
	add(t, table, 1*second, first, "")
	add(t, table, 2*second, other, "")
	table.Touch(3*second, first, Idle)
	add(t, table, 4*second, flow(1, 3), "1:2")
	add(t, table, 5*second, flow(2, 1), "")
	add(t, table, 6*second, flow(3, 1), "")
	table.Touch(7*second, first, DNS)
	add(t, table, 8*second, flow(4, 1), "1:3")
	table.Touch(9*second, table.Find(flow(2, 1).Key), Idle)
	table.Touch(9*second, table.Find(flow(3, 1).Key), Idle)
	add(t, table, 10*second, flow(5, 1), "1:1")
	if n := table.Len(); n != 4 {
		t.Errorf("%d flows, want 4", n)
	}
}

// IPv6 networks of 64 bits are one source.
func TestSource(t *testing.T) {
	table := NewTable[string](limits)
	for i, want := range []string{"", "", "0"} {
		name := fmt.Sprint(i)
		a := netip.MustParseAddr("2001:db8::").As16()
		a[15] = byte(i)
		add(t, table, second, &Flow[string]{Owner: &name, Key: Key{Client: netip.AddrPortFrom(netip.AddrFrom16(a), 1)}}, want)
	}
}

// A flow ends when it has had no datagram for the time of its last one.
func TestExpire(t *testing.T) {
	table := NewTable[string](limits)
	if at := table.Deadline(); at != conn.Never {
		t.Errorf("an empty table has the deadline %v", at)
	}
	a, b, c := flow(1, 1), flow(2, 1), flow(3, 1)
	for i, f := range []*Flow[string]{a, b, c} {
		add(t, table, conn.Time(i+1)*second, f, "")
	}
	table.Touch(5*second, b, DNS)
	table.Touch(6*second, c, DNS)
	table.Touch(6*second, c, Idle)
	for _, step := range []struct {
		now      conn.Time
		ended    []string
		deadline conn.Time
	}{
		{8*second - 1, nil, 8 * second},
		{8 * second, []string{"2:1"}, 11 * second},
		{20 * second, []string{"1:1", "3:1"}, conn.Never},
	} {
		if got := names(table.Expire(step.now)); !slices.Equal(got, step.ended) || table.Deadline() != step.deadline {
			t.Errorf("at %v %v end, then the deadline is %v; want %v, %v", step.now, got, table.Deadline(), step.ended, step.deadline)
		}
	}
	if len(table.sources) != 0 || table.Len() != 0 {
		t.Errorf("%d sources and %d flows are left", len(table.sources), table.Len())
	}
	table.Remove(a) // again
}

func TestClear(t *testing.T) {
	table := NewTable[string](limits)
	add(t, table, second, flow(1, 1), "")
	add(t, table, second, flow(2, 1), "")
	got := names(table.Clear())
	slices.Sort(got)
	if !slices.Equal(got, []string{"1:1", "2:1"}) || table.Len() != 0 || len(table.sources) != 0 || table.Deadline() != conn.Never {
		t.Errorf("%v end, %d flows are left", got, table.Len())
	}
}

// A flow remembers the latest 128 remote ends.
func TestContacts(t *testing.T) {
	var c Contacts
	end := func(port int) netip.AddrPort { return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)) }
	for i := range MaxContacts {
		c.Add(end(i))
	}
	c.Add(end(0)) // now the latest
	c.Add(end(MaxContacts))
	for port, want := range map[int]bool{0: true, 1: false, 2: true, MaxContacts: true, MaxContacts + 1: false} {
		if got := c.Contain(end(port)); got != want {
			t.Errorf("port %d is a contact: %v, want %v", port, got, want)
		}
	}
}
