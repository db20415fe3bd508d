package stack

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/net/nettest"

	"minitcp/conn/wire"
	"minitcp/stack/stacktest"
)

// newLoopStack returns a stack without a device.
func newLoopStack(t *testing.T) *Stack {
	t.Helper()
	s, err := New(nil, Config{Addresses: addressesA})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A stack reaches its own addresses, with a device and without one: TCP, UDP and ping.
func TestOwnAddresses(t *testing.T) {
	for _, device := range []bool{false, true} {
		families(t, func(t *testing.T, a, b netip.Addr) {
			var s *Stack
			if device {
				p := newPair(t, Config{})
				s = p.a
				p.da.SetHook(func(f []byte) stacktest.Fate { t.Errorf("a frame reached the device: % x", f); return stacktest.Pass })
			} else {
				s = newLoopStack(t)
			}
			at := netip.AddrPortFrom(a, 80)
			l, err := s.ListenTCP("tcp", at.String())
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.Dial("tcp", at.String())
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.AcceptTCP()
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, 2<<20)
			rand.NewChaCha8([32]byte{3}).Read(data)
			go func() {
				c.Write(data)
				c.(*Conn).CloseWrite()
			}()
			got, err := io.ReadAll(server)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d of %d bytes, %v", len(got), len(data), err)
			}
			server.Close()
			wantEOF(t, c)
			c.Close()
			_, err = s.Dial("tcp", netip.AddrPortFrom(a, 81).String())
			wantOpError(t, err, "dial", syscall.ECONNREFUSED)
			_, err = s.DialTCP(t.Context(), at, at)
			wantOpError(t, err, "dial", syscall.EADDRINUSE)

			u, err := s.ListenUDP("udp", at.String())
			if err != nil {
				t.Fatal(err)
			}
			client, err := s.DialUDP(netip.AddrPort{}, at)
			if err != nil {
				t.Fatal(err)
			}
			big := data[:9000]
			client.Write(big)
			b9 := make([]byte, 10_000)
			if n, err := u.Read(b9); err != nil || !bytes.Equal(b9[:n], big) {
				t.Errorf("%d bytes of UDP, %v", n, err)
			}
			u.Close()
			client.Write(big)
			_, err = client.Read(b9)
			wantOpError(t, err, "read", syscall.ECONNREFUSED)

			ping, err := s.DialPing(netip.Addr{}, a)
			if err != nil {
				t.Fatal(err)
			}
			ping.Write(echoRequest(t, a, 5, []byte("data")))
			n, err := ping.Read(b9)
			if err != nil {
				t.Fatal(err)
			}
			wantReply(t, a, b9[:n], 5, []byte("data"))
			if !device {
				_, err = s.Dial("tcp", "192.0.2.1:80")
				wantOpError(t, err, "dial", syscall.ENETUNREACH)
			}
		})
	}
}

// Close ends a stack without a device, whether or not it has sent itself anything.
func TestCloseWithoutDevice(t *testing.T) {
	within(t, func(t *testing.T) {
		newLoopStack(t)
		s := newLoopStack(t)
		l, err := s.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Dial("tcp", "10.77.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
		synctest.Wait()
		s.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		l.Close()
	})
}

// Connections of the stack to itself pass the tests of package nettest.
func TestNetConnWithoutDevice(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		s, err := New(nil, Config{Addresses: addressesA})
		if err != nil {
			return nil, nil, nil, err
		}
		stop = func() {
			runtime.KeepAlive([]any{c1, c2}) // a connection that the application forgets is closed
			s.Close()
		}
		l, err := s.Listen("tcp", ":80")
		if err != nil {
			return nil, nil, stop, err
		}
		if c1, err = s.Dial("tcp", "10.77.0.1:80"); err == nil {
			c2, err = l.Accept()
		}
		return c1, c2, stop, err
	})
}

// A packet from the device that claims to be from the stack itself is still refused.
func TestOwnSourceFromDevice(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPair(t, Config{})
		p.listen()
		p.db.Inject(packet(segmentSpec{flags: wire.SYN, src: netip.MustParseAddrPort("10.77.0.2:9"), dst: netip.MustParseAddrPort("10.77.0.2:80")}))
		synctest.Wait()
		if got := p.b.Stats()["dropped-bad-source"]; got != 1 {
			t.Errorf("%d packets with a bad source", got)
		}
	})
}

// An address that is added works as those of the Config, and ends with its connections when it is removed.
func TestAddAndRemoveAddress(t *testing.T) {
	for _, added := range []string{"10.77.0.99/24", "fd77::99/64"} {
		within(t, func(t *testing.T) {
			p := newPair(t, Config{})
			l := p.listen()
			prefix := netip.MustParsePrefix(added)
			to := netip.AddrPortFrom(prefix.Addr(), 80)
			if _, err := p.b.ListenTCP("tcp", netip.AddrPortFrom(prefix.Addr(), 81).String()); !errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Errorf("listening on an address that is not there: %v", err)
			}
			if err := p.b.AddAddress(prefix); err != nil {
				t.Fatal(err)
			}
			if err := p.b.AddAddress(prefix); !errors.Is(err, syscall.EEXIST) {
				t.Errorf("added twice: %v", err)
			}
			if got := p.b.Addresses(); len(got) != 3 || got[2] != prefix {
				t.Errorf("addresses %v", got)
			}
			client, server := p.connectTo(l, to.String())
			other, _ := p.connect(l)
			if err := p.b.RemoveAddress(prefix.Addr()); err != nil {
				t.Fatal(err)
			}
			_, err := client.Read(make([]byte, 1))
			wantOpError(t, err, "read", syscall.ECONNRESET)
			_, err = server.Read(make([]byte, 1))
			wantOpError(t, err, "read", syscall.ECONNABORTED)
			write(t, other, "still open")
			if err := p.b.RemoveAddress(prefix.Addr()); !errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Errorf("removed twice: %v", err)
			}
			before := p.b.Stats()["dropped-not-ours"]
			p.db.Inject(packet(segmentSpec{flags: wire.SYN, src: netip.AddrPortFrom(addressOfA(to), 9), dst: to}))
			synctest.Wait()
			if got := p.b.Stats()["dropped-not-ours"]; got != before+1 {
				t.Error("a packet for the address that was removed is not dropped")
			}
			for _, bad := range []string{"0.0.0.0/0", "224.0.0.1/24", "10.77.0.255/24"} {
				if err := p.b.AddAddress(netip.MustParsePrefix(bad)); !errors.Is(err, syscall.EINVAL) {
					t.Errorf("%s: %v", bad, err)
				}
			}
			p.b.Close()
			if err := p.b.AddAddress(prefix); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

// When the MTU falls, connections send smaller segments; when it rises, new ones send larger segments.
func TestSetMTU(t *testing.T) {
	within(t, func(t *testing.T) {
		p := newPairOn(t, stacktest.Config{MTU: 9000}, Config{}, Config{})
		l := p.listen()
		client, server := p.connect(l)
		send := func(c, s *Conn) {
			t.Helper()
			data := make([]byte, 100_000)
			go c.Write(data)
			if _, err := io.ReadFull(s, data); err != nil {
				t.Fatal(err)
			}
		}
		send(client, server)
		if err := p.a.SetMTU(1400); err != nil {
			t.Fatal(err)
		}
		largest := 0
		p.da.SetHook(func(f []byte) stacktest.Fate {
			var h wire.VirtioHeader
			wire.ParseVirtio(f, &h)
			size := len(f) - wire.VirtioHeaderLen
			if h.GSOSize > 0 {
				size = int(h.HeaderLen) + int(h.GSOSize)
			}
			largest = max(largest, size)
			return stacktest.Pass
		})
		send(client, server)
		if largest > 1400 || largest < 1300 {
			t.Errorf("a packet of %d bytes, want at most 1400", largest)
		}
		if err := p.a.SetMTU(4000); err != nil {
			t.Fatal(err)
		}
		client, server = p.connect(l)
		send(client, server)
		if largest > 4000 || largest < 3900 {
			t.Errorf("a packet of %d bytes, want at most 4000", largest)
		}
		u := p.dialUDP(netip.MustParseAddrPort("10.77.0.2:9"))
		u.SetDontFragment(true)
		_, err := u.Write(make([]byte, 4000))
		wantOpError(t, err, "write", syscall.EMSGSIZE)
		for _, mtu := range []int{0, 500, 1279, 9001} {
			if err := p.a.SetMTU(mtu); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("an MTU of %d: %v", mtu, err)
			}
		}
	})
}
