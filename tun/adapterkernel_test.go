//go:build linux

package tun

import (
	"bytes"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	wgtun "golang.zx2c4.com/wireguard/tun"
)

// TestAdapterOfWireguardTUN runs an Adapter over wireguard's TUN of the kernel.
func TestAdapterOfWireguardTUN(t *testing.T) {
	ns := newNamespace(t)
	var a *Adapter
	inside(t, ns, func() error {
		inner, err := wgtun.CreateTUN("wg0", 1500)
		if err != nil {
			return err
		}
		a, err = Wrap(inner)
		return err
	})
	watchdog := time.AfterFunc(patience, func() { a.Close() })
	defer watchdog.Stop()
	defer a.Close()

	withNetlink(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName("wg0")
		if err != nil {
			return err
		}
		if err := addAddress(h, link, prefixes("10.77.0.1/24")[0], nil); err != nil {
			return err
		}
		return h.LinkSetUp(link)
	})
	socket := dialUDP(t, ns)
	if err := a.WriteFrame([][]byte{datagram(ourPort, hostPort, []byte("in"))}); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	if n, err := socket.Read(buffer); err != nil || string(buffer[:n]) != "in" {
		t.Errorf("the kernel's socket got %q, %v", buffer[:n], err)
	}

	if _, err := socket.Write([]byte("out")); err != nil {
		t.Fatal(err)
	}
	frames, sizes := buffers(2)
	for {
		n, err := a.ReadBatch(frames, sizes)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 && isUDP(frames[0]) {
			// Wireguard has completed the checksum. Only ID and TTL in the IP header differ from those of datagram.
			want := datagram(hostPort, ourPort, []byte("out"))
			if got := frames[0][:sizes[0]]; !bytes.Equal(got[headerLen+20:], want[headerLen+20:]) {
				t.Errorf("got % x, want % x", got, want)
			}
			break
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the device is gone", func() bool { return links(t, ns)["wg0"] == nil })
}
