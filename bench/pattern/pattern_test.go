package pattern

import (
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, offset := range []int64{0, 1, Period - 1, Period, 3*Period + 7, Thorough, 1<<40 + 12345} {
		if err := Check(At(offset), offset); err != nil {
			t.Errorf("the pattern at %d: %v", offset, err)
		}
		if Check(At(offset), offset+1) == nil {
			t.Errorf("the pattern of %d was taken at the next octet", offset)
		}
		for _, at := range []int{0, sample - 1, Period - 1} {
			b := slices.Clone(At(offset))
			b[at] ^= 1
			if Check(b, offset) == nil {
				t.Errorf("a wrong octet %d at offset %d was not noticed", at, offset)
			}
		}
	}
	// At the beginning of a stream every octet counts, also in pieces longer than the pattern.
	b := slices.Concat(At(0), At(0))
	if err := Check(b, 0); err != nil {
		t.Error(err)
	}
	b[Period+Period/2] ^= 1
	if Check(b, 0) == nil {
		t.Error("a wrong octet in the middle was not noticed")
	}
}
