// Package wire reads and writes the formats TCP travels in: IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200),
// TCP with its options (RFC 9293, 7323, 2018), ICMP (RFC 792, 4443), Internet checksums (RFC 1071) and the virtio
// header of a TUN device.
//
// Every Parse function fills a struct its caller owns and returns a slice of its argument; every Put function writes to
// the front of a slice that must be long enough. Nothing allocates and nothing is kept. No input makes a Parse function
// panic: what cannot be read is an Error, and the errors are constants that can be compared and counted. A Put function
// panics if the slice is too short, for that is the caller's mistake.
//
// Fields hold host-order numbers. Lengths are in octets.
//
//	ip.go       IP, either version; protocol numbers    ipv4.go, ipv6.go   their headers
//	tcp.go      the TCP header and its flags            options.go         what follows it
//	checksum.go sums, the pseudo-header                 virtio.go          offload information before a packet
//	icmp.go     messages and what they quote            error.go           what can be wrong
package wire
