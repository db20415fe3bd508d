package seq

import (
	"encoding/binary"
	"net/netip"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/siphash"
)

// ISN returns the initial sequence number of a new connection, and the offset of its timestamp clock.
//
// The number is M + F(addresses, ports, secret). M increments every 4 microseconds, so a later connection between the
// same addresses and ports begins beyond an earlier one. F is a keyed hash, so no other host can predict the number
// (RFC 9293 3.4.1, MUST-8, MUST-9, SHLD-1; RFC 6528 3). The timestamp offset is another part of the same hash, so the
// timestamps of successive connections between the same ends increase (RFC 7323 7.1, RFC 6191).
func ISN(now clock.Time, secret *[32]byte, local, remote netip.AddrPort) (iss, timestampOffset uint32) {
	var b [16 + 16 + 4]byte
	l, r := local.Addr().As16(), remote.Addr().As16()
	copy(b[:], l[:])
	copy(b[16:], r[:])
	binary.BigEndian.PutUint16(b[32:], local.Port())
	binary.BigEndian.PutUint16(b[34:], remote.Port())
	key := siphash.NewKey([16]byte(secret[:16]))
	h := siphash.Sum(&key, b[:])
	m := uint32(int64(now) / int64(4*time.Microsecond))
	return m + uint32(h), uint32(h >> 32)
}
