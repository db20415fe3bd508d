package pattern

import (
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	check := Sampled.Check
	for _, offset := range []int64{0, 1, Period - 1, Period, 3*Period + 7, Thorough, 1<<40 + 12345} {
		if err := check(At(offset), offset); err != nil {
			t.Errorf("the pattern at %d: %v", offset, err)
		}
		if check(At(offset), offset+1) == nil {
			t.Errorf("the pattern of %d was taken at the next byte", offset)
		}
		for _, at := range []int{0, sample - 1, Period - 1} {
			b := slices.Clone(At(offset))
			b[at] ^= 1
			if check(b, offset) == nil {
				t.Errorf("a wrong byte %d at offset %d was not noticed", at, offset)
			}
		}
	}
	// At the beginning of a stream every byte is compared, also in pieces longer than the pattern.
	b := slices.Concat(At(0), At(0))
	if err := check(b, 0); err != nil {
		t.Error(err)
	}
	b[Period+Period/2] ^= 1
	if check(b, 0) == nil {
		t.Error("a wrong byte in the middle was not noticed")
	}
}

// With the care Every, each byte is compared.
func TestEvery(t *testing.T) {
	const offset = 7 * Thorough
	b := slices.Clone(At(offset))
	if err := Every.Check(b, offset); err != nil {
		t.Error(err)
	}
	b[Period/2] ^= 1
	if Every.Check(b, offset) == nil {
		t.Error("a wrong byte in the middle was not noticed")
	}
	if err := Sampled.Check(b, offset); err != nil {
		t.Errorf("samples were more than that: %v", err)
	}
}

func TestCareNames(t *testing.T) {
	for _, c := range []Care{Sampled, Every} {
		if got, err := ParseCare(c.String()); got != c || err != nil {
			t.Errorf("%v is parsed as %v, %v", c, got, err)
		}
	}
	if _, err := ParseCare("some"); err == nil {
		t.Error("some care was taken")
	}
}
