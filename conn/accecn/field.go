package accecn

import "minitcp/conn/wire"

// fieldFlags are the flags that form the ACE field, with ECE as the lowest bit.
const fieldFlags = wire.AE | wire.CWR | wire.ECE

// Field returns the value of the ACE field, 0 to 7 (RFC 9768 3.2.2).
func Field(f wire.Flags) uint8 { return uint8(f&fieldFlags)>>6&3 | uint8(f>>8&1)<<2 }

// FieldFlags returns the flags of an ACE field with the low 3 bits of n.
func FieldFlags(n uint32) wire.Flags { return wire.Flags(n&3)<<6 | wire.Flags(n>>2&1)<<8 }

// Reflect returns the flags of a SYN-ACK, or of the ACK of one, that report the codepoint of the SYN or SYN-ACK that it
// acknowledges (RFC 9768 tables 2 and 3).
func Reflect(e wire.ECN) wire.Flags {
	return FieldFlags(uint32([...]uint8{wire.NotECT: 0b010, wire.ECT1: 0b011, wire.ECT0: 0b100, wire.CE: 0b110}[e&3]))
}

// Reflected returns the codepoint that such flags report. Values without a meaning report that the codepoint is that of
// the packet sent, Not-ECT (RFC 9768 3.1.3, table 4).
func Reflected(f wire.Flags) wire.ECN {
	switch Field(f) {
	case 0b011:
		return wire.ECT1
	case 0b100:
		return wire.ECT0
	case 0b110:
		return wire.CE
	}
	return wire.NotECT
}
