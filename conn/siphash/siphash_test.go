package siphash

import "testing"

// The vectors are those of the reference implementation: the key is 00 01 … 0f, message n is 00 01 … n-1.
func TestVectors(t *testing.T) {
	var key [16]byte
	for i := range key {
		key[i] = byte(i)
	}
	k := NewKey(key)
	for n, want := range map[int]uint64{
		0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 7: 0xab0200f58b01d137, 8: 0x93f5f5799a932462,
		15: 0xa129ca6149be45e5, 16: 0x3f2acc7f57c29bdb, 63: 0x958a324ceb064572,
	} {
		message := make([]byte, n)
		for i := range message {
			message[i] = byte(i)
		}
		if got := Sum(&k, message); got != want {
			t.Errorf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	k := NewKey([16]byte{1})
	message := make([]byte, 42)
	b.ReportAllocs()
	for b.Loop() {
		Sum(&k, message)
	}
}
