package wgnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"golang.zx2c4.com/wireguard/tun"
)

var (
	addressA  = netip.MustParseAddr("10.9.0.1")
	addressB  = netip.MustParseAddr("10.9.0.2")
	addressA6 = netip.MustParseAddr("fd09::1")
	addressB6 = netip.MustParseAddr("fd09::2")
)

// pair is two Nets whose packets are passed between their devices, by a goroutine for each direction that writes what
// it has read before it reads again.
type pair struct {
	a, b       *Net
	devA, devB tun.Device
	passing    sync.WaitGroup
}

func newPair(t testing.TB, mtu int) *pair { return newPairDNS(t, mtu, nil) }

// newPairDNS returns a pair in which a has DNS servers.
func newPairDNS(t testing.TB, mtu int, dns []netip.Addr) *pair {
	t.Helper()
	p := &pair{}
	var err error
	if p.devA, p.a, err = CreateNetTUN([]netip.Addr{addressA, addressA6}, dns, mtu); err != nil {
		t.Fatal(err)
	}
	if p.devB, p.b, err = CreateNetTUN([]netip.Addr{addressB, addressB6}, nil, mtu); err != nil {
		t.Fatal(err)
	}
	p.passing.Go(func() { pass(t, p.devA, p.devB) })
	p.passing.Go(func() { pass(t, p.devB, p.devA) })
	return p
}

// close closes both devices and waits for the goroutines.
func (p *pair) close(t testing.TB) {
	t.Helper()
	for _, d := range []tun.Device{p.devA, p.devB} {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	p.passing.Wait()
}

// wireguardOffset is the offset at which WireGuard has packets in its buffers.
const wireguardOffset = 16

// pass passes packets until one of the devices is closed.
func pass(t testing.TB, from, to tun.Device) {
	bufs, sizes := make([][]byte, from.BatchSize()), make([]int, from.BatchSize())
	packets := make([][]byte, 0, len(bufs))
	for i := range bufs {
		bufs[i] = make([]byte, 2048)
	}
	for {
		n, err := from.Read(bufs, sizes, wireguardOffset)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("Read: %v", err)
			}
			return
		}
		packets = packets[:0]
		for i := range n {
			packets = append(packets, bufs[i][:wireguardOffset+sizes[i]])
		}
		if _, err := to.Write(packets, wireguardOffset); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
	}
}

// transfer sends size random bytes from a to b, and checks them.
func transfer(t testing.TB, from, to net.Conn, seed uint64, size int) {
	var sum [32]byte
	var sending sync.WaitGroup
	sending.Go(func() {
		h := sha256.New()
		source := io.LimitReader(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), int64(size))
		b := make([]byte, 1<<20)
		for {
			n, err := io.ReadFull(source, b)
			h.Write(b[:n])
			if _, err := from.Write(b[:n]); err != nil {
				t.Errorf("Write: %v", err)
			}
			if err != nil {
				break
			}
		}
		h.Sum(sum[:0])
		from.(interface{ CloseWrite() error }).CloseWrite()
	})
	h := sha256.New()
	n, err := io.Copy(h, to)
	sending.Wait()
	if err != nil || n != int64(size) || !bytes.Equal(h.Sum(nil), sum[:]) {
		t.Errorf("read %d bytes, error %v, with another hash than the %d that were written", n, err, size)
	}
}

// connect returns the ends of a connection from a to b.
func connect(t testing.TB, a, b *Net, l net.Listener) (dialed, accepted net.Conn) {
	t.Helper()
	dialed, err := a.DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if accepted, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return dialed, accepted
}

func TestBulk(t *testing.T) {
	for _, mtu := range []int{1420, 1900} {
		for _, flows := range []int{1, 8} {
			for _, address := range []netip.Addr{addressB, addressB6} {
				t.Run(fmt.Sprintf("mtu=%d/flows=%d/%v", mtu, flows, address), func(t *testing.T) {
					p := newPair(t, mtu)
					defer p.close(t)
					l, err := p.b.ListenTCPAddrPort(netip.AddrPortFrom(address, 80))
					if err != nil {
						t.Fatal(err)
					}
					var running sync.WaitGroup
					for i := range flows {
						dialed, accepted := connect(t, p.a, p.b, l)
						running.Go(func() { transfer(t, dialed, accepted, uint64(i), 16<<20/flows) })
						running.Go(func() { transfer(t, accepted, dialed, uint64(i)<<8, 16<<20/flows) })
					}
					running.Wait()
					for _, n := range []*Net{p.a, p.b} {
						if refused := n.Stack().Stats()["frame-write-errors"]; refused != 0 {
							t.Errorf("the device has refused %d frames, want none", refused)
						}
					}
				})
			}
		}
	}
}
