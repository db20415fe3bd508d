// Package seq converts between the sequence numbers on the wire, which are 32 bits long and wrap, and offsets, which
// are 64 bits long and do not (RFC 9293 3.4). Numbers are unwrapped once, when a segment arrives; after that, plain <
// is right everywhere. The package also generates initial sequence numbers.
package seq

// Offset is a position in one direction's sequence space, unwrapped to 64 bits: 0 is the SYN, 1 the first byte of
// data. A number from before the SYN, as an old duplicate may carry, is negative.
type Offset int64

// Unwrap returns the offset nearest to near whose number on the wire is wire, for a direction that began with the
// initial sequence number isn. The result is at least near-2^31 and less than near+2^31, so it is right for every
// number within a window of near (RFC 7323 2.3 keeps windows below 2^30).
func Unwrap(isn uint32, near Offset, wire uint32) Offset {
	return near + Offset(int32(wire-Wire(isn, near)))
}

// Wire returns the sequence number that stands for o on the wire, for a direction that began with isn.
func Wire(isn uint32, o Offset) uint32 { return isn + uint32(o) }

// Less reports whether a comes before b modulo 2^32, for numbers that are not unwrapped: timestamps (RFC 7323 5.2) and
// the initial sequence numbers TIME-WAIT compares. Numbers exactly 2^31 apart come before each other both ways.
func Less(a, b uint32) bool { return int32(a-b) < 0 }
