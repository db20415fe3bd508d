package minitcp_test

import (
	"log"
	"net/http"
	"net/netip"

	"minitcp/stack"
	"minitcp/tun"
)

// This is the README's example: a web server, and a connection to the host on the other side of the TUN.
func Example() {
	dev, err := tun.Open(tun.Config{Name: "mini0", HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}})
	if err != nil {
		log.Fatal(err)
	}
	s, err := stack.New(dev, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}})
	if err != nil {
		log.Fatal(err)
	}
	ln, err := s.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(ln, nil)
	c, err := s.Dial("tcp", "10.77.0.1:8080") // a net.Conn
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
}
