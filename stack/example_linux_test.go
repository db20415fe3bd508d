package stack_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"testing"

	"minitcp/stack"
	"minitcp/tun"
)

// echoOnTUN returns what a program of the host reads from an echo server on a TUN. The TUN is in a network namespace of
// its own.
func echoOnTUN(text string) (string, error) {
	namespace, err := tun.NewNamespace("")
	if err != nil {
		return "", err
	}
	defer namespace.Close()
	device, err := tun.Open(tun.Config{Namespace: namespace, HostAddresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24")}})
	if err != nil {
		return "", err
	}
	s, err := stack.New(device, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")}})
	if err != nil {
		return "", err
	}
	defer s.Close() // closes the device, and so removes it
	ln, err := s.Listen("tcp", ":7")
	if err != nil {
		return "", err
	}
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()

	var reply []byte
	err = namespace.Do(func() error {
		c, err := net.Dial("tcp", "10.77.0.2:7") // with the kernel's TCP
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprint(c, text)
		c.(*net.TCPConn).CloseWrite()
		reply, err = io.ReadAll(c)
		return err
	})
	return string(reply), err
}

// An echo server on a TUN. It needs CAP_SYS_ADMIN for the namespace and CAP_NET_ADMIN for the TUN; TestEchoOnTUN runs
// it.
func Example_tun() {
	reply, err := echoOnTUN("hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply)
}

func TestEchoOnTUN(t *testing.T) {
	if _, err := os.Stat("/dev/net/tun"); (err != nil || os.Geteuid() != 0) && os.Getenv("CI") != "true" {
		t.Skip("NOT TESTED: this test needs root and /dev/net/tun")
	}
	if reply, err := echoOnTUN("hello"); err != nil || reply != "hello" {
		t.Errorf("%q, %v; want hello", reply, err)
	}
}
