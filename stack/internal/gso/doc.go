// Package gso implements segmentation offload in software. A [Cutter] cuts a superframe into packets, and a [Joiner]
// joins packets into superframes. A device that is not connected to a network card needs both.
package gso

import "encoding/binary"

// Offsets of fields in the headers [RFC 791 3.1, RFC 8200 3, RFC 9293 3.1, RFC 768].
const (
	ipv4TotalLength    = 2
	ipv4Identification = 4
	ipv4Fragment       = 6
	ipv4Protocol       = 9
	ipv4Checksum       = 10
	ipv4Addresses      = 12
	ipv6PayloadLength  = 4
	ipv6NextHeader     = 6
	ipv6Addresses      = 8
	tcpSequence        = 4
	tcpAck             = 8
	tcpDataOffset      = 12
	tcpFlags           = 13
	tcpWindow          = 14
	tcpUrgent          = 18
	tcpHeaderLen       = 20 // without options
	udpLength          = 4
	udpChecksum        = 6
)

func get16(b []byte, at int) uint16    { return binary.BigEndian.Uint16(b[at:]) }
func put16(b []byte, at int, v uint16) { binary.BigEndian.PutUint16(b[at:], v) }
