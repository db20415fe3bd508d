// Package pmtu keeps the packet sizes of the path to a peer: its MTU and the MSS of both ends.
package pmtu

// Path holds the packet sizes of the path to the peer.
type Path struct {
	mtu      int32  // largest IP packet sent; initially local, lowered by ICMP
	local    int32  // largest IP packet of the local device, from which the announced MSS follows
	ipHeader uint8  // bytes of IP header: 20 or 40
	fragment bool   // routers may fragment packets (IPv4)
	peerMSS  uint16 // the peer's MSS option, or its default
}

const tcpHeader = 20

const (
	// minMTU4 is the smallest size of IPv4 packets: 512 bytes of data and 40 of headers. If a link on the path permits
	// less, routers may fragment.
	minMTU4 = 552
	// minMTU6 is the smallest MTU of an IPv6 link (RFC 8200 5).
	minMTU6 = 1280
)

// New returns the path of a new connection over a device with this MTU and headers of IP with so many bytes, 20 or 40.
// The peer's MSS is 536 or 1220 until its SYN arrives (MUST-15).
func New(mtu, ipHeader int) Path {
	p := Path{mtu: int32(mtu), local: int32(mtu), ipHeader: uint8(ipHeader), peerMSS: 536}
	if p.is6() {
		p.peerMSS = 1220
	}
	return p
}

func (p *Path) is6() bool { return p.ipHeader >= 40 }

// MTU returns the size of the largest IP packet sent.
func (p *Path) MTU() int { return int(p.mtu) }

// MayFragment reports whether routers may fragment packets.
func (p *Path) MayFragment() bool { return p.fragment }

// PeerMSS returns the peer's MSS.
func (p *Path) PeerMSS() uint16 { return p.peerMSS }

// AnnouncedMSS returns the value of the MSS option: the local MTU less the fixed headers (RFC 9293 3.7.1, MUST-67).
func (p *Path) AnnouncedMSS() uint16 { return uint16(min(p.local-int32(p.ipHeader)-tcpHeader, 65535)) }

// SendMSS returns Eff.snd.MSS without options: the number of bytes of options and data in one segment (MUST-16).
func (p *Path) SendMSS() int { return min(int(p.peerMSS), int(p.mtu)-int(p.ipHeader)-tcpHeader) }

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

// Lower takes a smaller MTU, 0 if the router has reported a packet that was too large and no size (RFC 1191 5). It
// returns false if the MTU is not smaller. Excess is the number of bytes by which packets of the new MTU are still too
// large.
//
// Sizes below the minimum are not used, since a forged message would cause tiny segments. Over IPv4, routers may
// fragment instead, as on Linux below its min_pmtu. Over IPv6, such a message is ignored (RFC 8201 4).
func (p *Path) Lower(mtu int) (excess int, ok bool) {
	if p.is6() && mtu < minMTU6 {
		return 0, false
	}
	if mtu == 0 {
		mtu = int(p.mtu) / 2
	}
	if mtu >= int(p.mtu) || mtu < minMTU4 && p.fragment {
		return 0, false
	}
	p.fragment = mtu < minMTU4
	p.mtu = min(p.mtu, int32(max(mtu, minMTU4)))
	return max(0, int(p.mtu)-mtu), true
}
