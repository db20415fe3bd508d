// Package pattern is the data of the bulk workloads. Both ends know it, so that a wrong, missing or misplaced byte is
// detected.
package pattern

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Period is the number of bytes after which the pattern begins again.
const Period = 256 << 10

const (
	// Thorough is the number of bytes at the beginning of a connection that are always compared one by one.
	Thorough = 4 * Period
	// sample is the number of bytes that are compared at the beginning and the end of each piece after that: enough to
	// detect a misplaced piece, and too few to affect a measurement.
	sample = 64
)

// twice holds the pattern twice, so that a whole period can be had from every position.
var twice = func() []byte {
	b := make([]byte, 2*Period)
	rand.NewChaCha8([32]byte{1}).Read(b[:Period])
	copy(b[Period:], b[:Period])
	return b
}()

// At returns a period of the stream from an offset that is not negative. The caller must not change it.
func At(offset int64) []byte {
	i := int(offset % Period)
	return twice[i : i+Period]
}

// Care determines how much of the received data is compared.
type Care uint8

const (
	Sampled Care = iota // the first Thorough bytes, then both ends of each piece
	Every               // every byte, which takes about as long as a copy
)

var careNames = [...]string{Sampled: "sampled", Every: "every"}

func (c Care) String() string { return careNames[c] }

// ParseCare is the inverse of [Care.String].
func ParseCare(name string) (Care, error) {
	i := slices.Index(careNames[:], name)
	if i < 0 {
		return 0, fmt.Errorf("there is no care %q, only %s", name, strings.Join(careNames[:], ", "))
	}
	return Care(i), nil
}

// Check returns an error if b differs from the stream at offset.
func (c Care) Check(b []byte, offset int64) error {
	if c == Sampled && offset >= Thorough && len(b) > 2*sample {
		if err := compare(b[:sample], offset); err != nil {
			return err
		}
		tail := len(b) - sample
		return compare(b[tail:], offset+int64(tail))
	}
	for len(b) > 0 {
		n := min(len(b), Period)
		if err := compare(b[:n], offset); err != nil {
			return err
		}
		b, offset = b[n:], offset+int64(n)
	}
	return nil
}

func compare(b []byte, offset int64) error {
	want := At(offset)[:len(b)]
	if bytes.Equal(b, want) {
		return nil
	}
	for i := range b {
		if b[i] != want[i] {
			return fmt.Errorf("byte %d of the stream is %#02x, not %#02x", offset+int64(i), b[i], want[i])
		}
	}
	return nil
}
