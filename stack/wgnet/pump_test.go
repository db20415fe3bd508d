package wgnet

import (
	"bytes"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"

	"golang.zx2c4.com/wireguard/tun"
)

// pump passes packets between two devices on the goroutine that calls it.
type pump struct {
	devices [2]*device
	offset  int
	bufs    [][]byte
	sizes   []int
	packets [][]byte
}

func newPump(a, b tun.Device, offset int) *pump {
	p := &pump{devices: [2]*device{a.(*netTUN).device, b.(*netTUN).device}, offset: offset}
	p.bufs, p.sizes, p.packets = make([][]byte, batchSize), make([]int, batchSize), make([][]byte, 0, batchSize)
	for i := range p.bufs {
		p.bufs[i] = make([]byte, 2048)
	}
	return p
}

// run passes packets until there are none, and returns their number.
func (p *pump) run(t testing.TB) (total int) {
	for idle := 0; idle < 2; idle++ {
		from, to := p.devices[idle], p.devices[1-idle]
		from.begin(p.bufs, p.sizes, p.offset)
		from.transmit()
		n, err := from.end()
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		p.packets = p.packets[:0]
		for i := range n {
			p.packets = append(p.packets, p.bufs[i][:p.offset+p.sizes[i]])
		}
		if err := to.link.Receive(p.packets, p.offset); err != nil {
			t.Fatal(err)
		}
		total += n
		idle = -1
	}
	return total
}

// pumped calls test with a connection between two devices whose packets a pump passes.
func pumped(t *testing.T, offset int, test func(t *testing.T, p *pump, from io.Writer, to io.Reader)) {
	synctest.Test(t, func(t *testing.T) {
		devA, a, err := CreateNetTUN([]netip.Addr{addressA}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		defer devA.Close()
		devB, b, err := CreateNetTUN([]netip.Addr{addressB}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		defer devB.Close()
		l, err := b.ListenTCPAddrPort(netip.AddrPortFrom(addressB, 80))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		p := newPump(devA, devB, offset)
		var from io.Writer
		go func() {
			c, err := a.DialTCPAddrPort(netip.AddrPortFrom(addressB, 80))
			if err != nil {
				t.Error(err)
			}
			from = c
		}()
		synctest.Wait()
		p.run(t)
		synctest.Wait()
		to, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		test(t, p, from, to)
	})
}

// TestOffsets checks that packets pass with any offset: with room for a header before them, and without.
func TestOffsets(t *testing.T) {
	for _, offset := range []int{0, 9, 10, 16} {
		pumped(t, offset, func(t *testing.T, p *pump, from io.Writer, to io.Reader) {
			for _, size := range []int{1, 10_000} {
				data := bytes.Repeat([]byte{byte(size)}, size)
				if _, err := from.Write(data); err != nil {
					t.Fatal(err)
				}
				p.run(t)
				got := make([]byte, size)
				if _, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, data) {
					t.Errorf("offset %d: %d bytes: %v, or other bytes", offset, size, err)
				}
			}
		})
	}
}
