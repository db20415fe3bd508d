// Package wireguard measures network stacks at the ends of a WireGuard tunnel: minitcp's package wgnet, and
// wireguard-go's own netstack, which is gVisor's. A program of this package runs on both. A tunnel and its two ends
// are one process, so that CPU time and memory are those of all of it.
//
//	stacks     the two implementations of a tunnel's end
//	tunnel     two ends, joined by WireGuard over the loopback, or in memory without encryption
//	workloads  the traffic
//	measure    one measurement, in a process of its own
package wireguard
