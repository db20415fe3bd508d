// Package wire reads and writes the formats that carry TCP: IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200),
// TCP with its options (RFC 9293, 7323, 2018), ICMP (RFC 792, 4443), Internet checksums (RFC 1071) and the virtio
// header of a TUN device.
//
// Every Parse function fills a struct its caller owns and returns a slice of its argument; every Put function writes
// to the front of a slice that must be long enough. No function allocates or keeps its arguments. No input makes a
// Parse function panic: it returns an [Error] for malformed input, a constant that can be compared and counted. A Put
// function panics if the slice is too short, which is a mistake of the caller.
//
// Fields hold numbers in host order. Lengths are in bytes.
//
//	ip.go       IP, either version; protocol numbers    ipv4.go, ipv6.go   their headers
//	tcp.go      the TCP header and its flags            options.go         its options
//	checksum.go sums, the pseudo-header                 virtio.go          offload information before a packet
//	icmp.go     messages and the packets they quote            error.go           errors
package wire
