// Package pmtu keeps the packet sizes of the path to a peer, its MTU and the MSS of both ends, and searches for the
// largest packet that the path carries (RFC 4821, RFC 8899).
package pmtu

import (
	"math"

	"minitcp/conn/clock"
)

// Path holds the packet sizes of the path to the peer. An MSS is a number of bytes of TCP options and data, all other
// sizes are those of IP packets.
type Path struct {
	search   *Search // nil: packets have the device's size, and no size is known to be too large
	mss      uint16  // of the largest packet sent, except for probes
	localMSS uint16  // of the largest packet of the local device: the announced MSS
	peerMSS  uint16  // the peer's MSS option, or its default
	is6      bool
	fragment bool // routers may fragment packets (IPv4)
}

const tcpHeader = 20

const (
	// minMTU4 is the smallest size of IPv4 packets: 512 bytes of data and 40 of headers. If a link on the path permits
	// less, routers may fragment.
	minMTU4 = 552
	// minMTU6 is the smallest MTU of an IPv6 link (RFC 8200 5).
	minMTU6 = 1280
)

// minMTU returns the smallest path MTU that an ICMP message may set.
func minMTU(is6 bool) int {
	if is6 {
		return minMTU6
	}
	return minMTU4
}

// New returns the path of a new connection over a device with this MTU and IP headers of this size in bytes, 20 or 40.
// The peer's MSS is 536 or 1220 until its SYN arrives (MUST-15).
func New(mtu, ipHeader int) Path {
	p := Path{is6: ipHeader >= 40, peerMSS: 536}
	if p.is6 {
		p.peerMSS = 1220
	}
	p.setMTU(mtu)
	p.localMSS = p.mss
	return p
}

// headers returns the number of bytes of fixed headers in a packet.
func (p *Path) headers() int {
	if p.is6 {
		return 40 + tcpHeader
	}
	return 20 + tcpHeader
}

// MTU returns the size of the largest IP packet sent, except for probes.
func (p *Path) MTU() int { return int(p.mss) + p.headers() }

func (p *Path) setMTU(mtu int) { p.mss = uint16(min(mtu-p.headers(), math.MaxUint16)) }

// local returns the size of the largest IP packet of the local device.
func (p *Path) local() int { return int(p.localMSS) + p.headers() }

// MayFragment reports whether routers may fragment packets.
func (p *Path) MayFragment() bool { return p.fragment }

// PeerMSS returns the peer's MSS.
func (p *Path) PeerMSS() uint16 { return p.peerMSS }

// AnnouncedMSS returns the value of the MSS option: the local MTU less the fixed headers (RFC 9293 3.7.1, MUST-67).
func (p *Path) AnnouncedMSS() uint16 { return p.localMSS }

// SendMSS returns Eff.snd.MSS without options: the number of bytes of options and data in one segment (MUST-16).
func (p *Path) SendMSS() int { return int(min(p.peerMSS, p.mss)) }

// MinSendMSS is the smallest MSS that is used: 40 bytes of options and 8 of data. Linux has the same limit.
//
// Deviation: a peer that announces less gets larger segments than it permits (MUST-16). Headers would otherwise take
// more than ten times the size of the data, and options could leave no room for data (CVE-2019-11479).
const MinSendMSS = 48

// SetPeerMSS takes the peer's MSS option, 0 if its SYN has none.
func (p *Path) SetPeerMSS(mss uint16) {
	if mss != 0 {
		p.peerMSS = max(mss, MinSendMSS)
	}
}

// Lower takes a smaller MTU from an ICMP message, 0 if the router has reported a packet that was too large and no size
// (RFC 1191 5). It returns false if the MTU is not smaller. Excess is the number of bytes by which packets of the new
// MTU are still too large.
//
// Sizes below the minimum are not used, since a forged message would cause tiny segments. Over IPv4, routers may
// fragment instead, as on Linux below its min_pmtu. Over IPv6, such a message is ignored (RFC 8201 4).
func (p *Path) Lower(now clock.Time, mtu int) (excess int, ok bool) {
	if p.is6 && mtu < minMTU6 {
		return 0, false
	}
	before := p.MTU()
	if mtu == 0 {
		mtu = before / 2
	}
	if mtu >= before || mtu < minMTU4 && p.fragment {
		return 0, false
	}
	p.fragment = mtu < minMTU4
	p.setMTU(min(before, max(mtu, minMTU4)))
	p.know(now, ICMP)
	return max(0, p.MTU()-mtu), true
}

// Limit takes the device's MTU after it has fallen, and reports whether packets have become smaller.
func (p *Path) Limit(mtu int) bool {
	mss := uint16(min(mtu-p.headers(), int(p.localMSS)))
	p.localMSS = mss
	if mss >= p.mss {
		return false
	}
	p.mss = mss
	return true
}
