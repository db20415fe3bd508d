//go:build linux

package main

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/tun"
)

// newRouter adds a router and a target behind it to the servers, and returns the addresses of both by family.
func newRouter(t *testing.T, servers *tun.Namespace) (router, target [2]string) {
	t.Helper()
	r, end := newNamespace(t), newNamespace(t)
	for _, step := range []struct {
		in    *tun.Namespace
		lines []string
	}{
		{servers, []string{"ip link add toRouter type veth peer name toServers netns " + r.Name(), "ip link set toRouter up",
			"ip address add 198.18.40.1/24 dev toRouter", "ip -6 address add fd80:40::1/64 dev toRouter nodad"}},
		{r, []string{"ip link set toServers up", "ip address add 198.18.40.2/24 dev toServers", "ip -6 address add fd80:40::2/64 dev toServers nodad",
			"ip link add toTarget type veth peer name toRouter netns " + end.Name(), "ip link set toTarget up",
			"ip address add 198.18.41.1/24 dev toTarget", "ip -6 address add fd80:41::1/64 dev toTarget nodad",
			"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"}},
		{end, []string{"ip link set toRouter up", "ip address add 198.18.41.2/24 dev toRouter", "ip -6 address add fd80:41::2/64 dev toRouter nodad",
			"ip route add default via 198.18.41.1", "ip -6 route add default via fd80:41::1"}},
		{servers, []string{"ip route add 198.18.41.0/24 via 198.18.40.2", "ip -6 route add fd80:41::/64 via fd80:40::2"}},
	} {
		for _, line := range step.lines {
			command(t, step.in, line)
		}
	}
	return [2]string{"198.18.40.2", "fd80:40::2"}, [2]string{"198.18.41.2", "fd80:41::2"}
}

// TestGatewayTraceroute checks that a client sees the hops of a path: the gateway, the router behind it, and the
// target, with datagrams as of traceroute and with pings.
func TestGatewayTraceroute(t *testing.T) {
	t.Parallel()
	g, p := startGateway(t)
	router, target := newRouter(t, g.servers)
	setPingGroups(t, g.servers, "0 2147483647")
	for i, family := range forwardFamilies {
		own := []string{"10.77.0.2", "fd77::2"}[i]
		for hops, want := range []string{1: own, 2: router[i], 3: target[i]} {
			if want == "" {
				continue
			}
			if from, kind := probeHop(t, g.clients, target[i], hops); from.String() != want || (kind == unix.ECONNREFUSED) != (hops == 3) {
				t.Errorf("%s, %d hops: %v from %v, want one from %s", family.name, hops, kind, from, want)
			}
			r := finish(t, tool(t, g.clients.Name(), "ping", "-n", "-c", "1", "-W", "10", "-t", string(rune('0'+hops)), target[i]))
			text := strings.ToLower(r.out)
			expired := strings.Contains(text, "from "+want) && (strings.Contains(text, "time to live exceeded") || strings.Contains(text, "hop limit"))
			if expired != (hops < 3) || strings.Contains(text, "1 received") != (hops == 3) {
				t.Errorf("%s, ping with %d hops: %s", family.name, hops, r.out)
			}
		}
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// probeHop sends a datagram with a hop limit to a port without a server, and returns the sender of the ICMP error
// about it, and the error.
func probeHop(t *testing.T, n *tun.Namespace, host string, hops int) (from netip.Addr, kind syscall.Errno) {
	t.Helper()
	addr := netip.MustParseAddr(host)
	const port = 33434 // of traceroute
	var to unix.Sockaddr = &unix.SockaddrInet6{Port: port, Addr: addr.As16()}
	family, level, ttl, errors := unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVERR
	if addr.Is4() {
		to = &unix.SockaddrInet4{Port: port, Addr: addr.As4()}
		family, level, ttl, errors = unix.AF_INET, unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVERR
	}
	fd := -1
	err := n.Do(func() (err error) { fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, step := range []func() error{
		func() error { return unix.SetsockoptInt(fd, level, ttl, hops) },
		func() error { return unix.SetsockoptInt(fd, level, errors, 1) },
		func() error { return unix.Sendto(fd, []byte("probe"), 0, to) },
		func() error {
			wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLERR}}
			ready, err := unix.Poll(wait, int(patience/time.Millisecond))
			for err == unix.EINTR { // a signal of Go's runtime
				ready, err = unix.Poll(wait, int(patience/time.Millisecond))
			}
			if ready == 0 {
				t.Fatalf("%s, %d hops: no error within %v", host, hops, patience)
			}
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	control := make([]byte, 512)
	_, size, _, _, err := unix.Recvmsg(fd, nil, control, unix.MSG_ERRQUEUE)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) != 1 || len(messages[0].Data) < 16+16 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	b := messages[0].Data // struct sock_extended_err of 16 bytes, and the sender's sockaddr
	kind = syscall.Errno(uint32(b[0]) | uint32(b[1])<<8)
	if addr.Is4() {
		return netip.AddrFrom4([4]byte(b[16+4:])), kind
	}
	return netip.AddrFrom16([16]byte(b[16+8:])), kind
}
