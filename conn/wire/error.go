package wire

// Error says what is wrong with a packet. Errors are comparable constants.
type Error uint8

const (
	_ Error = iota
	ErrTruncated
	ErrIPVersion
	ErrIPv4HeaderLength
	ErrIPv4TotalLength
	ErrIPv4Checksum
	ErrFragment
	ErrIPv6PayloadLength
	ErrIPv6Jumbogram
	ErrIPv6Extension
	ErrTCPDataOffset
	ErrTCPOptionLength
	ErrTCPChecksum
	ErrICMPTruncated
	ErrICMPChecksum
	ErrVirtioHeader
)

var errors = [...]struct{ name, text string }{
	ErrTruncated:         {"ip-truncated", "packet is shorter than its headers"},
	ErrIPVersion:         {"ip-version", "IP version is neither 4 nor 6"},
	ErrIPv4HeaderLength:  {"ipv4-header-length", "IPv4 header length is less than 20 or runs past the packet"},
	ErrIPv4TotalLength:   {"ipv4-total-length", "IPv4 total length is less than the header or more than the packet"},
	ErrIPv4Checksum:      {"ipv4-checksum", "IPv4 header checksum is wrong"},
	ErrFragment:          {"ip-fragment", "packet is a fragment"},
	ErrIPv6PayloadLength: {"ipv6-payload-length", "IPv6 payload length is more than the packet"},
	ErrIPv6Jumbogram:     {"ipv6-jumbogram", "packet is an IPv6 jumbogram"},
	ErrIPv6Extension:     {"ipv6-extension", "IPv6 extension header is malformed or routes elsewhere"},
	ErrTCPDataOffset:     {"tcp-data-offset", "TCP data offset is less than 5 or runs past the segment"},
	ErrTCPOptionLength:   {"tcp-option-length", "TCP option length is illegal"},
	ErrTCPChecksum:       {"tcp-checksum", "TCP checksum is wrong"},
	ErrICMPTruncated:     {"icmp-truncated", "ICMP message is too short"},
	ErrICMPChecksum:      {"icmp-checksum", "ICMP checksum is wrong"},
	ErrVirtioHeader:      {"virtio-header", "frame is shorter than its virtio_net_hdr, or the header makes no sense"},
}

// Errors lists every Error, for tables of counters.
const Errors = len(errors)

// Name is a stable counter name such as "tcp-checksum".
func (e Error) Name() string {
	if int(e) < len(errors) && e != 0 {
		return errors[e].name
	}
	return "unknown"
}

func (e Error) Error() string {
	if int(e) < len(errors) && e != 0 {
		return errors[e].text
	}
	return "unknown packet error"
}
