package stack

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"
	"testing"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// lastError is the ICMP error that a device has sent last, with the packet that it quotes.
type lastError struct {
	mu           sync.Mutex
	from, to     netip.Addr
	message      wire.ICMP
	quoted       wire.IP
	source, dest uint16
}

func (l *lastError) hook(frame []byte) stacktest.Fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ip wire.IP
	payload, err := wire.ParseIP(frame[wire.VirtioHeaderLen:], &ip)
	if err == nil && wire.ParseICMP(&ip, payload, &l.message) == nil {
		l.from, l.to = ip.Src, ip.Dst
		l.source, l.dest, _, _ = wire.ParseQuoted(l.message.Body, &l.quoted)
	}
	return stacktest.Pass
}

// want checks that the error is Time Exceeded from a router to a, about its packet to an end.
func (l *lastError) want(t *testing.T, router, a netip.Addr, source uint16, to netip.AddrPort) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	kind := uint8(wire.ICMPv4TimeExceeded)
	if a.Is6() {
		kind = wire.ICMPv6TimeExceeded
	}
	if l.from != router || l.to != a || l.message.Type != kind || l.message.Code != 0 {
		t.Errorf("type %d, code %d from %v to %v; want %d, 0, %v, %v", l.message.Type, l.message.Code, l.from, l.to, kind, router, a)
	}
	if l.quoted.Src != a || l.quoted.Dst != to.Addr() || l.source != source || l.dest != to.Port() {
		t.Errorf("a quote of %v:%d to %v:%d, want %v:%d to %v", l.quoted.Src, l.source, l.quoted.Dst, l.dest, a, source, to)
	}
}

// A datagram and an echo request have the hop limit with which they have arrived, and are answered with Time Exceeded
// as a router on their way.
func TestTimeExceeded(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{HopLimit: 7})
		flows := p.forwardingUDP(ForwardUDPConfig{})
		requests := make(chan *EchoRequest, 10)
		if _, err := p.b.ForwardPing(nil, func(r *EchoRequest) { requests <- r }); err != nil {
			t.Fatal(err)
		}
		ends := remoteEnds(a)
		router := ends[2].Addr()
		var last lastError
		p.db.SetHook(last.hook)

		client := p.dialUDP(ends[0])
		write(t, client, "x")
		flow := <-flows
		batch := []Datagram{{Buffer: make([]byte, 10)}}
		if n, err := flow.ReadBatch(batch); n != 1 || err != nil || batch[0].HopLimit != 7 {
			t.Errorf("%d datagrams, %v, a hop limit of %d; want 7", n, err, batch[0].HopLimit)
		}
		if err := flow.SendTimeExceeded(ends[0], router); err != nil {
			t.Fatal(err)
		}
		quiet()
		last.want(t, router, a, client.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port(), ends[0])

		ping, err := p.a.DialPing(netip.Addr{}, ends[0].Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ping.Write(echoRequest(t, a, 7, nil)); err != nil {
			t.Fatal(err)
		}
		r := <-requests
		if r.HopLimit() != 7 {
			t.Errorf("a hop limit of %d, want 7", r.HopLimit())
		}
		if err := r.TimeExceeded(router); err != nil {
			t.Fatal(err)
		}
		quiet()
		last.want(t, router, a, ping.id, netip.AddrPortFrom(ends[0].Addr(), 0))

		other := netip.MustParseAddr("192.0.2.9")
		if a.Is4() {
			other = netip.MustParseAddr("2001:db8::9")
		}
		for _, bad := range []netip.Addr{{}, other, netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("ff02::1"), netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			if err := r.TimeExceeded(bad); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("a request's router %v: %v", bad, err)
			}
			if err := flow.SendTimeExceeded(ends[0], bad); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("a flow's router %v: %v", bad, err)
			}
		}
	})
}
