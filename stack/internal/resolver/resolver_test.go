package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// socket is a socket on which no answer arrives.
type socket struct{ PacketConn }

func (socket) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

var servers = []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:53"), netip.MustParseAddrPort("10.0.0.2:53"), netip.MustParseAddrPort("10.0.0.3:53")}

// A server to which a dial or a read fails is passed over, once for however many queries fail.
func TestServersAreTriedInTurn(t *testing.T) {
	var dialed []int
	refuse := errors.New("refused")
	var fail error
	note := func(server netip.AddrPort) { dialed = append(dialed, slices.Index(servers, server)) }
	r := New(Dial{
		UDP: func(server netip.AddrPort) (PacketConn, error) { note(server); return socket{}, fail },
		TCP: func(_ context.Context, server netip.AddrPort) (net.Conn, error) { note(server); return nil, fail },
	}, servers)
	dial := func(network string) net.Conn {
		c, err := r.Dial(t.Context(), network, "192.0.2.1:53")
		if err != fail {
			t.Fatalf("the error is %v, want %v", err, fail)
		}
		if _, ok := c.(net.PacketConn); fail == nil && ok != (network == "udp") {
			t.Errorf("a connection of %s is a PacketConn: %v", network, ok)
		}
		return c
	}
	a, b := dial("udp"), dial("udp")
	for _, c := range []net.Conn{a, b} {
		if _, err := c.Read(nil); err != os.ErrDeadlineExceeded {
			t.Errorf("Read: %v", err)
		}
	}
	dial("tcp")
	fail = refuse
	dial("udp")
	dial("tcp")
	fail = nil
	dial("tcp")
	if want := []int{0, 0, 1, 1, 2, 0}; !slices.Equal(dialed, want) {
		t.Errorf("the servers are %v, want %v", dialed, want)
	}
}

// Without servers, every lookup fails.
func TestNoServer(t *testing.T) {
	var e *net.DNSError
	if _, err := New(Dial{}, nil).Dial(t.Context(), "udp", "192.0.2.1:53"); !errors.As(err, &e) || e.Err != "no name server is configured" {
		t.Errorf("the error is %v", err)
	}
}
