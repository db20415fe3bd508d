package pcap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// cutNaively cuts a superframe with gopacket.
func cutNaively(t *testing.T, frame []byte, size int) (segments [][]byte) {
	t.Helper()
	packet := frame[wire.VirtioHeaderLen:]
	first := layers.LayerTypeIPv4
	if packet[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	decoded := gopacket.NewPacket(packet, first, gopacket.Default)
	tcp, ok := decoded.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok {
		t.Fatal("no TCP")
	}
	all := tcp.Payload
	for at := 0; at < len(all); at += size {
		h := *tcp
		h.Seq += uint32(at)
		isLast := at+size >= len(all)
		h.FIN, h.PSH, h.CWR = tcp.FIN && isLast, tcp.PSH && isLast, tcp.CWR && at == 0
		var below gopacket.SerializableLayer
		switch ip := decoded.NetworkLayer().(type) {
		case *layers.IPv4:
			own := *ip
			own.Id += uint16(at / size)
			h.SetNetworkLayerForChecksum(&own)
			below = &own
		case *layers.IPv6:
			own := *ip
			h.SetNetworkLayerForChecksum(&own)
			below = &own
		}
		b := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
			below, &h, gopacket.Payload(all[at:min(at+size, len(all))]))
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, b.Bytes())
	}
	return segments
}

const allOnce = wire.ACK | wire.PSH | wire.FIN | wire.CWR | wire.ECE

func TestCut(t *testing.T) {
	for _, spec := range []segmentSpec{
		{flags: wire.ACK, data: 3000, size: 1448, partial: true},
		{flags: allOnce, data: 2896, size: 1448, partial: true, id: 0xfffe, seq: 1<<32 - 1448},
		{flags: allOnce, data: 2897, size: 1448, partial: true, id: 0xfffe, seq: 1<<32 - 100},
		{flags: allOnce, data: 65535 - 52, size: 536, partial: true, id: 77},
		{flags: wire.ACK | wire.PSH, data: 9, size: 1, seq: 5},
		{src: theirs6, dst: ours6, flags: allOnce, data: 60000, size: 1428, partial: true},
		{src: theirs6, dst: ours6, flags: wire.ACK, data: 1429, size: 1428, partial: true, seq: 1<<32 - 1},
	} {
		t.Run(fmt.Sprintf("%d by %d", spec.data, spec.size), func(t *testing.T) {
			b := spec.frame()
			if spec.flags.Has(wire.CWR) {
				b[1] |= wire.GSOECN
			}
			want := cutNaively(t, b, spec.size)
			c, path := create(t, Config{Superframes: Cut})
			c.Tap(&stack.Frame{Parts: [][]byte{b}, State: conn.Established})
			closeCapture(t, c)
			got := readFile(t, path).packets
			if len(got) != len(want) || len(got) != (spec.data+spec.size-1)/spec.size {
				t.Fatalf("%d segments, want %d", len(got), len(want))
			}
			for i := range want {
				got[i].segment(t)
				if !bytes.Equal(got[i].bytes, want[i]) {
					t.Fatalf("segment %d:\n%x, want\n%x", i, got[i].bytes, want[i])
				}
				if c := fmt.Sprintf("ESTABLISHED; segment %d of %d of a superframe", i+1, len(want)); got[i].comment() != c {
					t.Errorf("segment %d: %q, want %q", i, got[i].comment(), c)
				}
			}
		})
	}
}

// IPv4 options, IPv6 extension headers and unknown TCP options are on every segment.
func TestCutCopiesHeaders(t *testing.T) {
	spec := segmentSpec{flags: wire.ACK, data: 2500, size: 1000, partial: true}
	four := spec.frame()
	packet := append(bytes.Clone(four[10:30]), 1, 1, 1, 0) // three no-operations, and the end
	packet = append(packet, four[30:]...)
	packet[0] = 0x46
	binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	binary.BigEndian.PutUint16(packet[10:], 0)
	binary.BigEndian.PutUint16(packet[10:], wire.ChecksumGather(0, [][]byte{packet[:24]}))
	packet[24+20] = 253 // was a no-operation: an option of length 1, which none has
	four = append(bytes.Clone(four[:10]), packet...)

	spec.src, spec.dst = theirs6, ours6
	six := spec.frame()
	packet = append(bytes.Clone(six[10:50]), 6, 0, 1, 4, 0, 0, 0, 0) // destination options: padding
	packet = append(packet, six[50:]...)
	packet[6] = 60
	binary.BigEndian.PutUint16(packet[4:], uint16(len(packet)-40))
	six = append(bytes.Clone(six[:10]), packet...)

	c, path := create(t, Config{Superframes: Cut})
	c.Tap(&stack.Frame{Parts: [][]byte{four}})
	c.Tap(&stack.Frame{Parts: [][]byte{six}})
	closeCapture(t, c)
	got := readFile(t, path).packets
	if len(got) != 6 {
		t.Fatalf("%d packets, want 6", len(got))
	}
	for i, p := range got {
		original, headers := four[10:], 24+32
		if i >= 3 {
			original, headers = six[10:], 48+32
		}
		var ip wire.IP
		segment, err := wire.ParseIP(p.bytes, &ip)
		if err != nil || !wire.VerifyTCP(&ip, segment) || ip.HeaderLen != headers-32 {
			t.Fatalf("packet %d: %+v, %v", i, ip, err)
		}
		at := i % 3 * 1000
		want := original[headers+at : min(headers+at+1000, len(original))]
		if !bytes.Equal(segment[32:], want) {
			t.Errorf("packet %d has %d other bytes of data", i, len(segment)-32)
		}
		if !bytes.Equal(segment[20:32], original[headers-12:headers]) {
			t.Errorf("packet %d: options %x", i, segment[20:32])
		}
	}
}

// A packet of one segment is not cut.
func TestCutNothing(t *testing.T) {
	c, path := create(t, Config{Superframes: Cut})
	for _, spec := range []segmentSpec{
		{flags: wire.SYN, partial: true},
		{flags: allOnce, data: 1448, size: 1448, partial: true},
		{flags: wire.ACK, data: 60000, partial: true},
	} {
		c.Tap(&stack.Frame{Parts: [][]byte{spec.frame()}})
	}
	datagrams := segmentSpec{flags: wire.ACK, data: 3000, partial: true}.frame()
	datagrams[1] = wire.GSOUDPL4
	c.Tap(&stack.Frame{Parts: [][]byte{datagrams}})
	closeCapture(t, c)
	for i, want := range []wire.Flags{wire.SYN, allOnce, wire.ACK, wire.ACK} {
		p := readFile(t, path).packets[i]
		if _, tcp, _ := p.segment(t); tcp.Flags != want || p.comment() != "no connection" {
			t.Errorf("packet %d: %v, %q", i, tcp.Flags, p.comment())
		}
	}
}
