// Package hostport parses the names of networks and the addresses "host:port" of package net, for a stack that has one
// device. Hosts are literal IP addresses, or names that the caller looks up.
package hostport

import (
	"context"
	"net"
	"net/netip"
)

// IsTCP reports whether network is one of TCP.
func IsTCP(network string) bool { return network == "tcp" || network == "tcp4" || network == "tcp6" }

// IsUDP reports whether network is one of UDP.
func IsUDP(network string) bool { return network == "udp" || network == "udp4" || network == "udp6" }

// Families returns the suffix of network, one of TCP or UDP: "4", "6", or "" for both families.
func Families(network string) string { return network[len("tcp"):] }

// Name returns the host and the port of "host:port" if the host is a name.
func Name(ctx context.Context, network, address string) (host string, port uint16, ok bool) {
	host, service, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", 0, false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "", 0, false
	}
	n, err := net.DefaultResolver.LookupPort(ctx, network, service)
	return host, uint16(n), err == nil
}

// ParseTCP parses "host:port" for a network of TCP. The host is a literal IP address or empty. If it is empty, the
// address of the AddrPort is invalid.
func ParseTCP(ctx context.Context, network, address string) (netip.AddrPort, error) {
	if !IsTCP(network) {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	return parse(ctx, network, address)
}

// ParseUDP acts like ParseTCP for the networks of UDP.
func ParseUDP(network, address string) (netip.AddrPort, error) {
	if !IsUDP(network) {
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	return parse(context.Background(), network, address)
}

func parse(ctx context.Context, network, address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service) // without /etc/services, Go knows more of TCP
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		return netip.AddrPortFrom(netip.Addr{}, uint16(port)), nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, &net.DNSError{Err: "not an IP address, and the stack has no name server", Name: host, IsNotFound: true}
	}
	addr = addr.Unmap().WithZone("") // there is one device, so that a zone has no meaning
	if f := Families(network); f == "4" && !addr.Is4() || f == "6" && addr.Is4() {
		return netip.AddrPort{}, &net.AddrError{Err: "not an address of network " + network, Addr: host}
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// Unmapped returns a without a zone, and as IPv4 if it is an IPv4 address in IPv6 form.
func Unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
