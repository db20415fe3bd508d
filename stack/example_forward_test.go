package stack_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"syscall"

	"minitcp/stack"
	"minitcp/stack/relay"
)

// dialAndRelay connects a client to the port of its destination on this host, and passes on data, the end of either
// direction, resets, and the error of the dial.
func dialAndRelay(r *stack.ForwardRequest) {
	var d net.Dialer
	address := fmt.Sprintf("127.0.0.1:%d", r.Destination().Port()) // a proxy dials r.Destination()
	server, err := d.DialContext(r.Context(), "tcp", address)
	switch {
	case err == nil:
		client, err := r.Accept()
		if err != nil { // the client has given up
			server.Close()
			return
		}
		relay.Relay(client, server.(*net.TCPConn), relay.Config{})
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Reset()
	case errors.Is(err, syscall.ENETUNREACH):
		r.Unreachable(stack.NetUnreachable)
	case errors.Is(err, syscall.EACCES):
		r.Unreachable(stack.AdminProhibited)
	default:
		r.Unreachable(stack.HostUnreachable)
	}
}

// A TCP forwarder takes connections to any address, and dials the destination for each before it answers.
func ExampleStack_ForwardTCP() {
	client, gateway := twoStacks()
	defer client.Close()
	defer gateway.Close()
	_, err := gateway.ForwardTCP(stack.ForwardConfig{}, func(r *stack.ForwardRequest) { go dialAndRelay(r) })
	if err != nil {
		log.Fatal(err)
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		c, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(c, c) // until the client's FIN
		c.Close()
	}()
	address := fmt.Sprintf("192.0.2.1:%d", ln.Addr().(*net.TCPAddr).Port)
	c, err := client.Dial("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "hello")
	c.(*stack.Conn).CloseWrite()
	reply, err := io.ReadAll(c)
	fmt.Println(string(reply), err)

	ln.Close()
	_, err = client.Dial("tcp", address)
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	// Output:
	// hello <nil>
	// true
}
