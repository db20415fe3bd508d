//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/tun"
)

// forwarders makes two namespaces that forward between 10.77.0.0/24 in the first and 10.79.0.0/24 in the second, over a
// veth. Its devices cut superframes in software.
func forwarders(t *testing.T) (left, right *tun.Namespace) {
	t.Helper()
	left, right = newNamespace(t), newNamespace(t)
	for _, n := range []*tun.Namespace{left, right} {
		if err := n.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []struct{ namespace, command string }{
		{left.Name(), "ip link add veth0 type veth peer name veth1 netns " + right.Name()},
		{left.Name(), "ip address add 10.78.0.1/24 dev veth0"},
		{left.Name(), "ip link set veth0 up"},
		{right.Name(), "ip address add 10.78.0.2/24 dev veth1"},
		{right.Name(), "ip link set veth1 up"},
		{left.Name(), "ip route add 10.79.0.0/24 via 10.78.0.2"},
		{right.Name(), "ip route add 10.77.0.0/24 via 10.78.0.1"},
	} {
		if out, err := tool(t, line.namespace, strings.Fields(line.command)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line.command, err, out)
		}
	}
	for _, device := range []struct {
		namespace *tun.Namespace
		name      string
	}{{left, "veth0"}, {right, "veth1"}} {
		if err := device.namespace.Do(func() error { return withoutOffload(device.name) }); err != nil {
			t.Fatalf("%s: %v", device.name, err)
		}
	}
	return left, right
}

// withoutOffload makes the kernel cut superframes before it passes them to a device, and join no packets that come from
// it.
func withoutOffload(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, command := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO} {
		value := [2]uint32{command, 0} // struct ethtool_value
		request := struct {
			name [unix.IFNAMSIZ]byte
			data *[2]uint32
			_    [16]byte
		}{data: &value}
		copy(request.name[:], name)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
			return errno
		}
	}
	return nil
}

// pieces compares the ACE fields of the segments that one stack sends, in superframes or not, with those that arrive.
type pieces struct {
	mu          sync.Mutex
	sent        map[piece]sentPiece
	superframes int
	withCWR     int // superframes with CWR
	arrived     int // segments that a superframe has been cut into
	changed     []string
}

type sentPiece struct {
	field uint8
	whole bool // not in a superframe
}

// piece identifies a segment: the timestamp distinguishes retransmissions.
type piece struct{ seq, tsval, ack uint32 }

func (p *pieces) left(v *stack.TraceEvent) {
	if !v.Outgoing || v.Len == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if v.Segments > 1 {
		p.superframes++
		if v.TCP.Flags.Has(wire.CWR) {
			p.withCWR++
		}
	}
	size := (v.Len + v.Segments - 1) / v.Segments
	for at := 0; at < v.Len; at += size {
		p.sent[piece{v.TCP.Seq + uint32(at), v.TCP.Options.TSVal, v.TCP.Ack}] = sentPiece{accecn.Field(v.TCP.Flags), v.Segments == 1}
	}
}

func (p *pieces) came(v *stack.TraceEvent) {
	if v.Outgoing || v.Len == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	want, ok := p.sent[piece{v.TCP.Seq, v.TCP.Options.TSVal, v.TCP.Ack}]
	if got := accecn.Field(v.TCP.Flags); ok && got != want.field {
		p.changed = append(p.changed, fmt.Sprintf("%d became %d", want.field, got))
	}
	if ok && !want.whole && v.Segments == 1 {
		p.arrived++
	}
}

// The pieces into which the kernel cuts superframes have the ACE field that the superframe has, and the counters of
// both ends agree after much data in both directions, of which a router marks one packet in 20.
func TestAccECNThroughKernel(t *testing.T) {
	left, right := forwarders(t)
	p := &pieces{sent: map[piece]sentPiece{}}
	open := func(n *tun.Namespace, host, own string, trace func(*stack.TraceEvent)) *stack.Stack {
		device, err := tun.Open(tun.Config{Queues: 1, Name: "mini0", Namespace: n, HostAddresses: []netip.Prefix{netip.MustParsePrefix(host)}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := stack.New(&markingDevice{Device: device}, stack.Config{
			Addresses: []netip.Prefix{netip.MustParsePrefix(own)}, Conn: conn.Config{ECN: conn.ECNAccurate}, Trace: trace,
		})
		if err != nil {
			device.Close()
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	a := open(left, "10.77.0.1/24", "10.77.0.2/24", p.left)
	b := open(right, "10.79.0.1/24", "10.79.0.2/24", p.came)
	l, err := b.Listen("tcp", "10.79.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	dialed, err := a.Dial("tcp", "10.79.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	bothWays(t, dialed, accepted, noiseBytes(t, 1, 16<<20), noiseBytes(t, 2, 16<<20))
	agree := func(from, to conn.Info) bool {
		f := from.AccECN
		return f.Agreed && f.Failures == 0 && f.DeliveredCE > 0 && uint64(f.DeliveredCE) == to.CEReceived && f.Delivered == to.AccECN.Received
	}
	until(t, "the counters of both ends agree", func() bool { // the last ACKs may be on their way
		from, to := dialed.(*stack.Conn).Info(), accepted.(*stack.Conn).Info()
		return agree(from, to) && agree(to, from)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.superframes == 0 || p.withCWR > 0 || p.arrived < 100 || len(p.changed) > 0 {
		t.Errorf("%d superframes, %d with CWR, %d segments arrived, of which %d have changed: %q", p.superframes, p.withCWR, p.arrived,
			len(p.changed), p.changed[:min(5, len(p.changed))])
	}
	t.Logf("%d superframes, %d segments compared", p.superframes, p.arrived)
}
