package pcap_test

import (
	"fmt"
	"log"
	"net/netip"
	"os"
	"path/filepath"

	"minitcp/stack"
	"minitcp/stack/pcap"
	"minitcp/stack/stacktest"
)

// A capture of a stack's packets. tcpdump and Wireshark open the file.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "pcap")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := pcap.Create(pcap.Config{Path: filepath.Join(dir, "mini.pcapng"), Interface: "mini0"})
	if err != nil {
		log.Fatal(err)
	}
	device, _ := stacktest.Pipe(1500) // a program has a device of tun.Open
	s, err := stack.New(device, stack.Config{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")},
		Tap:       c.Tap,
	})
	if err != nil {
		log.Fatal(err)
	}
	u, err := s.DialUDP(netip.AddrPort{}, netip.MustParseAddrPort("10.77.0.2:9"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(u, "hello")
	s.Close() // before the capture, which then holds every packet
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Counts().Captured, "packet")
	// Output: 1 packet
}
