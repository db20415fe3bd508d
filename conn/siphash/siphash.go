// Package siphash is SipHash-2-4, a keyed hash for short messages [Aumasson and Bernstein, "SipHash: a fast short-input
// PRF", 2012]. Without the key its results cannot be distinguished from random numbers, as sequence numbers and SYN
// cookies require [RFC 6528 3, RFC 4987 3.6].
package siphash

import (
	"encoding/binary"
	"math/bits"
)

// Key is a secret key.
type Key struct{ k0, k1 uint64 }

// NewKey returns the key of 16 bytes.
func NewKey(b [16]byte) Key {
	return Key{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// Sum returns the hash of b.
func Sum(k *Key, b []byte) uint64 {
	v0, v1, v2, v3 := k.k0^0x736f6d6570736575, k.k1^0x646f72616e646f6d, k.k0^0x6c7967656e657261, k.k1^0x7465646279746573
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		m := binary.LittleEndian.Uint64(b)
		v0, v1, v2, v3 = twoRounds(v0, v1, v2, v3^m)
		v0 ^= m
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	v0, v1, v2, v3 = twoRounds(v0, v1, v2, v3^last)
	v0, v1, v2, v3 = twoRounds(v0^last, v1, v2^0xff, v3)
	v0, v1, v2, v3 = twoRounds(v0, v1, v2, v3)
	return v0 ^ v1 ^ v2 ^ v3
}

// twoRounds returns the state after two SipRounds. Arguments and results are in registers.
func twoRounds(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	for range 2 {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	return v0, v1, v2, v3
}
