// Package wgnet is a network stack at the end of a WireGuard tunnel, without a TUN device of the kernel.
// [CreateNetTUN] returns the two sides of it: a [tun.Device] for wireguard-go's device.NewDevice, and a [Net] with
// which the program dials and listens in the tunnel.
//
// The functions and methods are those of wireguard-go's package tun/netstack. To exchange one for the other, change
// the import. The connections are of types of package stack, which are a [net.Conn], [net.Listener] or
// [net.PacketConn], too.
//
// Packets do not change goroutine. The packets that WireGuard has decrypted are handled in its call of Write. The data
// that the program sends is cut into packets directly in the buffers that WireGuard encrypts. While WireGuard does not
// read, connections keep their data, and make packets of it when it reads again: nothing is dropped, and no queue
// delays packets.
//
// [tun.Device]: https://pkg.go.dev/golang.zx2c4.com/wireguard/tun#Device
package wgnet
