//go:build linux

package tun

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestOpenConfigures(t *testing.T) {
	ns := newNamespace(t)
	addresses := prefixes("10.77.0.1/24", "fd77::1/64")
	d := openDevice(t, Config{Name: "mini0", MTU: 1400, HostAddresses: addresses, Namespace: ns, TxQueueLen: 777})
	if d.Name() != "mini0" || d.MTU() != 1400 || !d.Offloads() {
		t.Errorf("the device has the name %q, MTU %d, offloads %v", d.Name(), d.MTU(), d.Offloads())
	}
	link := links(t, ns)["mini0"]
	if link == nil {
		t.Fatal("no device in the namespace")
	}
	if link.MTU != 1400 || link.TxQLen != 777 || link.RawFlags&unix.IFF_UP == 0 {
		t.Errorf("MTU %d, queue %d, flags %v; want 1400, 777, up", link.MTU, link.TxQLen, link.Flags)
	}
	for _, want := range addresses {
		if got, ok := addressOf(t, ns, "mini0", want.Addr()); !ok {
			t.Errorf("address %v not set", want)
		} else if have, _ := prefix(got.IPNet); have != want {
			t.Errorf("address %v, want %v", have, want)
		} else if got.Flags&unix.IFA_F_TENTATIVE != 0 {
			t.Errorf("address %v not usable yet", want)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if links(t, ns)["mini0"] != nil {
		t.Error("device still there after Close")
	}
	if err := d.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func addressOf(t *testing.T, ns *Namespace, device string, want netip.Addr) (found netlink.Addr, ok bool) {
	t.Helper()
	withNetlink(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		list, err := h.AddrList(link, netlink.FAMILY_ALL)
		for _, a := range list {
			if p, _ := prefix(a.IPNet); p.Addr() == want {
				found, ok = a, true
			}
		}
		return err
	})
	return found, ok
}

func TestOpenDefaults(t *testing.T) {
	ns := newNamespace(t)
	first := openDevice(t, Config{Namespace: ns})
	second := openDevice(t, Config{Namespace: ns})
	if first.Name() != "mini0" || second.Name() != "mini1" {
		t.Errorf("names %q and %q, want mini0 and mini1", first.Name(), second.Name())
	}
	link := links(t, ns)["mini1"]
	if link == nil || link.MTU != 1500 || link.TxQLen != 10000 {
		t.Errorf("mini1 is %+v", link)
	}
}

func TestOpenRefuses(t *testing.T) {
	ns := newNamespace(t)
	openDevice(t, Config{Name: "taken", HostAddresses: prefixes("10.77.0.1/24", "fd77::1/64"), Namespace: ns})
	for _, test := range []struct {
		name string
		cfg  Config
		want Reason
		text string
	}{
		{"busy", Config{Name: "taken"}, ErrBusy, "ip link delete taken"},
		{"busy, not a TUN", Config{Name: "lo"}, ErrBusy, "already"},
		{"name too long", Config{Name: "sixteen-bytes-xx"}, ErrName, "at most 15"},
		{"name with slash", Config{Name: "a/b"}, ErrName, "'/'"},
		{"name with space", Config{Name: "a b"}, ErrName, "white space"},
		{"name with formats", Config{Name: "a%d%d"}, ErrName, "%d"},
		{"name of no device", Config{Name: "all"}, ErrName, "another name"},
		{"MTU too small", Config{Name: "x", MTU: 575}, ErrMTU, "576 to 65535"},
		{"MTU too small for IPv6", Config{Name: "x", MTU: 1279, HostAddresses: prefixes("fd78::1/64")}, ErrMTU, "1280 to 65535 with IPv6"},
		{"MTU too large", Config{Name: "x", MTU: 65536}, ErrMTU, "65535"},
		{"queue too short", Config{Name: "x", TxQueueLen: -1}, ErrTxQueueLen, "from 1"},
		{"queue too long", Config{Name: "x", TxQueueLen: 65537}, ErrTxQueueLen, "65536"},
		{"fewer queues than one", Config{Name: "x", Queues: -1}, ErrQueues, "from 1"},
		{"too many queues", Config{Name: "x", Queues: 257}, ErrQueues, "256"},
		{"duplicate address", Config{Name: "x", HostAddresses: prefixes("10.78.0.1/24", "10.78.0.1/24")}, ErrAddressInUse, "duplicate"},
		{"same address elsewhere", Config{Name: "x", HostAddresses: prefixes("10.77.0.1/32")}, ErrAddressInUse, "taken"},
		{"same network elsewhere", Config{Name: "x", HostAddresses: prefixes("10.77.0.9/24")}, ErrAddressInUse, "10.77.0.1/24 on taken"},
		{"larger network", Config{Name: "x", HostAddresses: prefixes("10.0.0.1/8")}, ErrAddressInUse, "taken"},
		{"same IPv6 network", Config{Name: "x", HostAddresses: prefixes("fd77::9/64")}, ErrAddressInUse, "taken"},
		{"no address", Config{Name: "x", HostAddresses: make([]netip.Prefix, 1)}, ErrAddress, "unicast"},
		{"multicast", Config{Name: "x", HostAddresses: prefixes("224.0.0.1/24")}, ErrAddress, "unicast"},
		{"unspecified", Config{Name: "x", HostAddresses: prefixes("::/64")}, ErrAddress, "unicast"},
		{"mapped", Config{Name: "x", HostAddresses: prefixes("::ffff:10.1.1.1/120")}, ErrAddress, "unicast"},
		{"broadcast", Config{Name: "x", HostAddresses: prefixes("10.78.0.255/24")}, ErrAddress, "unicast"},
		{"network", Config{Name: "x", HostAddresses: prefixes("10.78.0.0/24")}, ErrAddress, "unicast"},
		{"broadcast of 4 addresses", Config{Name: "x", HostAddresses: prefixes("10.78.0.7/30")}, ErrAddress, "unicast"},
		{"limited broadcast", Config{Name: "x", HostAddresses: prefixes("255.255.255.255/32")}, ErrAddress, "unicast"},
		{"last broadcast", Config{Name: "x", HostAddresses: prefixes("255.255.255.255/24")}, ErrAddress, "unicast"},
		{"subnet-router anycast", Config{Name: "x", HostAddresses: prefixes("fd78::/64")}, ErrAddress, "unicast"},
		{"loopback", Config{Name: "x", HostAddresses: prefixes("127.0.0.2/8")}, ErrAddress, "unicast"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := openFiles(t)
			test.cfg.Namespace = ns
			d, err := Open(test.cfg)
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			checkError(t, err, test.want, test.text)
			if d != nil {
				t.Error("Open returns a device with an error")
			}
			if now := links(t, ns); now["x"] != nil || len(now) != 2 {
				t.Errorf("devices left behind: %v", now)
			}
			if after := openFiles(t); after != before {
				t.Errorf("%d open files, before %d", after, before)
			}
		})
	}
}

// checkError checks that the error is one line that contains a text, and is of a kind.
func checkError(t *testing.T, err error, want Reason, text string) {
	t.Helper()
	t.Log(err)
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, want) {
		t.Errorf("error is %T %v, want %v", err, err, want)
	}
	if line := err.Error(); !strings.Contains(line, text) || strings.Contains(line, "\n") {
		t.Errorf("error is %q, want one line with %q", line, text)
	}
}

// TestAdviceNamesNamespace checks that the commands that errors advise run in the device's namespace.
func TestAdviceNamesNamespace(t *testing.T) {
	name, _ := uniqueName(t)
	n, err := NewNamespace(name)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	openDevice(t, Config{Name: "taken", Namespace: n})
	_, err = Open(Config{Name: "taken", Namespace: n})
	checkError(t, err, ErrBusy, "remove it with: ip netns exec "+name+" ip link delete taken")
}

// A smaller network inside another's is the usual way to put something behind a host, and works.
func TestOpenInsideOthersNetwork(t *testing.T) {
	ns := newNamespace(t)
	openDevice(t, Config{HostAddresses: prefixes("10.77.0.1/16", "fe80::1/64"), Namespace: ns})
	openDevice(t, Config{HostAddresses: prefixes("10.77.7.1/24", "fe80::2/64"), Namespace: ns})
}

// TestOpenOnSmallNetworks checks that both addresses of a network of two can be the host's, and the one of one.
func TestOpenOnSmallNetworks(t *testing.T) {
	ns := newNamespace(t)
	openDevice(t, Config{Namespace: ns, HostAddresses: prefixes("10.78.0.0/31", "10.78.0.3/31", "10.78.0.4/32", "fd78::/127", "fd78::3/127",
		"fd78:0:0:1:ffff:ffff:ffff:ffff/64")})
}

// TestAddressesSurviveDownAndUp checks that the host has its addresses and routes again after its device was down.
func TestAddressesSurviveDownAndUp(t *testing.T) {
	ns := newNamespace(t)
	addresses := prefixes("10.77.0.1/24", "fd77::1/64")
	d := openDevice(t, Config{Namespace: ns, HostAddresses: addresses})
	withNetlink(t, ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(d.Name())
		if err != nil {
			return err
		}
		// Each round waits for the one before: the kernel works on an IPv6 address for a moment after up.
		for range 2 {
			if err := errors.Join(h.LinkSetDown(link), h.LinkSetUp(link)); err != nil {
				return err
			}
			for _, p := range addresses {
				if _, ok := addressOf(t, ns, d.Name(), p.Addr()); !ok {
					t.Errorf("%v is gone after down and up", p)
					continue
				}
				eventually(t, "the kernel takes packets for its address", func() bool {
					routes, err := h.RouteGet(p.Addr().AsSlice())
					return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL
				})
				eventually(t, "the kernel has a route to the peer's address", func() bool {
					routes, err := h.RouteGet(p.Addr().Next().AsSlice())
					return err == nil && len(routes) > 0 && routes[0].LinkIndex == link.Attrs().Index
				})
			}
		}
		return nil
	})
}

func TestOpenWhereIPv6IsDisabled(t *testing.T) {
	ns := newNamespace(t)
	inside(t, ns, func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	})
	d := openDevice(t, Config{HostAddresses: prefixes("fd77::1/64"), Namespace: ns})
	if _, ok := addressOf(t, ns, d.Name(), netip.MustParseAddr("fd77::1")); !ok {
		t.Error("no IPv6 address")
	}
	inside(t, ns, func() error {
		setting, err := os.ReadFile("/proc/sys/net/ipv6/conf/default/disable_ipv6")
		if string(setting) != "1\n" {
			t.Errorf("the default for others is now %q", setting)
		}
		return err
	})
}

func TestOpenWithoutDriver(t *testing.T) {
	requireKernel(t)
	_, _, err := attach(filepath.Join(t.TempDir(), "tun"), "x", unix.IFF_TUN, nil)
	checkError(t, err, ErrNoDriver, "modprobe tun")
}

// unprivileged runs f without capabilities, on a thread that ends with it.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func TestOpenWithoutPrivilege(t *testing.T) {
	requireKernel(t)
	unprivileged(t, func() {
		d, err := Open(Config{Name: "x"})
		if err == nil {
			d.Close()
			t.Error("opened")
			return
		}
		checkError(t, err, ErrPermission, "run as root")
		if !errors.Is(err, os.ErrPermission) {
			t.Error("not an os.ErrPermission")
		}
	})
	checkError(t, openError(cloneDevice, unix.EACCES), ErrPermission, "run as root")
	checkError(t, configureError("x", "cannot be brought up", unix.EPERM), ErrPermission, "CAP_NET_ADMIN")
}

func TestOpenInClosedNamespace(t *testing.T) {
	requireKernel(t)
	ns, err := NewNamespace("")
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
	_, err = Open(Config{Namespace: ns})
	checkError(t, err, ErrNamespace, "cannot be entered")
	if !errors.Is(err, os.ErrClosed) {
		t.Error("not an os.ErrClosed")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := make(map[string]bool)
	for r := ErrNoDriver; r <= ErrKernel; r++ {
		s := r.Error()
		if seen[s] || s == Reason(0).Error() {
			t.Errorf("reason %d is %q", r, s)
		}
		seen[s] = true
	}
	if s := fmt.Sprint(Reason(200)); s != "tun: unknown reason" {
		t.Error(s)
	}
}
