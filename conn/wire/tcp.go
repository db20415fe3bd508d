package wire

import "encoding/binary"

// Flags are the control bits of a TCP header (RFC 9293 3.1).
type Flags uint8

const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether all of x are set.
func (f Flags) Has(x Flags) bool { return f&x == x }

var flagNames = [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// String names the flags that are set, such as "SYN,ACK"; "none" when none is.
func (f Flags) String() string {
	s := ""
	// SYN, FIN and RST first: they are what a reader looks for.
	for _, i := range [...]int{1, 0, 2, 3, 4, 5, 6, 7} {
		if f&(1<<i) == 0 {
			continue
		}
		if s != "" {
			s += ","
		}
		s += flagNames[i]
	}
	if s == "" {
		return "none"
	}
	return s
}

// TCP is a TCP header (RFC 9293 3.1).
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            Flags
	Window           uint16 // as on the wire, not scaled
	Urgent           uint16
	HeaderLen        int // octets; set by ParseTCP
	Options          Options
}

// TCPHeaderLen is the octets of a TCP header without options.
const TCPHeaderLen = 20

// ParseTCP fills h from the segment b and returns the segment's data. When only the data offset or an option is bad,
// the fixed part of h is filled nevertheless, so that the caller can find the connection. The checksum is not looked
// at: see [VerifyTCP].
func ParseTCP(b []byte, h *TCP) (data []byte, err error) {
	if len(b) < TCPHeaderLen {
		return nil, ErrTruncated
	}
	*h = TCP{
		SrcPort: binary.BigEndian.Uint16(b[0:]),
		DstPort: binary.BigEndian.Uint16(b[2:]),
		Seq:     binary.BigEndian.Uint32(b[4:]),
		Ack:     binary.BigEndian.Uint32(b[8:]),
		Flags:   Flags(b[13]),
		Window:  binary.BigEndian.Uint16(b[14:]),
		Urgent:  binary.BigEndian.Uint16(b[18:]),
	}
	n := int(b[12]>>4) * 4
	if n < TCPHeaderLen || n > len(b) {
		return nil, ErrTCPDataOffset
	}
	h.HeaderLen = n
	if err := h.Options.parse(b[TCPHeaderLen:n]); err != nil {
		return nil, err
	}
	return b[n:], nil
}

// PutTCP writes h with its options to b, with a checksum field of zero, and returns the octets written: 20 to 60.
func PutTCP(b []byte, h *TCP) int {
	n := TCPHeaderLen + h.Options.put(b[TCPHeaderLen:])
	binary.BigEndian.PutUint16(b[0:], h.SrcPort)
	binary.BigEndian.PutUint16(b[2:], h.DstPort)
	binary.BigEndian.PutUint32(b[4:], h.Seq)
	binary.BigEndian.PutUint32(b[8:], h.Ack)
	b[12] = byte(n / 4 << 4)
	b[13] = byte(h.Flags)
	binary.BigEndian.PutUint16(b[14:], h.Window)
	b[16], b[17] = 0, 0
	binary.BigEndian.PutUint16(b[18:], h.Urgent)
	return n
}
