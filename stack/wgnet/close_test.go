package wgnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"

	"golang.zx2c4.com/wireguard/tun"
)

// load has both Nets of a pair send TCP and UDP to each other, and accept and dial, until they end.
func load(t *testing.T, p *pair, running *sync.WaitGroup) {
	t.Helper()
	for _, side := range []struct {
		from, to *Net
		address  netip.Addr
	}{{p.a, p.b, addressB}, {p.b, p.a, addressA}} {
		l, err := side.to.ListenTCPAddrPort(netip.AddrPortFrom(side.address, 80))
		if err != nil {
			t.Fatal(err)
		}
		sink, err := side.to.ListenUDPAddrPort(netip.AddrPortFrom(side.address, 80))
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("Accept: %v, want net.ErrClosed", err)
					}
					return
				}
				running.Go(func() { io.Copy(io.Discard, c) })
			}
		})
		running.Go(func() {
			for b := make([]byte, 100); ; {
				if _, _, err := sink.ReadFrom(b); err != nil {
					return
				}
			}
		})
		for range 4 {
			c, err := side.from.DialTCPAddrPort(netip.AddrPortFrom(side.address, 80))
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() {
				for b := make([]byte, 100_000); ; {
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			})
		}
		running.Go(func() {
			c, err := side.from.DialUDPAddrPort(netip.AddrPort{}, netip.AddrPortFrom(side.address, 80))
			if err != nil {
				return
			}
			for range 1000 {
				if _, err := c.Write(make([]byte, 100)); err != nil {
					return
				}
			}
		})
	}
}

// TestClose closes the devices and the stacks of a pair under load, in every order and at once.
func TestClose(t *testing.T) {
	closers := []struct {
		name  string
		close func(p *pair)
	}{
		{"device A, device B", func(p *pair) { p.devA.Close(); p.devB.Close() }},
		{"device B, stack A", func(p *pair) { p.devB.Close(); p.a.Stack().Close() }},
		{"stack A, stack B", func(p *pair) { p.a.Stack().Close(); p.b.Stack().Close() }},
		{"stack A, device A", func(p *pair) { p.a.Stack().Close(); p.devA.Close() }},
		{"at once", func(p *pair) {
			var closing sync.WaitGroup
			for _, f := range []func() error{p.devA.Close, p.devB.Close, p.a.Stack().Close, p.b.Stack().Close, p.devA.Close} {
				closing.Go(func() { f() })
			}
			closing.Wait()
		}},
	}
	for _, c := range closers {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // finds goroutines that are left
				p := newPair(t, 1420)
				var running sync.WaitGroup
				load(t, p, &running)
				c.close(p)
				p.close(t)
				running.Wait()
			})
		})
	}
}

// TestCloseBlockedRead checks that Close makes a Read return that waits, and that a device without any reader closes
// too.
func TestCloseBlockedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		unread, _, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		var reading sync.WaitGroup
		reading.Go(func() {
			if _, err := read(d); !errors.Is(err, os.ErrClosed) {
				t.Errorf("Read: %v, want os.ErrClosed", err)
			}
		})
		synctest.Wait()
		if err := errors.Join(d.Close(), unread.Close()); err != nil {
			t.Error(err)
		}
		reading.Wait()
		if err := n.Stack().Close(); err != nil {
			t.Errorf("Close of the stack after its device: %v", err)
		}
	})
}

// read reads once, and returns the packets.
func read(d tun.Device) ([][]byte, error) {
	bufs, sizes := make([][]byte, 128), make([]int, 128)
	for i := range bufs {
		bufs[i] = make([]byte, 2048)
	}
	n, err := d.Read(bufs, sizes, 0)
	var packets [][]byte
	for i := range n {
		packets = append(packets, bufs[i][:sizes[i]])
	}
	return packets, err
}
