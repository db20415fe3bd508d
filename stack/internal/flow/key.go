// Package flow has the keys under which connections are found, and a keyed hash of them.
package flow

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Key is the pair of a connection's two ends, in words of fixed size, which are quick to compare and to hash. IPv4
// addresses are in their mapped form.
type Key struct {
	Local, Remote Address
	ports         uint32 // local<<16 | remote
}

// Address is an IP address as two words in big-endian order.
type Address struct{ hi, lo uint64 }

// AddressOf returns a as an Address.
func AddressOf(a netip.Addr) Address {
	b := a.As16()
	return Address{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// mapped4 is the upper half of the low word of a mapped IPv4 address.
const mapped4 = 0xffff

// Is4 reports whether a is an IPv4 address.
func (a Address) Is4() bool { return a.hi == 0 && a.lo>>32 == mapped4 }

// Addr returns a as a netip.Addr.
func (a Address) Addr() netip.Addr {
	if a.Is4() {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

// Network returns an IPv4 address as it is, and of an IPv6 address its network of 64 bits.
func (a Address) Network() Address {
	if !a.Is4() {
		a.lo = 0
	}
	return a
}

// KeyOf returns the key of two ends.
func KeyOf(local, remote netip.Addr, localPort, remotePort uint16) Key {
	return Key{AddressOf(local), AddressOf(remote), uint32(localPort)<<16 | uint32(remotePort)}
}

func (k *Key) LocalPort() uint16  { return uint16(k.ports >> 16) }
func (k *Key) RemotePort() uint16 { return uint16(k.ports) }

func (k *Key) LocalAddr() netip.AddrPort  { return netip.AddrPortFrom(k.Local.Addr(), k.LocalPort()) }
func (k *Key) RemoteAddr() netip.AddrPort { return netip.AddrPortFrom(k.Remote.Addr(), k.RemotePort()) }

// Seed is the secret of a hash. Without it, an attacker cannot choose keys that collide.
type Seed [3]uint64

// NewSeed returns a random Seed.
func NewSeed() Seed {
	var b [24]byte
	rand.Read(b[:])
	var s Seed
	for i := range s {
		s[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return s
}

// Hash returns a keyed hash of k: it folds products of words that depend on the secret, as wyhash does.
func (k *Key) Hash(s *Seed) uint64 {
	h := fold(k.Remote.hi^s[0], k.Remote.lo^s[1])
	h = fold(h^k.Local.hi, k.Local.lo^s[2])
	return fold(h^uint64(k.ports), s[1]|1)
}

// Hash returns a keyed hash of a.
func (a Address) Hash(s *Seed) uint64 { return fold(fold(a.hi^s[0], a.lo^s[1])^s[2], s[1]|1) }

// fold returns the exclusive or of the two halves of the product of a and b.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
