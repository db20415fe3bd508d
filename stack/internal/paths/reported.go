package paths

import "minitcp/conn"

// Reported is the path MTU that an ICMP message has reported to a connected socket, for [Life]. The zero value is none.
type Reported struct {
	mtu   int       // in bytes
	until conn.Time // the end of the time for which mtu is valid
}

// Limit returns the largest packet, in bytes, that the path carries behind a device with the given MTU.
func (r *Reported) Limit(now conn.Time, device int) int {
	if now < r.until {
		return min(device, r.mtu)
	}
	return device
}

// TooBig takes the MTU of a message that a packet was too big, for the given IP version, and reports whether packets
// must be smaller than before.
func (r *Reported) TooBig(now conn.Time, device, mtu int, is4 bool) (smaller bool) {
	mtu = max(mtu, least(is4))
	before := r.Limit(now, device)
	if mtu > before {
		return false
	}
	r.mtu, r.until = mtu, now.Add(Life)
	return mtu < before
}

// least returns the smallest path MTU that an ICMP message can set, in bytes: Linux's for IPv4, and for IPv6 what every
// link must take [RFC 8200 5].
func least(is4 bool) int {
	if is4 {
		return 552
	}
	return 1280
}
