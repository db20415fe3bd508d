package conn

// path holds the packet sizes and other properties of the path to the peer.
type path struct {
	mtu      int32  // largest IP packet sent; initially localMTU, lowered by ICMP
	localMTU int32  // largest IP packet of the local device, from which the announced MSS follows
	ipHeader uint8  // bytes of IP header: 20 or 40
	fragment bool   // routers may fragment packets (IPv4)
	peerMSS  uint16 // the peer's MSS option, or its default
	near     bool   // Open.Near
}

const tcpHeader = 20

// newPath returns the path of a new connection. The peer's MSS is 536 or 1220 until its SYN arrives (MUST-15).
func newPath(o Open) path {
	p := path{mtu: int32(o.MTU), localMTU: int32(o.MTU), ipHeader: uint8(o.IPHeader), peerMSS: 536, near: o.Near}
	if o.IPHeader >= 40 {
		p.peerMSS = 1220
	}
	return p
}

// announcedMSS returns the value of the MSS option: the local MTU less the fixed headers (RFC 9293 3.7.1, MUST-67).
func (p *path) announcedMSS() uint16 {
	return uint16(min(p.localMTU-int32(p.ipHeader)-tcpHeader, 65535))
}

// sendMSS returns Eff.snd.MSS without options: the number of bytes of options and data in one segment (MUST-16).
func (p *path) sendMSS() int { return min(int(p.peerMSS), int(p.mtu)-int(p.ipHeader)-tcpHeader) }

// minSendMSS is the smallest MSS that is used: 40 bytes of options and 8 of data. Linux has the same limit.
//
// Deviation: a peer that announces less gets larger segments than it permits (MUST-16). Headers would otherwise take
// more than ten times the size of the data, and options could leave no room for data (CVE-2019-11479).
const minSendMSS = 48

func (p *path) setPeerMSS(mss uint16) {
	if mss != 0 {
		p.peerMSS = max(mss, minSendMSS)
	}
}

// timestampsLen is the length of the timestamps option with its padding in bytes.
const timestampsLen = 12

// fullSize returns the number of data bytes in a full segment that has no options except timestamps.
func (c *Conn) fullSize() int {
	size := c.path.sendMSS()
	if c.timestamps {
		size -= timestampsLen
	}
	return size
}
