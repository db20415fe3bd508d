package seq

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"minitcp/conn/clock"
)

// ISN returns the initial sequence number of a new connection, and the offset of its timestamp clock.
//
// The number is M + F(addresses, ports, secret). M increments every 4 microseconds, so a later connection between the
// same addresses and ports begins beyond an earlier one. F is a keyed hash, so no other host can predict the number
// (RFC 9293 3.4.1, MUST-8, MUST-9, SHLD-1; RFC 6528 3). The timestamp offset is another part of the same hash, so the
// timestamps of successive connections between the same ends increase (RFC 7323 7.1, RFC 6191).
func ISN(now clock.Time, secret *[32]byte, local, remote netip.AddrPort) (iss, timestampOffset uint32) {
	var b [32 + 16 + 16 + 4]byte
	copy(b[:], secret[:])
	l, r := local.Addr().As16(), remote.Addr().As16()
	copy(b[32:], l[:])
	copy(b[48:], r[:])
	binary.BigEndian.PutUint16(b[64:], local.Port())
	binary.BigEndian.PutUint16(b[66:], remote.Port())
	h := sha256.Sum256(b[:])
	m := uint32(int64(now) / int64(4*time.Microsecond))
	return m + binary.BigEndian.Uint32(h[0:]), binary.BigEndian.Uint32(h[4:])
}
