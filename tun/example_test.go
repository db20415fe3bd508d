package tun_test

import (
	"fmt"
	"io"
	"log"
	"net/netip"

	wgtun "golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/tuntest"

	"minitcp/stack"
	"minitcp/tun"
)

// Two stacks on devices of package wireguard/tun. Here the devices are channels in memory; a program has the device of
// wireguard's tun.CreateTUN, which exists for other operating systems, too.
func ExampleWrap() {
	a, b := tuntest.NewChannelTUN(), tuntest.NewChannelTUN()
	go link(a.Inbound, b.Outbound)
	go link(b.Inbound, a.Outbound)
	client, server := stackOn(a.TUN(), "10.77.0.1/24"), stackOn(b.TUN(), "10.77.0.2/24")
	defer client.Close() // closes the adapter and the device, too
	defer server.Close()

	ln, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		c, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Fprint(c, "hello")
		c.Close()
	}()
	c, err := client.Dial("tcp", "10.77.0.2:80")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err)
	// Output: hello <nil>
}

// stackOn returns a stack with one address on a device.
func stackOn(device wgtun.Device, address string) *stack.Stack {
	adapter, err := tun.Wrap(device)
	if err != nil {
		log.Fatal(err)
	}
	s, err := stack.New(adapter, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// link carries packets from one device to the other.
func link(from <-chan []byte, to chan<- []byte) {
	for packet := range from {
		to <- packet
	}
}
