package reassembly

import (
	"bytes"
	"testing"

	"minitcp/conn/wire"
)

// The fragments of a packet fit the MTU, all but the last are as large as fits, and a Reassembler makes the packet of
// them again.
func TestCut(t *testing.T) {
	for _, ip := range []wire.IP{
		{Src: a4, Dst: b4, Protocol: wire.ProtocolUDP, HopLimit: 7, TrafficClass: 4},
		{Src: a6, Dst: b6, Protocol: wire.ProtocolUDP, HopLimit: 7, TrafficClass: 4},
	} {
		for _, test := range []struct{ size, mtu, most4, most6 int }{
			{2000, 1500, 1480, 1448}, {1481, 1500, 1480, 1448}, {60000, 1280, 1256, 1232}, {3000, 576, 552, 528},
		} {
			most := test.most6
			if ip.Is4() {
				most = test.most4
			}
			payload := count(test.size)
			header := make([]byte, 60)
			var r Reassembler
			var whole []byte
			n := 0
			cut := ip
			Cut(header, &cut, payload, 12345, test.mtu, func(headerLen int, data []byte) {
				if left := test.size - n*most; len(data) != min(most, left) || headerLen+len(data) > test.mtu {
					t.Errorf("%v, %+v: fragment %d has %d bytes of headers and %d of data", ip.Src, test, n, headerLen, len(data))
				}
				if whole != nil {
					t.Errorf("%v, %+v: the packet is complete before fragment %d", ip.Src, test, n)
				}
				whole = r.Receive(0, append(bytes.Clone(header[:headerLen]), data...))
				n++
			})
			if want := (test.size + most - 1) / most; n != want || cut != ip {
				t.Errorf("%v, %+v: %d fragments, header %+v; want %d, and the header as before", ip.Src, test, n, cut, want)
			}
			var got wire.IP
			data, err := wire.ParseIP(whole, &got)
			if err != nil || !bytes.Equal(data, payload) || got.Src != ip.Src || got.Dst != ip.Dst || got.Protocol != ip.Protocol || got.HopLimit != ip.HopLimit {
				t.Errorf("%v, %+v: the packet of the fragments has the header %+v and %d bytes, %v", ip.Src, test, got, len(data), err)
			}
		}
	}
}
