package reassembly

import "minitcp/conn/wire"

// Cut cuts a packet with the header ip and the payload given into fragments of at most mtu bytes [RFC 791 3.2, RFC 8200
// 4.5]. It calls send for each, with the number of bytes of headers, which are in header, and the data.
func Cut(header []byte, ip *wire.IP, payload []byte, id uint32, mtu int, send func(headerLen int, data []byte)) {
	const extension = 8 // bytes of IPv6's fragment header
	f := wire.Fragment{ID: id}
	next, is4, headerLen := ip.Protocol, ip.Is4(), wire.IPv4HeaderLen
	if !is4 {
		headerLen = wire.IPv6HeaderLen + extension
		ip.Protocol = wire.ProtocolFragment
	}
	most := (mtu - headerLen) &^ 7
	for ; f.Offset < len(payload); f.Offset += most {
		n := min(most, len(payload)-f.Offset)
		f.More = f.Offset+n < len(payload)
		if is4 {
			wire.PutIP(header, ip, n)
			wire.PutFragmentIPv4(header, f, n)
		} else {
			wire.PutIP(header, ip, extension+n)
			wire.PutFragmentIPv6(header[wire.IPv6HeaderLen:], f, next)
		}
		send(headerLen, payload[f.Offset:f.Offset+n])
	}
	ip.Protocol = next
}
