package wgnet

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.zx2c4.com/wireguard/tun"

	"minitcp/stack"
)

// Net is the program's end of a tunnel. After the Close of its device the errors of its methods wrap [net.ErrClosed].
type Net struct {
	stack    *stack.Stack
	resolver *net.Resolver
}

// leastIPv6 is the smallest MTU in bytes of a link that carries IPv6 [RFC 8200 5].
const leastIPv6 = 1280

// dnsPort is the port of name servers.
const dnsPort = 53

// CreateNetTUN returns a Net with the local addresses given, and its device. Names are looked up at the DNS servers,
// through the tunnel; without any, only addresses can be dialed. The MTU is the size in bytes of the largest packet
// in the tunnel. It must be at least 576, and 1280 with an IPv6 address. [stack.Stack.SetMTU] can lower it, and raise
// it again to this value.
//
// The device must be closed, which ends the Net. WireGuard's device closes it.
func CreateNetTUN(localAddresses, dnsServers []netip.Addr, mtu int) (tun.Device, *Net, error) {
	var cfg stack.Config
	for _, a := range localAddresses {
		if !a.IsValid() {
			return nil, nil, fmt.Errorf("wgnet: a local address is not valid")
		}
		a = a.Unmap().WithZone("")
		if a.Is6() && mtu < leastIPv6 {
			return nil, nil, fmt.Errorf("wgnet: an MTU of %d bytes is too small for the IPv6 address %v, which needs %d", mtu, a, leastIPv6)
		}
		cfg.Addresses = append(cfg.Addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	var servers []netip.AddrPort
	for _, a := range dnsServers {
		if !a.IsValid() {
			return nil, nil, fmt.Errorf("wgnet: the address of a DNS server is not valid")
		}
		servers = append(servers, netip.AddrPortFrom(a, dnsPort))
	}
	cfg.Nameservers = servers
	d := newDevice(mtu)
	s, err := stack.New(d, cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("wgnet: %w", err)
	}
	return newNetTUN(d, s), &Net{s, s.Resolver(servers...)}, nil
}

// Stack returns the stack. It has methods that Net lacks, for forwarders, handlers without goroutines and statistics.
func (n *Net) Stack() *stack.Stack { return n.stack }

// Dial acts like DialContext with the background context.
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialContext connects to an address as [net.Dialer.DialContext] does. Besides the networks of
// [stack.Stack.DialContext], there are "ping", "ping4" and "ping6", whose addresses have no port.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	family, isPing := strings.CutPrefix(network, "ping")
	if !isPing {
		return n.stack.DialContext(ctx, network, address)
	}
	if family != "" && family != "4" && family != "6" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	addresses, err := n.resolver.LookupNetIP(ctx, "ip"+family, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	var first error
	for _, a := range addresses {
		c, err := n.stack.DialPing(netip.Addr{}, a)
		if err == nil {
			return &PingConn{c}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// DialTCP acts like DialContextTCP with the background context.
func (n *Net) DialTCP(addr *net.TCPAddr) (*stack.Conn, error) {
	return n.DialContextTCP(context.Background(), addr)
}

// DialTCPAddrPort acts like DialTCP but takes a netip.AddrPort.
func (n *Net) DialTCPAddrPort(addr netip.AddrPort) (*stack.Conn, error) {
	return n.DialContextTCPAddrPort(context.Background(), addr)
}

// DialContextTCP connects to a TCP address.
func (n *Net) DialContextTCP(ctx context.Context, addr *net.TCPAddr) (*stack.Conn, error) {
	a, err := tcpAddrPort("dial", addr)
	if err != nil {
		return nil, err
	}
	return n.DialContextTCPAddrPort(ctx, a)
}

// DialContextTCPAddrPort acts like DialContextTCP but takes a netip.AddrPort.
func (n *Net) DialContextTCPAddrPort(ctx context.Context, addr netip.AddrPort) (*stack.Conn, error) {
	return n.stack.DialTCP(ctx, netip.AddrPort{}, addr)
}

// ListenTCP listens at a TCP address. Without an IP address it listens at all addresses of the Net, and with port 0
// at a free port.
func (n *Net) ListenTCP(addr *net.TCPAddr) (*stack.Listener, error) {
	a, err := tcpAddrPort("listen", addr)
	if err != nil {
		return nil, err
	}
	return n.ListenTCPAddrPort(a)
}

// ListenTCPAddrPort acts like ListenTCP but takes a netip.AddrPort.
func (n *Net) ListenTCPAddrPort(addr netip.AddrPort) (*stack.Listener, error) {
	return n.stack.ListenTCP("tcp", listenAddress(addr))
}

// DialUDP returns a UDP socket that is connected to raddr. A local address of nil is chosen by the stack. If raddr is
// nil, it is ListenUDP.
func (n *Net) DialUDP(laddr, raddr *net.UDPAddr) (*stack.UDPConn, error) {
	local, err := udpAddrPort("dial", laddr)
	if err != nil {
		return nil, err
	}
	remote, err := udpAddrPort("dial", raddr)
	if err != nil {
		return nil, err
	}
	return n.DialUDPAddrPort(local, remote)
}

// DialUDPAddrPort acts like DialUDP but takes netip.AddrPorts.
func (n *Net) DialUDPAddrPort(laddr, raddr netip.AddrPort) (*stack.UDPConn, error) {
	if !raddr.IsValid() && raddr.Port() == 0 {
		return n.ListenUDPAddrPort(laddr)
	}
	return n.stack.DialUDP(laddr, raddr)
}

// ListenUDP returns a UDP socket for datagrams to a local address, with the conventions of ListenTCP.
func (n *Net) ListenUDP(laddr *net.UDPAddr) (*stack.UDPConn, error) {
	a, err := udpAddrPort("listen", laddr)
	if err != nil {
		return nil, err
	}
	return n.ListenUDPAddrPort(a)
}

// ListenUDPAddrPort acts like ListenUDP but takes a netip.AddrPort.
func (n *Net) ListenUDPAddrPort(laddr netip.AddrPort) (*stack.UDPConn, error) {
	return n.stack.ListenUDP("udp", listenAddress(laddr))
}

// LookupHost acts like LookupContextHost with the background context.
func (n *Net) LookupHost(host string) ([]string, error) {
	return n.LookupContextHost(context.Background(), host)
}

// LookupContextHost returns the addresses of a host, from the DNS servers of the Net.
func (n *Net) LookupContextHost(ctx context.Context, host string) ([]string, error) {
	return n.resolver.LookupHost(ctx, host)
}

func tcpAddrPort(op string, a *net.TCPAddr) (netip.AddrPort, error) {
	if a == nil {
		return netip.AddrPort{}, nil
	}
	return addrPort(op, a, a.IP, a.Port)
}

func udpAddrPort(op string, a *net.UDPAddr) (netip.AddrPort, error) {
	if a == nil {
		return netip.AddrPort{}, nil
	}
	return addrPort(op, a, a.IP, a.Port)
}

// addrPort returns the address and port of a, without a zone. The address is not valid if ip is empty. The error is for
// the operation op.
func addrPort(op string, a net.Addr, ip net.IP, port int) (netip.AddrPort, error) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok && len(ip) != 0 {
		err := &net.AddrError{Err: "invalid IP address", Addr: ip.String()}
		return netip.AddrPort{}, &net.OpError{Op: op, Net: a.Network(), Err: err}
	}
	if port < 0 || port > math.MaxUint16 {
		err := &net.AddrError{Err: "invalid port", Addr: strconv.Itoa(port)}
		return netip.AddrPort{}, &net.OpError{Op: op, Net: a.Network(), Err: err}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

// listenAddress returns addr as package net writes it: without an IP address if that is not valid.
func listenAddress(addr netip.AddrPort) string {
	if !addr.Addr().IsValid() {
		return fmt.Sprintf(":%d", addr.Port())
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()).String()
}
