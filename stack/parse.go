package stack

import (
	"context"
	"net"
	"net/netip"
)

// hostName returns the host and the port of "host:port" if the host is a name.
func hostName(ctx context.Context, network, address string) (host string, port uint16, ok bool) {
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

// parseAddress parses "host:port", where host is a literal IP address or empty. If it is empty, the address of the
// AddrPort is invalid.
func parseAddress(ctx context.Context, network, address string) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
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
	if network == "tcp4" && !addr.Is4() || network == "tcp6" && addr.Is4() {
		return netip.AddrPort{}, &net.AddrError{Err: "not an address of network " + network, Addr: host}
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}
