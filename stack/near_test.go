package stack

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"minitcp/stack/internal/flow"
	"minitcp/stack/stacktest"
)

// reporter is a NearReporter.
type reporter struct {
	*stacktest.Device
	near []netip.Prefix
}

func (d reporter) Near() []netip.Prefix { return d.near }

// Peers are near that Config.Near lists, and by default those that the device names.
func TestNear(t *testing.T) {
	host, other := prefixes("10.77.0.1/32", "fd77::1/128"), prefixes("192.0.2.0/24")
	for name, test := range map[string]struct {
		device, config, want []netip.Prefix
	}{
		"nothing":       {nil, nil, nil},
		"device":        {host, nil, host},
		"Config":        {nil, other, other},
		"both":          {host, other, other},
		"Config, empty": {host, []netip.Prefix{}, nil},
	} {
		within(t, func(t *testing.T) {
			near, far := stacktest.New(stacktest.Config{})
			defer far.Close()
			var d Device = near
			if test.device != nil {
				d = reporter{near, test.device}
			}
			s, err := New(d, Config{Addresses: addressesA, Near: test.config})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, a := range []string{"10.77.0.1", "10.77.0.3", "fd77::1", "fd77::3", "192.0.2.255", "192.0.3.0"} {
				addr := netip.MustParseAddr(a)
				want := slices.ContainsFunc(test.want, func(p netip.Prefix) bool { return p.Contains(addr) })
				if got := s.newEntry(0, flow.KeyOf(addressesA[0].Addr(), addr, 1, 2), 0).near; got != want {
					t.Errorf("%s: %v near: %v, want %v", name, addr, got, want)
				}
			}
		})
	}
}

// A prefix in which no peer's address can be is refused, with a message that names it.
func TestNearIsChecked(t *testing.T) {
	zero, long := netip.Prefix{}, netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33)
	mapped := netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)
	for _, test := range []struct {
		device, config netip.Prefix
		want           string
	}{
		{config: zero, want: "stack: Config.Near: a prefix is the zero value"},
		{config: long, want: "stack: Config.Near: a prefix of 10.0.0.1 has an impossible length"},
		{config: mapped, want: "stack: Config.Near: ::ffff:10.0.0.0/104 is an IPv4 prefix in IPv6 form; the IPv4 form is meant"},
		{device: long, want: "stack: the device's Near: a prefix of 10.0.0.1 has an impossible length"},
	} {
		near, far := stacktest.New(stacktest.Config{})
		cfg := Config{Addresses: addressesA}
		if test.device == zero {
			cfg.Near = []netip.Prefix{test.config}
		}
		s, err := New(reporter{near, []netip.Prefix{test.device}}, cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || err.Error() != test.want {
			t.Errorf("the error is %v, want %s", err, test.want)
		}
		near.Close()
		far.Close()
	}
}

// A connection to a near peer counts as a bulk receiver when it is one, and another does not.
func TestNearReachesConnections(t *testing.T) {
	for _, near := range [][]netip.Prefix{nil, prefixes("10.77.0.0/24")} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{Near: near})
			l := p.listen()
			c, s := p.connect(l)
			data := pattern(1, 100<<10)
			for range 4 { // round trips
				write(t, c, string(data))
				wantBytes(t, s, data)
				time.Sleep(5 * time.Millisecond)
			}
			want := int64(0)
			if near != nil {
				want = 1
			}
			if got := p.b.cfg.Conn.BulkReceivers.Load(); got != want {
				t.Errorf("near %v: %d bulk receivers, want %d", near, got, want)
			}
		})
	}
}
