//go:build linux

package tun

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// patience is the time that a test waits for the kernel before it fails.
const patience = 20 * time.Second

// requireKernel ends the test if this process cannot make namespaces and devices.
func requireKernel(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	} else if _, err := os.Stat(cloneDevice); err != nil {
		missing = cloneDevice
	}
	if missing != "" {
		notTested(t, missing)
	}
}

// notTested ends a test that needs something this machine lacks. With CI=true it fails, since a skip would hide that
// the test has not run; otherwise it skips.
func notTested(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("NOT TESTED: this test needs", missing)
	}
	t.Skip("NOT TESTED: this test needs", missing)
}

// newNamespace makes a namespace without a name for a test.
func newNamespace(t *testing.T) *Namespace {
	t.Helper()
	requireKernel(t)
	n, err := NewNamespace("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// openDevice opens a device for a test. It closes the device after patience, which ends a read that waits in vain.
func openDevice(t *testing.T, cfg Config) *Device {
	t.Helper()
	d, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() { d.Close() })
	t.Cleanup(func() {
		if !watchdog.Stop() {
			t.Errorf("the test waited longer than %v", patience)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// inside runs f in the namespace, and fails the test with its error.
func inside(t *testing.T, n *Namespace, f func() error) {
	t.Helper()
	if err := n.Do(f); err != nil {
		t.Fatal(err)
	}
}

// withNetlink gives f a handle in the namespace.
func withNetlink(t *testing.T, n *Namespace, f func(*netlink.Handle) error) {
	t.Helper()
	inside(t, n, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		return f(h)
	})
}

// links returns the devices of the namespace by name.
func links(t *testing.T, n *Namespace) map[string]*netlink.LinkAttrs {
	t.Helper()
	found := make(map[string]*netlink.LinkAttrs)
	withNetlink(t, n, func(h *netlink.Handle) error {
		list, err := h.LinkList()
		for _, l := range list {
			found[l.Attrs().Name] = l.Attrs()
		}
		return err
	})
	return found
}

// eventually polls until the condition holds, and fails the test after patience.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func buffers(n int) (frames [][]byte, sizes []int) {
	for range n {
		frames = append(frames, make([]byte, headerLen+maxPacket))
	}
	return frames, make([]int, n)
}

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}
