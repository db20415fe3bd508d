package seq

import "testing"

func TestUnwrapIsInverseOfWire(t *testing.T) {
	for _, isn := range []uint32{0, 1, 0x7fffffff, 0x80000000, 0xffffffff} {
		for _, near := range []Offset{0, 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40} {
			for _, d := range []Offset{-(1 << 31), -1, 0, 1, 1<<31 - 1} {
				want := near + d
				if got := Unwrap(isn, near, Wire(isn, want)); got != want {
					t.Errorf("Unwrap(%#x, %d, Wire(%d)) = %d", isn, near, want, got)
				}
			}
		}
	}
}

func TestLess(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{{1, 2, true}, {2, 1, false}, {1, 1, false}, {0xffffffff, 0, true}, {0, 0xffffffff, false}} {
		if got := Less(c.a, c.b); got != c.want {
			t.Errorf("Less(%#x, %#x) = %v", c.a, c.b, got)
		}
	}
}
