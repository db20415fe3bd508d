package wgnet

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/conn/bindtest"
	wgdevice "golang.zx2c4.com/wireguard/device"
)

// tunnel is two Nets joined by WireGuard's devices.
type tunnel struct {
	a, b         *Net
	wireA, wireB *wgdevice.Device
}

// newKeys returns a pair of keys in hexadecimal.
func newKeys(t testing.TB) (private, public string) {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(k.Bytes()), hex.EncodeToString(k.PublicKey().Bytes())
}

// newTunnel starts two devices that have each other as peers. The binds are how they reach each other.
func newTunnel(t testing.TB, bindA, bindB conn.Bind) *tunnel {
	t.Helper()
	w := &tunnel{}
	start := func(address, address6 netip.Addr, bind conn.Bind) (*Net, *wgdevice.Device) {
		d, n, err := CreateNetTUN([]netip.Addr{address, address6}, nil, 1420)
		if err != nil {
			t.Fatal(err)
		}
		return n, wgdevice.NewDevice(d, bind, wgdevice.NewLogger(wgdevice.LogLevelError, ""))
	}
	w.a, w.wireA = start(addressA, addressA6, bindA)
	w.b, w.wireB = start(addressB, addressB6, bindB)
	privateA, publicA := newKeys(t)
	privateB, publicB := newKeys(t)
	configure := func(d *wgdevice.Device, text string) {
		if err := d.IpcSet(text); err != nil {
			t.Fatal(err)
		}
	}
	configure(w.wireA, "private_key="+privateA+"\nlisten_port=0\n")
	configure(w.wireB, "private_key="+privateB+"\nlisten_port=0\n")
	for _, d := range []*wgdevice.Device{w.wireA, w.wireB} {
		if err := d.Up(); err != nil {
			t.Fatal(err)
		}
	}
	endpoint := func(d *wgdevice.Device) string {
		if _, ok := bindA.(*bindtest.ChannelBind); ok {
			if d == w.wireA {
				return "127.0.0.1:2" // of A as B sees it
			}
			return "127.0.0.1:1"
		}
		text, err := d.IpcGet()
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := strings.Cut(text, "listen_port=")
		port, _, _ = strings.Cut(port, "\n")
		return "127.0.0.1:" + port
	}
	peer := "public_key=%s\nprotocol_version=1\nreplace_allowed_ips=true\nallowed_ip=%v/32\nallowed_ip=%v/128\nendpoint=%s\n"
	configure(w.wireA, fmt.Sprintf(peer, publicB, addressB, addressB6, endpoint(w.wireB)))
	configure(w.wireB, fmt.Sprintf(peer, publicA, addressA, addressA6, endpoint(w.wireA)))
	return w
}

func (w *tunnel) close() {
	w.wireA.Close()
	w.wireB.Close()
}

// TestWireGuard sends bulk data both ways at once through real tunnels, over UDP of the loopback and over channels.
func TestWireGuard(t *testing.T) {
	channels := bindtest.NewChannelBinds()
	for name, binds := range map[string][2]conn.Bind{
		"loopback": {conn.NewStdNetBind(), conn.NewStdNetBind()},
		"channels": channels,
	} {
		t.Run(name, func(t *testing.T) {
			w := newTunnel(t, binds[0], binds[1])
			defer w.close()
			for _, address := range []netip.Addr{addressB, addressB6} {
				l, err := w.b.ListenTCPAddrPort(netip.AddrPortFrom(address, 80))
				if err != nil {
					t.Fatal(err)
				}
				var running sync.WaitGroup
				for i := range 4 {
					dialed, accepted := connect(t, w.a, w.b, l)
					running.Go(func() { transfer(t, dialed, accepted, uint64(i), 2<<20) })
					running.Go(func() { transfer(t, accepted, dialed, uint64(i)<<8, 2<<20) })
				}
				running.Wait()
			}
		})
	}
}

// TestWireGuardClose closes the devices of a tunnel under load, in both orders and at once.
func TestWireGuardClose(t *testing.T) {
	for name, closeAll := range map[string]func(w *tunnel){
		"A, B":          func(w *tunnel) { w.wireA.Close(); w.wireB.Close() },
		"stack A, B, A": func(w *tunnel) { w.a.Stack().Close(); w.wireB.Close(); w.wireA.Close() },
		"down, close":   func(w *tunnel) { w.wireA.Down(); w.wireA.Close(); w.wireB.Close() },
		"at once": func(w *tunnel) {
			var closing sync.WaitGroup
			closing.Go(w.wireA.Close)
			closing.Go(w.wireB.Close)
			closing.Go(func() { w.b.Stack().Close() })
			closing.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTunnel(t, conn.NewStdNetBind(), conn.NewStdNetBind())
			var running sync.WaitGroup
			load(t, &pair{a: w.a, b: w.b}, &running)
			closeAll(w)
			running.Wait() // every call has returned
			<-w.wireA.Wait()
			<-w.wireB.Wait()
		})
	}
}
