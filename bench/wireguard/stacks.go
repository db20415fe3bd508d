package wireguard

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"

	"minitcp/stack/wgnet"
)

// Stacks are the names of the stacks, minitcp first.
var Stacks = []string{"minitcp", "netstack"}

// end is the program's side of a tunnel's end. The methods of both stacks have the same names, and other types of
// connections.
type end interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	listenTCP(port uint16) (net.Listener, error)
	listenUDP(port uint16) (net.PacketConn, error)
}

type minitcpEnd struct{ *wgnet.Net }

func (e minitcpEnd) listenTCP(port uint16) (net.Listener, error) {
	return e.ListenTCP(&net.TCPAddr{Port: int(port)})
}

func (e minitcpEnd) listenUDP(port uint16) (net.PacketConn, error) {
	return e.ListenUDP(&net.UDPAddr{Port: int(port)})
}

type netstackEnd struct {
	*netstack.Net
	address netip.Addr
}

func (e netstackEnd) listenTCP(port uint16) (net.Listener, error) {
	return e.ListenTCPAddrPort(netip.AddrPortFrom(e.address, port))
}

func (e netstackEnd) listenUDP(port uint16) (net.PacketConn, error) {
	return e.ListenUDPAddrPort(netip.AddrPortFrom(e.address, port))
}

// mtu is WireGuard's usual MTU in bytes.
const mtu = 1420

// newEnd returns an end with an address on the stack with a name.
func newEnd(stack string, address netip.Addr) (tun.Device, end, error) {
	switch stack {
	case "minitcp":
		d, n, err := wgnet.CreateNetTUN([]netip.Addr{address}, nil, mtu)
		return d, minitcpEnd{n}, err
	case "netstack":
		d, n, err := netstack.CreateNetTUN([]netip.Addr{address}, nil, mtu)
		return d, netstackEnd{n, address}, err
	}
	return nil, nil, fmt.Errorf("no stack has the name %q", stack)
}
