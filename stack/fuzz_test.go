package stack

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"minitcp/conn"
	"minitcp/conn/wire"
)

// FuzzInput gives a stack with a listener and a connection any frames at all: several, each after two bytes of length.
// They are given twice: as they are, and with checksums made right, so that they get further.
func FuzzInput(f *testing.F) {
	one := func(frames ...[]byte) []byte {
		var b []byte
		for _, frame := range frames {
			b = binary.BigEndian.AppendUint16(b, uint16(len(frame)))
			b = append(b, frame...)
		}
		return b
	}
	v6 := segmentSpec{src: netip.MustParseAddrPort("[fd77::1]:1234"), dst: netip.MustParseAddrPort("[fd77::2]:80"), flags: wire.SYN}
	ip := wire.IP{Src: addressesA[0].Addr(), Dst: addressesB[0].Addr(), Protocol: wire.ProtocolICMP}
	echo := make([]byte, 40)
	echo = echo[:wire.PutICMP(echo, &ip, &wire.ICMP{Type: wire.ICMPv4Echo, Body: []byte("ping")})]
	unreachable := make([]byte, 80)
	unreachable = unreachable[:wire.PutICMP(unreachable, &ip, &wire.ICMP{
		Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded, MTU: 600, Body: packet(segmentSpec{})[wire.VirtioHeaderLen:]})]
	f.Add(one(packet(segmentSpec{flags: wire.SYN})))
	f.Add(one(packet(segmentSpec{flags: wire.SYN, options: []byte{2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}})))
	f.Add(one(packet(v6), packet(v6)))
	f.Add(one(packet(segmentSpec{flags: wire.ACK, seq: 1001, data: []byte("data")}), packet(segmentSpec{flags: wire.FIN | wire.ACK, seq: 1005})))
	f.Add(one(ipPacket(ip.Src, ip.Dst, ip.Protocol, echo), ipPacket(ip.Src, ip.Dst, ip.Protocol, unreachable)))
	f.Add(one(ipPacket(ip.Src, ip.Dst, wire.ProtocolUDP, emptyDatagram())))
	f.Add(one(ipPacket(v6.src.Addr(), v6.dst.Addr(), 0, jumboOptions())))
	f.Add(one(ipPacket(v6.src.Addr(), v6.dst.Addr(), 200, make([]byte, 8))))

	elsewhere := netip.MustParseAddrPort(elsewhere[0])
	f.Add(one(packet(segmentSpec{flags: wire.SYN, dst: elsewhere}), packet(segmentSpec{flags: wire.RST, seq: 1, dst: elsewhere})))
	f.Add(one(ipPacket(ip.Src, elsewhere.Addr(), wire.ProtocolUDP, emptyDatagram()), ipPacket(ip.Src, elsewhere.Addr(), ip.Protocol, echo)))
	first := ipPacket(ip.Src, ip.Dst, wire.ProtocolUDP, append(emptyDatagram(), make([]byte, 8)...))
	wire.PutFragmentIPv4(first[wire.VirtioHeaderLen:], wire.Fragment{ID: 1, More: true}, 16)
	last := ipPacket(ip.Src, ip.Dst, wire.ProtocolUDP, make([]byte, 8))
	wire.PutFragmentIPv4(last[wire.VirtioHeaderLen:], wire.Fragment{ID: 1, Offset: 16}, 8)
	f.Add(one(last, first))

	request := wire.FastOpen{Kind: wire.FastOpenExperimental}
	f.Add(one(fastSYN(1235, cookieOf(fastKey), "data"), fastSYN(1236, request, ""), packet(segmentSpec{flags: wire.RST, seq: 1005})))

	l := newLone(f, Config{Trace: func(*TraceEvent) {}, ICMPRate: 1e9, FastOpenKeys: [][16]byte{fastKey}})
	l.serveAll(f)
	l.listener.SetFastOpen(1000)
	f.Fuzz(func(t *testing.T, b []byte) {
		l.forget() // of the input before
		l.establish(t, 0)
		for len(b) >= 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			frame := b[2 : 2+n]
			l.frame(frame)
			if mend(frame) {
				l.frame(frame)
			}
			b = b[2+n:]
		}
		for _, info := range l.s.Connections() {
			if info.State == conn.Listen || info.State == conn.Closed {
				t.Fatalf("%v in the table", info.State)
			}
		}
		if n := l.s.table.Len(); n > 1000 {
			t.Fatalf("%d connections", n)
		}
	})
}

// serveAll gives the stack sockets of UDP and ping, and forwarders that give every verdict in turn.
func (l *lone) serveAll(t testing.TB) {
	t.Helper()
	verdicts := 0
	for name, serve := range map[string]func() error{
		"ListenUDP":  func() (err error) { l.udp, err = l.s.ListenUDP("udp", ":9"); return err },
		"ListenPing": func() (err error) { l.ping, err = l.s.ListenPing(addressesB[0].Addr()); return err },
		"ForwardTCP": func() error {
			_, err := l.s.ForwardTCP(ForwardConfig{MaxPending: 100}, func(r *ForwardRequest) {
				switch verdicts++; verdicts % 5 {
				case 0:
					if c, err := r.Accept(); err == nil {
						c.Close()
					}
				case 1:
					r.Reset()
				case 2:
					r.Unreachable(HostUnreachable)
				case 3:
					r.Drop()
				}
			})
			return err
		},
		"ForwardUDP": func() error {
			_, err := l.s.ForwardUDP(ForwardUDPConfig{MaxFlows: 100}, func(f *UDPFlow) {
				batch := []Datagram{{Buffer: make([]byte, 100)}}
				if n, err := f.ReadBatch(batch); n == 1 && err == nil {
					f.WriteBatch(batch)
				}
			})
			return err
		},
		"ForwardPing": func() error {
			_, err := l.s.ForwardPing(nil, func(r *EchoRequest) { r.Reply(); r.Unreachable(PortUnreachable) })
			return err
		},
	} {
		if err := serve(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// mend sets a frame's checksums right, if it is long enough to have them.
func mend(frame []byte) bool {
	if len(frame) < wire.VirtioHeaderLen+wire.IPv4HeaderLen {
		return false
	}
	h := wire.VirtioHeader{Flags: wire.VirtioDataValid}
	wire.PutVirtio(frame, &h)
	packet := frame[wire.VirtioHeaderLen:]
	if packet[0] == 0x45 {
		packet[10], packet[11] = 0, 0
		binary.BigEndian.PutUint16(packet[10:], ^wire.Fold(wire.Sum(packet[:20], 0)))
	}
	var ip wire.IP
	payload, err := wire.ParseIP(packet, &ip)
	if err != nil || len(payload) < 8 {
		return err == nil
	}
	switch ip.Protocol {
	case wire.ProtocolICMP:
		payload[2], payload[3] = 0, 0
		binary.BigEndian.PutUint16(payload[2:], ^wire.Fold(wire.Sum(payload, 0)))
	case wire.ProtocolICMPv6:
		payload[2], payload[3] = 0, 0
		sum := wire.PseudoHeaderSum(ip.Src, ip.Dst, ip.Protocol, len(payload))
		binary.BigEndian.PutUint16(payload[2:], ^wire.Fold(wire.Sum(payload, sum)))
	}
	return true
}
