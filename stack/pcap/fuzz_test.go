package pcap

import (
	"bytes"
	"net/netip"
	"testing"

	"minitcp/conn/wire"
)

// For any frame, cutting does not panic or change the data, and the segments have correct checksums.
func FuzzFrame(f *testing.F) {
	f.Add(segmentSpec{flags: wire.SYN, partial: true}.frame())
	f.Add(segmentSpec{flags: allOnce, data: 100, size: 7, partial: true, id: 0xffff}.frame())
	f.Add(segmentSpec{src: theirs6, dst: ours6, flags: allOnce, data: 100, size: 50, partial: true}.frame())
	f.Add(packetFrame(theirs4, ours4, wire.ProtocolICMP, make([]byte, 8)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		filter := Filter{Hosts: []netip.Addr{ours4, ours6}, Ports: []uint16{80}}
		filter.matches([][]byte{frame})
		filter.matches([][]byte{frame[:len(frame)/2], frame[len(frame)/2:]})
		var h wire.VirtioHeader
		if wire.ParseVirtio(frame, &h) != nil || len(frame) > 8192 { // long frames are slow
			return
		}
		packet := frame[wire.VirtioHeaderLen:]
		var c cutter
		n := c.load(frame, &h)
		if n > 1 {
			var data []byte
			for i := range n {
				var ip wire.IP
				b := c.segment(i)
				segment, err := wire.ParseIP(b, &ip)
				if err != nil || !wire.VerifyTCP(&ip, segment) || len(b) > len(packet) {
					t.Fatalf("segment %d of %d: %x, %v", i, n, b, err)
				}
				data = append(data, segment[c.tcp.HeaderLen:]...)
			}
			if !bytes.Equal(data, c.data) {
				t.Fatalf("%d bytes of data became %d", len(c.data), len(data))
			}
		}
		fillChecksum(packet, &h)
	})
}
