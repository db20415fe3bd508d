//go:build linux

package subject

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"minitcp/stack"
	"minitcp/stack/relay"
)

// CongestionControl is the congestion control of every socket of the kernel, including the client's. The kernel's
// default may be another, such as BBR, whose pacing would be measured.
const CongestionControl = "cubic"

// startKernel serves on the address of the end of the veth pair in this namespace.
func startKernel(s *services) error { return startKernelAt(s, ServerAddress.Addr(), CongestionControl) }

func startKernelAt(s *services, address netip.Addr, control string) error {
	for _, port := range ports {
		l, err := listenKernel(netip.AddrPortFrom(address, port), control)
		if err != nil {
			return err
		}
		go s.accept(l, port)
	}
	s.recoveries = kernelRecoveries
	echo, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, PortEcho)))
	if err != nil {
		return err
	}
	go s.echoDatagrams(echo)
	return nil
}

// echoDatagrams returns datagrams, those of one client that have arrived together in superframes, so that little of the
// time is the server's.
func (s *services) echoDatagrams(c *net.UDPConn) {
	socket := relay.NewUDPSocket(c)
	for {
		err := socket.Receive(func(batch []stack.Datagram) { socket.WriteBatch(batch) })
		if err != nil {
			s.fail("echo of datagrams: %v", err)
			return
		}
	}
}

// listenKernel returns a listener of the kernel's TCP whose connections have the congestion control, which they inherit
// from the socket of the listener.
func listenKernel(address netip.AddrPort, control string) (net.Listener, error) {
	config := net.ListenConfig{
		KeepAlive: -1, // none, as in the other targets
		Control: func(_, _ string, raw syscall.RawConn) (err error) {
			failed := raw.Control(func(fd uintptr) {
				err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, control)
			})
			if err != nil {
				return fmt.Errorf("the kernel has no congestion control %q: %w", control, err)
			}
			return failed
		},
	}
	return config.Listen(context.Background(), "tcp4", address.String())
}

// kernelRecoveries returns counts of all sockets of the namespace. The file has lines of names, each with a line of
// numbers after it (Linux, net/ipv4/proc.c).
func kernelRecoveries() (timeouts, spurious int64) {
	text, err := os.ReadFile("/proc/self/net/netstat")
	if err != nil {
		return unknown, unknown
	}
	counts := make(map[string]int64)
	lines := strings.Split(string(text), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, numbers := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for j := 1; j < min(len(names), len(numbers)); j++ {
			counts[names[j]], _ = strconv.ParseInt(numbers[j], 10, 64)
		}
	}
	for _, name := range []string{"TCPFullUndo", "TCPPartialUndo", "TCPDSACKUndo", "TCPLossUndo"} {
		spurious += counts[name]
	}
	return counts["TCPTimeouts"], spurious
}
