package wire

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Every length and every alignment, and the words that make carries: all ones.
func TestSumLengthsAndAlignments(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random, ones := make([]byte, 300), make([]byte, 300)
	for i := range random {
		random[i], ones[i] = byte(r.Uint32()), 0xff
	}
	for _, b := range [][]byte{random, ones} {
		for from := range 9 {
			for to := from; to <= len(b); to++ {
				if got, want := Fold(Sum(b[from:to], 0)), naive(b[from:to]); got != want {
					t.Fatalf("bytes %d to %d: %#x, want %#x", from, to, got, want)
				}
			}
		}
	}
	for _, initial := range []uint32{1, 0xffff, 0x10000, 0x12345678, 0xffff0000, 0xffffffff} {
		want := Fold(addFolded(initial, naive(random)))
		if got := Fold(Sum(random, initial)); got != want {
			t.Errorf("from %#x: %#x, want %#x", initial, got, want)
		}
	}
}

// addFolded adds a 16-bit sum to any other, without overflow.
func addFolded(a uint32, b uint16) uint32 { return uint32(Fold(a)) + uint32(b) }

// Pieces of any length, empty and odd ones among them, sum as the whole.
func TestChecksumGatherPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		b := make([]byte, r.IntN(200))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		initial := r.Uint32()
		want := ^Fold(Sum(b, initial))
		var parts [][]byte
		for rest := b; len(rest) > 0 || r.IntN(2) == 0; {
			n := r.IntN(min(len(rest), 9) + 1)
			parts = append(parts, rest[:n])
			rest = rest[n:]
		}
		if got := ChecksumGather(initial, parts); got != want {
			t.Fatalf("%v from %#x: %#x, want %#x", parts, initial, got, want)
		}
	}
}

// The pseudo-header by hand, as RFC 9293 3.1 and RFC 8200 8.1 draw it.
func TestPseudoHeaderSum(t *testing.T) {
	v4 := []byte{10, 77, 0, 1, 10, 77, 0, 2, 0, 6, 0x12, 0x34}
	if got, want := Fold(PseudoHeaderSum(addr4a, addr4b, ProtocolTCP, 0x1234)), naive(v4); got != want {
		t.Errorf("IPv4: %#x, want %#x", got, want)
	}
	a, b := addr6a.As16(), addr6b.As16()
	v6 := append(append(a[:], b[:]...), 0, 1, 0x23, 0x45, 0, 0, 0, 58)
	if got, want := Fold(PseudoHeaderSum(addr6a, addr6b, ProtocolICMPv6, 0x12345)), naive(v6); got != want {
		t.Errorf("IPv6: %#x, want %#x", got, want)
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{64, 1460, 65536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				Sum(p, 0)
			}
		})
	}
}
