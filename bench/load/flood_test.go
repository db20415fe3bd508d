//go:build linux

package load

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"minitcp/bench/subject"
	"minitcp/conn/wire"
)

// A flood has valid SYNs to one port from many sources.
func TestFloodSYN(t *testing.T) {
	f := &Flood{server: subject.ServerAddress.Addr(), random: rand.NewPCG(1, 2)}
	sources := make(map[netip.AddrPort]bool)
	const syns = 1000
	for range syns {
		b := make([]byte, wire.IPv4HeaderLen+floodSegment)
		f.put(b)
		var ip wire.IP
		var tcp wire.TCP
		segment, err := wire.ParseIP(b, &ip)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.ParseTCP(segment, &tcp); err != nil || !wire.VerifyTCP(&ip, segment) {
			t.Fatalf("% x: %v, or a wrong checksum", segment, err)
		}
		if tcp.Flags != wire.SYN || tcp.Options.MSS != 1460 || ip.Dst != f.server || tcp.DstPort != subject.PortEcho || !FloodSources.Contains(ip.Src) {
			t.Fatalf("%+v %+v", ip, tcp)
		}
		sources[netip.AddrPortFrom(ip.Src, tcp.SrcPort)] = true
	}
	if len(sources) < syns-1 { // equal ones are rare
		t.Errorf("%d sources of %d SYNs", len(sources), syns)
	}
}
