//go:build linux

package main

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// answerName answers a query: for "small." with one address, and for "large." with 100 addresses or 16 texts, which
// over UDP are truncated unless the client takes 4096 bytes (EDNS).
func answerName(query []byte, network string) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	q := m.Questions[0]
	room := 512
	for _, a := range m.Additionals {
		if a.Header.Type == dnsmessage.TypeOPT {
			room = int(a.Header.Class)
		}
	}
	m.Response, m.Additionals = true, nil
	add := func(body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body})
	}
	switch {
	case q.Type == dnsmessage.TypeA && q.Name.String() == "small.":
		add(&dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
	case q.Type == dnsmessage.TypeA:
		for i := range 100 {
			add(&dnsmessage.AResource{A: [4]byte{192, 0, 2, byte(i)}})
		}
	case q.Type == dnsmessage.TypeTXT:
		for range 15 {
			add(&dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 241)}})
		}
		add(&dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 250)}}) // 4096 bytes in all
	}
	answer, err := m.Pack()
	if network == "udp" && len(answer) > room {
		m.Truncated, m.Answers = true, nil
		answer, err = m.Pack()
	}
	return answer, err
}

// serveNames answers queries with the kernel's sockets, over UDP and TCP.
func serveNames(t *testing.T, u *net.UDPConn, l net.Listener) {
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := u.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			answer, err := answerName(b[:n], "udp")
			if err != nil {
				t.Error(err)
				return
			}
			u.WriteToUDPAddrPort(answer, from)
		}
	}()
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			var length [2]byte
			io.ReadFull(c, length[:])
			b := make([]byte, binary.BigEndian.Uint16(length[:]))
			io.ReadFull(c, b)
			answer, err := answerName(b, "tcp")
			if err != nil {
				t.Error(err)
			}
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			c.Close()
		}
	}()
}

// Queries of a stack to a name server of the kernel's: a small answer, one that is truncated and asked for again over
// TCP, and one of 4096 bytes, which the kernel sends in fragments.
func TestNamesFromKernel(t *testing.T) {
	g := newGateway(t)
	for _, host := range []string{"10.77.0.1", "fd77::1"} {
		t.Run(host, func(t *testing.T) {
			address := net.JoinHostPort(host, "53")
			var l net.Listener
			if err := g.clients.Do(func() (err error) { l, err = net.Listen("tcp", address); return err }); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			serveNames(t, socketIn(t, g.clients, address, ""), l)

			server := netip.MustParseAddrPort(address)
			resolver := g.stack.Resolver(server)
			small, err := resolver.LookupNetIP(t.Context(), "ip4", "small.")
			if want := []netip.Addr{netip.MustParseAddr("192.0.2.1")}; err != nil || !slices.Equal(small, want) {
				t.Errorf("small: %v, %v; want %v", small, err, want)
			}
			if large, err := resolver.LookupNetIP(t.Context(), "ip4", "large."); err != nil || len(large) != 100 {
				t.Errorf("truncated: %d addresses, %v; want 100", len(large), err)
			}

			query := dnsmessage.Message{
				Header:      dnsmessage.Header{ID: 1, RecursionDesired: true},
				Questions:   []dnsmessage.Question{{Name: dnsmessage.MustNewName("large."), Type: dnsmessage.TypeTXT, Class: dnsmessage.ClassINET}},
				Additionals: []dnsmessage.Resource{{Body: &dnsmessage.OPTResource{}}},
			}
			query.Additionals[0].Header.Name = dnsmessage.MustNewName(".")
			if err := query.Additionals[0].Header.SetEDNS0(4096, dnsmessage.RCodeSuccess, false); err != nil {
				t.Fatal(err)
			}
			b, err := query.Pack()
			if err != nil {
				t.Fatal(err)
			}
			c, err := g.stack.DialUDP(netip.AddrPort{}, server)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
			b = make([]byte, 65535)
			n, err := c.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			var answer dnsmessage.Message
			if err := answer.Unpack(b[:n]); err != nil || len(answer.Answers) != 16 || answer.Truncated || n != 4096 {
				t.Errorf("an answer of %d bytes, %d texts, truncated %v, %v; want 4096 bytes, 16 texts", n, len(answer.Answers), answer.Truncated, err)
			}
		})
	}
}
