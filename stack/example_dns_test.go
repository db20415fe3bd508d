package stack_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"minitcp/stack"
)

// serveDNS answers every query for an IPv4 address with 192.0.2.1.
func serveDNS(c *stack.UDPConn) {
	b := make([]byte, 1500)
	for {
		n, client, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(b[:n]); err != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.Additionals = true, nil
		if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
			}}
		}
		answer, err := m.Pack()
		if err != nil {
			log.Fatal(err)
		}
		c.WriteToUDPAddrPort(answer, client)
	}
}

// Go's resolver, whose queries go over the stack. With [stack.Config.Nameservers], Dial takes names, too.
func ExampleStack_Resolver() {
	client, server := twoStacks()
	defer client.Close()
	defer server.Close()
	c, err := server.ListenUDP("udp", ":53")
	if err != nil {
		log.Fatal(err)
	}
	go serveDNS(c)

	resolver := client.Resolver(netip.MustParseAddrPort("10.77.0.2:53"))
	addresses, err := resolver.LookupNetIP(context.Background(), "ip4", "www.example.com.")
	fmt.Println(addresses, err)
	// Output: [192.0.2.1] <nil>
}
