// Package seq relates the 32-bit sequence numbers on the wire, which wrap, to 64-bit offsets, which do not.
//
// Numbers are unwrapped once, where a segment comes in, and wrapped once, where one goes out. In between, plain
// comparison is right everywhere.
package seq

// Offset is a position in one direction of a connection: 0 is the SYN, 1 the first octet of data. Negative offsets
// are numbers from before the connection.
type Offset int64

// Unwrap returns the offset nearest to near whose number on the wire is wire, where isn is the number of offset 0.
func Unwrap(isn uint32, near Offset, wire uint32) Offset {
	return near + Offset(int32(wire-Wire(isn, near)))
}

// Wire returns the number of offset o on the wire, where isn is the number of offset 0.
func Wire(isn uint32, o Offset) uint32 { return isn + uint32(o) }

// Less reports whether a comes before b modulo 2^32: for timestamps, and numbers that have no offset (RFC 9293 3.4,
// RFC 7323 5.2).
func Less(a, b uint32) bool { return int32(a-b) < 0 }
