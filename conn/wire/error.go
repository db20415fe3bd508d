package wire

// Error is the reason why a packet cannot be parsed. Errors are small comparable constants, so that they can be
// counted.
type Error uint8

const (
	_ Error = iota
	// ErrTruncated means that the packet is shorter than the shortest header.
	ErrTruncated
	// ErrIPVersion means that the packet is neither IPv4 nor IPv6.
	ErrIPVersion
	// ErrIPv4HeaderLength means that the header length is below 20 bytes or runs past the packet.
	ErrIPv4HeaderLength
	// ErrIPv4TotalLength means that the total length is 0, shorter than the header, or more than arrived.
	ErrIPv4TotalLength
	// ErrIPv4Checksum means that the header checksum is wrong.
	ErrIPv4Checksum
	// ErrFragment means that the packet is one fragment of several. See [ParseFragment].
	ErrFragment
	// ErrNotFragment means that the packet is whole.
	ErrNotFragment
	// ErrIPv6PayloadLength means that the payload length is more than arrived, or 0 although there must be a payload.
	ErrIPv6PayloadLength
	// ErrIPv6Jumbogram means that the packet claims to be longer than 65,535 bytes (RFC 2675).
	ErrIPv6Jumbogram
	// ErrIPv6Extension means that an extension header runs past the packet, is out of place, or routes the packet further.
	ErrIPv6Extension
	// ErrIPv6Option means that the type of an unknown option demands that the packet be discarded (RFC 8200 4.2).
	ErrIPv6Option
	// ErrTCPDataOffset means that the data offset is below 5 words or runs past the segment.
	ErrTCPDataOffset
	// ErrTCPOptionLength means that an option's length is 0, 1 or wrong for its kind, or runs past the header (MUST-7).
	ErrTCPOptionLength
	// ErrTCPChecksum means that the segment is damaged (MUST-3). ParseTCP leaves this to VerifyTCP and its caller.
	ErrTCPChecksum
	// ErrUDPLength means that the length is below 8 bytes or runs past the packet.
	ErrUDPLength
	// ErrUDPChecksum means that the datagram is damaged, or has no checksum in IPv6. ParseUDP leaves this to VerifyUDP
	// and its caller.
	ErrUDPChecksum
	// ErrICMPTruncated means that the message is shorter than 8 bytes.
	ErrICMPTruncated
	// ErrICMPChecksum means that the message is damaged.
	ErrICMPChecksum
	// ErrVirtioHeader means that the frame is shorter than its virtio header.
	ErrVirtioHeader

	errorCount = iota
)

var errorTexts = [errorCount]struct{ name, text string }{
	ErrTruncated:         {"truncated", "packet is shorter than its header"},
	ErrIPVersion:         {"ip-version", "ip: version is neither 4 nor 6"},
	ErrIPv4HeaderLength:  {"ipv4-header-length", "ipv4: header length is below 20 or runs past the packet"},
	ErrIPv4TotalLength:   {"ipv4-total-length", "ipv4: total length is shorter than the header or runs past the packet"},
	ErrIPv4Checksum:      {"ipv4-checksum", "ipv4: header checksum is wrong"},
	ErrFragment:          {"fragment", "ip: packet is a fragment"},
	ErrNotFragment:       {"not-fragment", "ip: packet is no fragment"},
	ErrIPv6PayloadLength: {"ipv6-payload-length", "ipv6: payload length is 0 or runs past the packet"},
	ErrIPv6Jumbogram:     {"ipv6-jumbogram", "ipv6: packet is a jumbogram"},
	ErrIPv6Extension:     {"ipv6-extension", "ipv6: extension header is malformed, misplaced or routes the packet on"},
	ErrIPv6Option:        {"ipv6-option", "ipv6: an unknown option demands that the packet be discarded"},
	ErrTCPDataOffset:     {"tcp-data-offset", "tcp: data offset is below 5 or runs past the segment"},
	ErrTCPOptionLength:   {"tcp-option-length", "tcp: option length is wrong or runs past the header"},
	ErrTCPChecksum:       {"tcp-checksum", "tcp: checksum is wrong"},
	ErrUDPLength:         {"udp-length", "udp: length is below 8 or runs past the packet"},
	ErrUDPChecksum:       {"udp-checksum", "udp: checksum is wrong"},
	ErrICMPTruncated:     {"icmp-truncated", "icmp: message is shorter than its header"},
	ErrICMPChecksum:      {"icmp-checksum", "icmp: checksum is wrong"},
	ErrVirtioHeader:      {"virtio-header", "virtio: frame is shorter than its header"},
}

// Error implements error.
func (e Error) Error() string {
	if e > 0 && int(e) < errorCount {
		return errorTexts[e].text
	}
	return "unknown wire error"
}

// Name returns a short stable name, lower case with dashes, for counters: "tcp-checksum".
func (e Error) Name() string {
	if e > 0 && int(e) < errorCount {
		return errorTexts[e].name
	}
	return "unknown"
}

// Errors returns all Errors in order, for lists of counters. The slice is the caller's.
func Errors() []Error {
	all := make([]Error, 0, errorCount-1)
	for e := Error(1); int(e) < errorCount; e++ {
		all = append(all, e)
	}
	return all
}
