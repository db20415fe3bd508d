//go:build linux

package tun

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// families runs a test over IPv4 and IPv6, with a device and a connection from the kernel to our side of it.
func families(t *testing.T, f func(t *testing.T, p *peer, kernel net.Conn)) {
	for _, family := range []struct{ name, host, ours string }{
		{"IPv4", "10.77.0.1/24", "10.77.0.2:80"},
		{"IPv6", "fd77::1/64", "[fd77::2]:80"},
	} {
		t.Run(family.name, func(t *testing.T) {
			ns := newNamespace(t)
			d := openDevice(t, Config{Namespace: ns, HostAddresses: prefixes(family.host)})
			p := newPeer(t, d, netip.MustParseAddrPort(family.ours))

			type dialed struct {
				conn net.Conn
				err  error
			}
			done := make(chan dialed, 1)
			go func() {
				var r dialed
				r.err = ns.Do(func() (err error) {
					r.conn, err = net.DialTimeout("tcp", family.ours, patience)
					return err
				})
				done <- r
			}()
			if err := p.accept(); err != nil {
				t.Fatal(err)
			}
			r := <-done
			if r.err != nil {
				t.Fatal(r.err)
			}
			defer r.conn.Close()
			r.conn.SetDeadline(time.Now().Add(patience))
			f(t, p, r.conn)
		})
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// TestSuperframesFromKernel checks that bulk data from the kernel's TCP arrives in superframes larger than the MTU,
// with the segment size in the header and an incomplete checksum.
func TestSuperframesFromKernel(t *testing.T) {
	families(t, func(t *testing.T, p *peer, kernel net.Conn) {
		const total = 1 << 20
		want := noise(total)
		writing := make(chan error, 1)
		go func() {
			_, err := kernel.Write(want)
			writing <- err
		}()
		var got []byte
		largest, whole := 0, 0
		for len(got) < total {
			r := p.receive()
			if len(r.data) == 0 {
				continue
			}
			// On a busy machine the kernel sends tail loss probes and retransmissions of data that has arrived.
			if int32(r.seq-p.ack) > 0 {
				t.Fatalf("a segment at %d, want %d: a segment was lost", r.seq, p.ack)
			}
			if r.virtio.flags&needsChecksum == 0 || r.virtio.csumOff != checksumOffset {
				t.Fatalf("header %+v, want an incomplete checksum", r.virtio)
			}
			if len(r.data) > peerMSS {
				gsoType := uint8(gsoTCPv4)
				if p.local.Addr().Is6() {
					gsoType = gsoTCPv6
				}
				if r.virtio.gsoType != gsoType || r.virtio.gsoSize != peerMSS {
					t.Fatalf("header %+v, want GSO type %d and size %d", r.virtio, gsoType, peerMSS)
				}
				whole++
			}
			largest = max(largest, r.packetLen)
			known := min(int(p.ack-r.seq), len(r.data)) // bytes that were retransmitted
			got = append(got, r.data[known:]...)
			p.ack += uint32(len(r.data) - known)
			p.send(flagACK, nil, nil, 0)
		}
		if err := <-writing; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Error("the data has changed on its way")
		}
		t.Logf("%d superframes, the largest packet %d bytes", whole, largest)
		if largest <= p.device.MTU() {
			t.Errorf("the largest packet has %d bytes, want more than the MTU of %d", largest, p.device.MTU())
		}
	})
}

// TestSuperframeToKernel checks that the kernel's socket receives the bytes of a superframe.
func TestSuperframeToKernel(t *testing.T) {
	families(t, func(t *testing.T, p *peer, kernel net.Conn) {
		want := noise(60_000)
		p.send(flagACK|flagPSH, nil, want, peerMSS)
		p.send(flagACK|flagFIN, nil, nil, 0)
		got, err := io.ReadAll(kernel)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes arrived, or changed; want %d", len(got), len(want))
		}
	})
}

// TestSetOffloadsBeforeLinux62 checks that a kernel without UDP segmentation gets the other offloads.
func TestSetOffloadsBeforeLinux62(t *testing.T) {
	for _, test := range []struct {
		known   int
		err     error
		wantUDP bool
	}{
		{offloadsUDP, nil, true},
		{offloads, nil, false},
		{0, unix.EINVAL, false},
	} {
		udp, err := setOffloads(func(offloads int) error {
			if offloads&^test.known != 0 {
				return unix.EINVAL
			}
			return nil
		})
		if udp != test.wantUDP || err != test.err {
			t.Errorf("the kernel knows %#x: %v, %v; want %v, %v", test.known, udp, err, test.wantUDP, test.err)
		}
	}
}
