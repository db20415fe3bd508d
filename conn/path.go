package conn

// path is what is known of the way to the peer.
type path struct {
	mtu      int32  // largest IP packet, both directions at first; lowered by ICMP
	localMTU int32  // what our device takes, which the MSS we announce follows
	ipHeader uint8  // bytes of IP header: 20 or 40
	fragment bool   // routers may fragment our packets (IPv4)
	peerMSS  uint16 // the MSS option, or its default
	near     bool   // Open.Near
}

const tcpHeader = 20

// newPath returns the path of a new connection; the peer's MSS is 536 or 1220 until it says otherwise (MUST-15).
func newPath(o Open) path {
	p := path{mtu: int32(o.MTU), localMTU: int32(o.MTU), ipHeader: uint8(o.IPHeader), peerMSS: 536, near: o.Near}
	if o.IPHeader >= 40 {
		p.peerMSS = 1220
	}
	return p
}

// announcedMSS is the value of our MSS option: what our device takes less fixed headers (RFC 9293 3.7.1, MUST-67).
func (p *path) announcedMSS() uint16 {
	return uint16(min(p.localMTU-int32(p.ipHeader)-tcpHeader, 65535))
}

// sendMSS is Eff.snd.MSS before options: the most octets of options and data in one segment (MUST-16).
func (p *path) sendMSS() int { return min(int(p.peerMSS), int(p.mtu)-int(p.ipHeader)-tcpHeader) }

// minSendMSS is the smallest MSS that is believed: 40 bytes of options and 8 of data. Linux has the same bound.
//
// Deviation: a peer that announces less gets segments larger than it asked for (MUST-16). A header would otherwise cost more
// than ten times what it carries, and options could leave no room for data (CVE-2019-11479).
const minSendMSS = 48

func (p *path) setPeerMSS(mss uint16) {
	if mss != 0 {
		p.peerMSS = max(mss, minSendMSS)
	}
}

// timestampsLen is what the timestamps option takes with its padding.
const timestampsLen = 12

// fullSize is the data octets of a full segment with the options every segment has.
func (c *Conn) fullSize() int {
	size := c.path.sendMSS()
	if c.timestamps {
		size -= timestampsLen
	}
	return size
}
