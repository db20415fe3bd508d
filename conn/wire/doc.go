// Package wire reads and writes the headers minitcp meets: virtio_net_hdr, IPv4, IPv6, TCP with its options, ICMP.
//
// Parsing is strict, never panics, and allocates nothing; what is wrong is named by an [Error]. Results refer to the
// bytes they were parsed from.
package wire
