package stack

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"

	"minitcp/conn/wire"
)

// removing is a Handler that changes the stack's addresses when its connection ends.
type removing struct {
	s    *Stack
	done chan error
}

func (h removing) Received(c *Conn, data []byte) int { return len(data) }
func (h removing) Writable(*Conn)                    {}
func (h removing) Ended(c *Conn, _ error) {
	h.done <- h.s.AddAddress(netip.MustParsePrefix("10.77.0.3/24"))
	c.Close()
}

// A Handler that RemoveAddress calls may change addresses itself.
func TestRemoveAddressInHandler(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		done := make(chan error, 1)
		l, err := p.b.Handle("tcp", ":80", func(*Conn) Handler { return removing{p.b, done} })
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := p.a.Dial("tcp", "10.77.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		synctest.Wait()
		if err := p.b.RemoveAddress(addressesB[0].Addr()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A Dial whose address is removed after it has been chosen fails, and leaves no connection.
func TestRemoveAddressDuringDial(t *testing.T) {
	p := newPair(t, Config{})
	p.listen()
	remote := netip.MustParseAddrPort("10.77.0.2:80")
	local, err := p.a.source(netip.AddrPort{}, remote)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.a.RemoveAddress(local.Addr()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.a.connect(local, remote, 0, (*Stack).connectPlain); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("the error is %v, want EADDRNOTAVAIL", err)
	}
	if n := len(p.a.Connections()); n != 0 {
		t.Errorf("%d connections from an address that was removed", n)
	}
}

// SYNs that arrive while the address is removed leave no handshake, and handshakes that complete no connection.
func TestRemoveAddressDuringHandshakes(t *testing.T) {
	s, d := newPushed(t, Config{})
	l, err := s.ListenTCP("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range uint16(2000) {
		removed := make(chan error)
		start := make(chan struct{})
		go func() {
			<-start
			removed <- s.RemoveAddress(addressesB[0].Addr())
		}()
		src := netip.AddrPortFrom(netip.MustParseAddr("10.77.0.1"), 1000+i)
		close(start)
		d.receive(t, segmentSpec{src: src, flags: wire.SYN})
		if err := <-removed; err != nil {
			t.Fatal(err)
		}
		if list := s.Connections(); len(list) != 0 {
			t.Fatalf("attempt %d: %v to %v after the address was removed", i, list[0].Remote, list[0].Local)
		}
		if err := s.AddAddress(addressesB[0]); err != nil {
			t.Fatal(err)
		}
	}
}

// Whenever the MTU falls during a handshake, the connection keeps to it.
func TestSetMTUDuringHandshakes(t *testing.T) {
	s, d := newPushed(t, Config{})
	l, err := s.ListenTCP("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range uint16(1000) {
		lowered := make(chan error)
		start := make(chan struct{})
		go func() {
			<-start
			lowered <- s.SetMTU(1300)
		}()
		close(start)
		c, _ := d.accept(t, l, 1000+i)
		if err := <-lowered; err != nil {
			t.Fatal(err)
		}
		if mss := c.Info().MSS; mss > 1300-40 {
			t.Fatalf("attempt %d: an MSS of %d bytes with an MTU of 1300", i, mss)
		}
		c.SetLinger(0)
		c.Close()
		d.take(t)
		if err := s.SetMTU(1500); err != nil {
			t.Fatal(err)
		}
	}
}

// A connected socket does not send from an address that was removed.
func TestRemoveAddressOfUDPConn(t *testing.T) {
	families(t, func(t *testing.T, a, b netip.Addr) {
		p := newPair(t, Config{})
		server := p.listenUDP(netip.AddrPortFrom(b, 53))
		c := p.dialUDP(netip.AddrPortFrom(b, 53))
		if err := p.a.RemoveAddress(a); err != nil {
			t.Fatal(err)
		}
		_, err := c.Write([]byte("x"))
		wantOpError(t, err, "write", syscall.EADDRNOTAVAIL)
		if err := p.a.AddAddress(netip.PrefixFrom(a, a.BitLen())); err != nil {
			t.Fatal(err)
		}
		write(t, c, "again")
		wantDatagram(t, server, "again")
	})
}

// The stack keeps no slice that is the caller's.
func TestConfigAddressesKept(t *testing.T) {
	within(t, func(t *testing.T) {
		mine := []netip.Prefix{addressesA[0]}
		s, err := New(nil, Config{Addresses: mine})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mine[0] = addressesB[1]
		if got := s.Addresses(); got[0] != addressesA[0] {
			t.Errorf("the address has become %v", got)
		}
	})
}
