//go:build linux

package tun

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// persistent makes a persistent TUN with an address, as an administrator does.
func persistent(t *testing.T, n *Namespace, more string) {
	t.Helper()
	inside(t, n, func() error {
		for _, line := range []string{
			"ip tuntap add dev kept0 mode tun " + more, "ip address add 10.77.0.1/24 dev kept0", "ip link set kept0 mtu 1400 up",
		} {
			if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
		}
		return nil
	})
}

// exchange checks that frames pass the device in both directions, and closes it.
func exchange(t *testing.T, n *Namespace, d *Device) {
	t.Helper()
	defer d.Close()
	if d.MTU() != 1400 || d.Queues() != 1 || len(d.Near()) == 0 || d.Near()[0] != prefixes("10.77.0.1/32")[0] {
		t.Errorf("MTU %d, %d queues, near %v", d.MTU(), d.Queues(), d.Near())
	}
	watchdog := time.AfterFunc(patience, func() { d.Close() })
	defer watchdog.Stop()
	var host *net.UDPConn
	inside(t, n, func() (err error) {
		host, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(hostPort))
		return err
	})
	defer host.Close()
	host.SetDeadline(time.Now().Add(patience))
	if err := d.WriteFrame([][]byte{datagram(ourPort, hostPort, []byte("to the host"))}); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	size, from, err := host.ReadFromUDPAddrPort(b)
	if err != nil || string(b[:size]) != "to the host" {
		t.Fatalf("the host has read %q, %v", b[:size], err)
	}
	if _, err := host.WriteToUDPAddrPort([]byte("from the host"), from); err != nil {
		t.Fatal(err)
	}
	frames, sizes := buffers(8)
	for {
		count, err := d.ReadBatch(frames, sizes)
		if err != nil {
			t.Fatal(err)
		}
		for i := range count {
			if strings.HasSuffix(string(frames[i][:sizes[i]]), "from the host") {
				return
			}
		}
	}
}

// A persistent TUN can be taken over again and again, and stays.
func TestAttachPersistent(t *testing.T) {
	for _, more := range []string{"", "multi_queue", "vnet_hdr"} {
		t.Run("ip tuntap add "+more, func(t *testing.T) {
			n := newNamespace(t)
			persistent(t, n, more)
			for range 2 {
				d, err := Attach("kept0", n)
				if err != nil {
					t.Fatal(err)
				}
				exchange(t, n, d)
				if links(t, n)["kept0"] == nil {
					t.Fatal("Close has removed the device")
				}
			}
		})
	}
}

// asUser is the variable of the environment that makes TestAttachAsOwner attach, as a user without privileges.
const asUser = "MINITCP_TEST_ATTACH"

// An administrator's device can be taken over by the user that it was made for, without privileges, by its name and by
// an open file, and by no other user.
func TestAttachAsOwner(t *testing.T) {
	if as := os.Getenv(asUser); as != "" {
		attachAs(t, as)
		return
	}
	for _, program := range []string{"unshare", "setpriv", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			notTested(t, program)
		}
	}
	n := newNamespace(t)
	persistent(t, n, "vnet_hdr user 12345")
	self, err := os.Open("/proc/self/exe") // others may not look into the directory of a test
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	const become = `set -e; mount -t tmpfs -o mode=755 none /dev/net; mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
exec setpriv --reuid="$1" --regid="$1" --clear-groups --inh-caps=-all /proc/self/fd/3 -test.run='^TestAttachAsOwner$' -test.v`
	for uid, as := range map[string]string{"12345": "owning", "54321": "other"} {
		cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", become, "sh", uid)
		cmd.Env = append(os.Environ(), asUser+"="+as)
		cmd.ExtraFiles = []*os.File{self}
		cmd.Dir = "/"
		inside(t, n, func() error {
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "uid "+uid+" is the "+as+" user") {
				t.Errorf("%s: %v\n%s", as, err, out)
			}
			return nil
		})
		if links(t, n)["kept0"] == nil {
			t.Error("the device was removed")
		}
	}
}

// attachAs attaches to kept0, in the namespace of this process, as its owner or as another user.
func attachAs(t *testing.T, as string) {
	d, err := Attach("kept0", nil)
	if as == "owning" {
		if err != nil {
			t.Fatal(err)
		}
		exchange(t, nil, d)
		if d, err = FromFD(openTUN(t, nil, needed)); err != nil {
			t.Fatal(err)
		}
		exchange(t, nil, d)
	} else {
		checkError(t, err, ErrPermission, "another user")
	}
	t.Logf("uid %d is the %s user", os.Getuid(), as)
}

func TestAttachRefuses(t *testing.T) {
	n := newNamespace(t)
	openDevice(t, Config{Name: "taken", Namespace: n, Queues: 1})
	persistent(t, n, "user 12345")
	for _, test := range []struct {
		name string
		want Reason
		text string
	}{
		{"missing", ErrName, "ip tuntap add dev missing mode tun"},
		{"lo", ErrName, "not a TUN"},
		{"taken", ErrBusy, "another program"},
		{"a/b", ErrName, "'/'"},
	} {
		before := openFiles(t)
		_, err := Attach(test.name, n)
		checkError(t, err, test.want, test.text)
		if after := openFiles(t); after != before {
			t.Errorf("%s: %d open files, before %d", test.name, after, before)
		}
	}
	if links(t, n)["missing"] != nil {
		t.Error("Attach has made a device")
	}
	checkError(t, attachError("kept0", &Error{Reason: ErrPermission, Err: unix.EPERM}), ErrPermission, "another user")
}

// The file of a device, passed on, is a device of its own configuration. It keeps the device after the Close of the
// first, and its Close removes it.
func TestAdopt(t *testing.T) {
	n := newNamespace(t)
	cfg := Config{Name: "passed0", MTU: 1400, HostAddresses: prefixes("10.77.0.1/24"), Namespace: n, Queues: 1}
	first := openDevice(t, cfg)
	file, err := first.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.File(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close, File returns the error %v", err)
	}
	d, err := Adopt(fd, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if d.MaxFrame() != first.MaxFrame() || d.SegmentsUDP() != first.SegmentsUDP() || d.Name() != "passed0" {
		t.Errorf("%s: MaxFrame %d, SegmentsUDP %v; want %d, %v", d.Name(), d.MaxFrame(), d.SegmentsUDP(), first.MaxFrame(), first.SegmentsUDP())
	}
	exchange(t, n, d)
	if links(t, n)["passed0"] != nil {
		t.Error("Close has not removed the device")
	}
}

func TestAdoptRefuses(t *testing.T) {
	requireKernel(t)
	before := openFiles(t)
	for _, test := range []struct {
		cfg  Config
		want Reason
		text string
	}{
		{Config{MTU: 5}, ErrMTU, "invalid MTU 5"},
		{Config{}, ErrKernel, "not an open TUN"},
	} {
		fd, err := unix.Open("/dev/null", unix.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Adopt(fd, test.cfg)
		checkError(t, err, test.want, test.text)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d open files, before %d", after, before)
	}
}

// A descriptor of a persistent TUN, in another namespace than the caller's: the device works, and stays after Close.
// That of another is removed by Close.
func TestFromFD(t *testing.T) {
	for _, kind := range []string{"persistent", "transient"} {
		t.Run(kind, func(t *testing.T) {
			n := newNamespace(t)
			if kind == "persistent" {
				persistent(t, n, "")
			}
			fd := openTUN(t, n, needed)
			if kind == "transient" {
				inside(t, n, func() error {
					return exec.Command("sh", "-c", "ip address add 10.77.0.1/24 dev kept0 && ip link set kept0 mtu 1400 up").Run()
				})
			}
			d, err := FromFD(fd)
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, n, d)
			if stays := links(t, n)["kept0"] != nil; stays != (kind == "persistent") {
				t.Errorf("after Close the device exists: %v", stays)
			}
		})
	}
}

// openTUN opens the TUN kept0 in the namespace, with flags.
func openTUN(t *testing.T, n *Namespace, flags uint16) (fd int) {
	t.Helper()
	inside(t, n, func() (err error) {
		if fd, err = unix.Open(cloneDevice, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
			err = setInterface(fd, "kept0", flags)
		}
		return err
	})
	return fd
}

func TestFromFDRefuses(t *testing.T) {
	n := newNamespace(t)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, fd := range map[string]int{
		"closed": -1, "no TUN": null, "no virtio_net_hdr": openTUN(t, n, unix.IFF_TUN|unix.IFF_NO_PI),
	} {
		_, err := FromFD(fd)
		checkError(t, err, ErrKernel, "not an open TUN")
		var stat unix.Stat_t
		if err := unix.Fstat(fd, &stat); !errors.Is(err, unix.EBADF) {
			t.Errorf("%s: the file is still open", name)
		}
	}
}
