//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
	"minitcp/tun"
)

// markingDevice is a TUN behind a router that is congested: of the packets that may be marked it marks one in some,
// either way.
type markingDevice struct {
	*tun.Device
	frames, marked atomic.Int64
}

const markEvery = 20

// MaxFrame says that on a line there are packets only.
func (d *markingDevice) MaxFrame() int { return stack.MaxFrame }

func (d *markingDevice) mark(packet []byte) {
	if d.frames.Add(1)%markEvery == 0 && wire.MarkCE(packet) {
		d.marked.Add(1)
	}
}

func (d *markingDevice) ReadBatch(frames [][]byte, sizes []int) (int, error) {
	n, err := d.Device.ReadBatch(frames, sizes)
	for i := range n {
		d.mark(frames[i][wire.VirtioHeaderLen:sizes[i]])
	}
	return n, err
}

func (d *markingDevice) WriteFrame(parts [][]byte) error {
	head := bytes.Clone(parts[0])
	d.mark(head[wire.VirtioHeaderLen:])
	return d.Device.WriteFrame(append([][]byte{head}, parts[1:]...))
}

// ecnBits counts the ECN codepoints and flags in a stack's trace.
type ecnBits struct {
	ect, ce        [2]atomic.Int64 // of received and of sent packets
	ece, cwr       [2]atomic.Int64
	withoutReports atomic.Int64 // data packets after a report, without CWR
}

func (b *ecnBits) event(v *stack.TraceEvent) {
	way := 0
	if v.Outgoing {
		way = 1
	}
	switch v.ECN {
	case wire.ECT0:
		b.ect[way].Add(1)
	case wire.CE:
		b.ce[way].Add(1)
	}
	if v.TCP.Flags.Has(wire.SYN) {
		return
	}
	if v.TCP.Flags.Has(wire.ECE) {
		b.ece[way].Add(1)
	} else if way == 0 && b.ece[0].Load() > 0 {
		b.withoutReports.Add(1)
	}
	if v.TCP.Flags.Has(wire.CWR) {
		b.cwr[way].Add(1)
	}
}

// kernelAgrees reports whether a socket of the kernel's has ECN.
func kernelAgrees(t *testing.T, c net.Conn) bool {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	controlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO) })
	if controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	const optECN = 8 // TCPI_OPT_ECN
	return info.Options&optECN != 0
}

// bothWays sends data both ways at once.
func bothWays(t *testing.T, ours, kernels net.Conn, up, down []byte) {
	t.Helper()
	type closer interface{ CloseWrite() error }
	results := make(chan error, 4)
	move := func(from, to net.Conn, data []byte) {
		go func() {
			_, err := from.Write(data)
			if err == nil {
				err = from.(closer).CloseWrite()
			}
			results <- err
		}()
		go func() {
			got, err := io.ReadAll(to)
			if err == nil && !bytes.Equal(got, data) {
				err = fmt.Errorf("%d bytes of %d, or others", len(got), len(data))
			}
			results <- err
		}()
	}
	move(ours, kernels, up)
	move(kernels, ours, down)
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// The kernel and minitcp negotiate ECN, whichever side requests it, report each other's marks and heed the reports; and
// do without where the kernel is set not to.
func TestECNWithKernel(t *testing.T) {
	t.Parallel()
	const (
		kernelOff, kernelAsks, kernelAgreesOnly = "0", "1", "2" // of tcp_ecn
	)
	for _, c := range []struct {
		name   string
		kernel string
		mode   conn.ECNMode
		dials  string // the side that does
		agreed bool
	}{
		{"the kernel asks", kernelAsks, conn.ECNPassive, "kernel", true},
		{"the kernel does not ask", kernelAgreesOnly, conn.ECNPassive, "kernel", false},
		{"the kernel asks in vain", kernelAsks, conn.ECNDisabled, "kernel", false},
		{"minitcp asks", kernelAgreesOnly, conn.ECNActive, "minitcp", true},
		{"minitcp does not ask", kernelAsks, conn.ECNPassive, "minitcp", false},
		{"minitcp asks in vain", kernelOff, conn.ECNActive, "minitcp", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNamespace(t)
			inKernel := func(f func() error) {
				t.Helper()
				if err := n.Do(f); err != nil {
					t.Fatal(err)
				}
			}
			inKernel(func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_ecn", []byte(c.kernel), 0) })
			device, err := tun.Open(tun.Config{Queues: 1, Name: "mini0", Namespace: n,
				HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}})
			if err != nil {
				t.Fatal(err)
			}
			router := &markingDevice{Device: device}
			var bits ecnBits
			s, err := stack.New(router, stack.Config{
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")},
				Conn:      conn.Config{ECN: c.mode},
				Trace:     bits.event,
			})
			if err != nil {
				device.Close()
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			for _, host := range []struct{ minitcp, kernel string }{{"10.77.0.2", "10.77.0.1"}, {"fd77::2", "fd77::1"}} {
				var ours, kernels net.Conn
				if c.dials == "kernel" {
					l, err := s.Listen("tcp", net.JoinHostPort(host.minitcp, "80"))
					if err != nil {
						t.Fatal(err)
					}
					inKernel(func() (err error) { kernels, err = net.Dial("tcp", l.Addr().String()); return err })
					if ours, err = l.Accept(); err != nil {
						t.Fatal(err)
					}
				} else {
					var l net.Listener
					inKernel(func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(host.kernel, "0")); return err })
					defer l.Close()
					if ours, err = s.Dial("tcp", l.Addr().String()); err != nil {
						t.Fatal(err)
					}
					if kernels, err = l.Accept(); err != nil {
						t.Fatal(err)
					}
				}
				defer kernels.Close()
				if got, theirs := ours.(*stack.Conn).Info().ECN, kernelAgrees(t, kernels); got != c.agreed || theirs != c.agreed {
					t.Errorf("%s: minitcp says %v, the kernel %v", host.kernel, got, theirs)
				}
				bothWays(t, ours, kernels, noiseBytes(t, 1, 8<<20), noiseBytes(t, 2, 8<<20))
				i := ours.(*stack.Conn).Info()
				if heeded := i.ECEReductions > 0 && i.CEReceived > 0; heeded != c.agreed {
					t.Errorf("%s: %d reductions, %d marks came", host.kernel, i.ECEReductions, i.CEReceived)
				}
				ours.Close()
			}
			counts := func(way int) [4]bool {
				return [4]bool{bits.ect[way].Load() > 0, bits.ce[way].Load() > 0, bits.ece[way].Load() > 0, bits.cwr[way].Load() > 0}
			}
			// The router marks segments that leave after the trace.
			came, left := [4]bool{true, true, true, true}, [4]bool{true, false, true, true}
			if !c.agreed {
				came, left = [4]bool{}, [4]bool{}
			}
			if got := counts(0); got != came {
				t.Errorf("came: ECT, CE, ECE, CWR %v, want %v", got, came)
			}
			if got := counts(1); got != left {
				t.Errorf("left: ECT, CE, ECE, CWR %v, want %v", got, left)
			}
			if c.agreed && bits.withoutReports.Load() == 0 {
				t.Error("the kernel's reports never end")
			}
			if (router.marked.Load() > 0) != c.agreed {
				t.Errorf("%d packets were marked", router.marked.Load())
			}
		})
	}
}
