package wire

import "encoding/binary"

// Flags are the control bits of a TCP header (RFC 9293 3.1).
type Flags uint16

const (
	FIN Flags = 1 << iota // no more data from the sender
	SYN                   // synchronize sequence numbers
	RST                   // reset the connection
	PSH                   // push function
	ACK                   // the acknowledgment field is significant
	URG                   // the urgent pointer field is significant
	ECE                   // ECN-Echo (RFC 3168)
	CWR                   // congestion window reduced (RFC 3168)
	AE                    // accurate ECN (RFC 9768), the last of the bits that RFC 9293 reserves
)

// Has reports whether all bits of x are set.
func (f Flags) Has(x Flags) bool { return f&x == x }

var flagNames = [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE"}

// String returns the names of the bits that are set, "SYN,ACK", or "none".
func (f Flags) String() string {
	var b []byte
	for i, name := range flagNames {
		if !f.Has(1 << i) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	if len(b) == 0 {
		return "none"
	}
	return string(b)
}

// Short returns a letter for each bit that is set, as tcpdump prints them, with a dot for ACK: "S.", "P.", "none".
func (f Flags) Short() string {
	const letters = "FSRP.UEWe"
	var b [len(letters)]byte
	n := 0
	for i := range len(letters) {
		if f.Has(1 << i) {
			b[n] = letters[i]
			n++
		}
	}
	if n == 0 {
		return "none"
	}
	return string(b[:n])
}

// TCP is a TCP header (RFC 9293 3.1).
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            Flags
	Window           uint16 // as on the wire, not scaled
	Urgent           uint16 // an offset from Seq
	HeaderLen        int    // set by ParseTCP: length in bytes, 20 to 60
	Options          Options
}

// TCPChecksumOffset is the position of the checksum in a TCP header.
const TCPChecksumOffset = 16

// tcpHeaderLen is the length in bytes of a TCP header without options.
const tcpHeaderLen = 20

// ParseTCP reads the TCP header in front of b into h and returns the data after it. It does not verify the checksum;
// VerifyTCP does. Reserved bits other than AE are ignored.
//
// With ErrTruncated, b is shorter than 20 bytes and h is zero. With ErrTCPDataOffset and ErrTCPOptionLength, h holds
// the fixed part of the header, with which the connection can be found, and no options. Data is nil with every error
// except ErrTCPOptionLength.
func ParseTCP(b []byte, h *TCP) (data []byte, err error) {
	*h = TCP{}
	if len(b) < tcpHeaderLen {
		return nil, ErrTruncated
	}
	h.SrcPort = binary.BigEndian.Uint16(b[0:])
	h.DstPort = binary.BigEndian.Uint16(b[2:])
	h.Seq = binary.BigEndian.Uint32(b[4:])
	h.Ack = binary.BigEndian.Uint32(b[8:])
	h.Flags = Flags(binary.BigEndian.Uint16(b[12:])) & (AE<<1 - 1)
	h.Window = binary.BigEndian.Uint16(b[14:])
	h.Urgent = binary.BigEndian.Uint16(b[18:])
	h.HeaderLen = tcpHeaderLen
	n := int(b[12]>>4) * 4
	if n < tcpHeaderLen || n > len(b) {
		return nil, ErrTCPDataOffset
	}
	h.HeaderLen = n
	if !h.Options.parse(b[tcpHeaderLen:n]) {
		h.Options = Options{}
		return b[n:], ErrTCPOptionLength
	}
	return b[n:], nil
}

// PutTCP writes h and its options in front of b and returns their length, 20+h.Options.Len(). It ignores HeaderLen. The
// checksum field is 0; the caller fills it in when the data is known.
func PutTCP(b []byte, h *TCP) int {
	n := tcpHeaderLen + h.Options.Len()
	b = b[:n]
	binary.BigEndian.PutUint16(b[0:], h.SrcPort)
	binary.BigEndian.PutUint16(b[2:], h.DstPort)
	binary.BigEndian.PutUint32(b[4:], h.Seq)
	binary.BigEndian.PutUint32(b[8:], h.Ack)
	binary.BigEndian.PutUint16(b[12:], uint16(n/4)<<12|uint16(h.Flags&(AE<<1-1)))
	binary.BigEndian.PutUint16(b[14:], h.Window)
	binary.BigEndian.PutUint16(b[TCPChecksumOffset:], 0)
	binary.BigEndian.PutUint16(b[18:], h.Urgent)
	h.Options.put(b[tcpHeaderLen:])
	return n
}
