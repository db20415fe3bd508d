package stack_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"

	"minitcp/stack"
	"minitcp/stack/stacktest"
)

// twoStacks returns two stacks on a link in memory, with the addresses 10.77.0.1 and 10.77.0.2. A program has one
// stack, on a device such as that of tun.Open or tun.Wrap.
func twoStacks() (client, server *stack.Stack) {
	a, b := stacktest.Pipe(1500)
	return newStack(a, "10.77.0.1/24"), newStack(b, "10.77.0.2/24")
}

func newStack(d stack.Device, address string) *stack.Stack {
	s, err := stack.New(d, stack.Config{Addresses: []netip.Prefix{netip.MustParsePrefix(address)}})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// An echo server with a goroutine for each connection, as with package net.
func ExampleStack_Listen() {
	client, server := twoStacks()
	defer client.Close()
	defer server.Close()

	ln, err := server.Listen("tcp", ":7")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()

	c, err := client.Dial("tcp", "10.77.0.2:7")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	c.(*stack.Conn).CloseWrite()
	reply, err := io.ReadAll(c)
	fmt.Println(string(reply), err)
	// Output: hello <nil>
}

// Package http over a stack: a server on its listener, and a client whose Transport dials with it.
func ExampleStack_DialContext() {
	client, server := twoStacks()
	defer client.Close()
	defer server.Close()

	ln, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", r.URL.Path, r.Context().Value(http.LocalAddrContextKey))
	}))

	// DialContext takes host names if the stack has name servers; see Config.Nameservers.
	web := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	defer web.CloseIdleConnections()
	response, err := web.Get("http://10.77.0.2/index")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(string(body), err)
	// Output: /index from 10.77.0.2:80 <nil>
}

// upperCase is a Handler that returns data in upper case.
type upperCase struct{}

func (upperCase) Received(c *stack.Conn, data []byte) int {
	reply := make([]byte, len(data))
	for i, b := range data {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		reply[i] = b
	}
	n, _ := c.TryWrite(reply) // the connection keeps the bytes that were not taken, until Writable
	return n
}

func (upperCase) Writable(*stack.Conn) {}

func (upperCase) Ended(c *stack.Conn, err error) { c.Close() }

// A server without a goroutine for each connection.
func ExampleStack_Handle() {
	client, server := twoStacks()
	defer client.Close()
	defer server.Close()

	_, err := server.Handle("tcp", ":7", func(*stack.Conn) stack.Handler { return upperCase{} })
	if err != nil {
		log.Fatal(err)
	}

	c, err := client.Dial("tcp", "10.77.0.2:7")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	reply := make([]byte, 5)
	_, err = io.ReadFull(c, reply)
	fmt.Println(string(reply), err)
	// Output: HELLO <nil>
}

// An orderly end: Shutdown closes listeners and connections, sends all data, and waits for the peers until ctx ends.
func ExampleStack_Shutdown() {
	client, server := twoStacks()
	defer client.Close()

	ln, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fmt.Println(server.Shutdown(ctx))
	_, err = ln.Accept()
	fmt.Println(err)
	<-server.Done()
	fmt.Println(server.Err() == net.ErrClosed)
	// Output:
	// <nil>
	// accept tcp [::]:80: use of closed network connection
	// true
}
