package tun_test

import (
	"log"
	"net/netip"

	"minitcp/stack"
	"minitcp/tun"
)

// A stack on a TUN device. Open needs CAP_NET_ADMIN.
func ExampleOpen() {
	device, err := tun.Open(tun.Config{
		Name:          "mini0",
		HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")},
	})
	if err != nil {
		log.Fatal(err)
	}
	s, err := stack.New(device, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close() // closes the device, and so removes it
}
