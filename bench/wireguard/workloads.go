package wireguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Workload is a kind of traffic.
type Workload struct {
	Name string
	Unit string // counted: "bytes", "exchanges", "connections" or "datagrams"
	run  func(t *tunnel, until time.Time, done *atomic.Int64) error
}

// Workloads are all of them. Up is from the end that has dialed.
var Workloads = []Workload{
	{"bulk up, 1 flow", "bytes", bulk(1, true)},
	{"bulk down, 1 flow", "bytes", bulk(1, false)},
	{"bulk up, 8 flows", "bytes", bulk(8, true)},
	{"bulk down, 8 flows", "bytes", bulk(8, false)},
	{"rr, 1 connection", "exchanges", pingPong(1)},
	{"rr, 32 connections", "exchanges", pingPong(32)},
	{"crr, 1 at a time", "connections", connectPingClose(1)},
	{"crr, 32 at a time", "connections", connectPingClose(32)},
	{"UDP, 64 bytes", "datagrams", datagrams(64)},
	{"UDP, 1400 bytes", "datagrams", datagrams(1392)}, // with its header 1,400, which fits the MTU
}

const (
	bulkPort, echoPort, crrPort, sinkPort = 1, 2, 3, 4

	message = 64        // bytes of a request, and of an answer
	piece   = 128 << 10 // bytes of a Write or Read of bulk data
)

func (t *tunnel) dial(port uint16) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return t.client.DialContext(ctx, "tcp", netip.AddrPortFrom(serverAddress, port).String())
}

// serve calls handle for each connection to a port, on a goroutine of its own.
func (t *tunnel) serve(port uint16, handle func(net.Conn)) error {
	l, err := t.server.listenTCP(port)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go handle(c)
		}
	}()
	return nil
}

// together runs f n times at once.
func together(n int, f func() error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = f() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// bulk counts the bytes that arrive over a number of connections.
func bulk(flows int, up bool) func(*tunnel, time.Time, *atomic.Int64) error {
	return func(t *tunnel, until time.Time, done *atomic.Int64) error {
		send := func(c net.Conn) {
			for b := make([]byte, piece); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
		receive := func(c net.Conn) {
			for b := make([]byte, piece); ; {
				n, err := c.Read(b)
				done.Add(int64(n))
				if err != nil {
					return
				}
			}
		}
		if !up {
			send, receive = receive, send
		}
		if err := t.serve(bulkPort, receive); err != nil {
			return err
		}
		return together(flows, func() error {
			c, err := t.dial(bulkPort)
			if err != nil {
				return err
			}
			c.SetDeadline(until)
			send(c)
			return nil
		})
	}
}

// exchange sends a message and waits for the answer.
func exchange(c net.Conn, b []byte) error {
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

// pingPong counts the messages that are answered, over a number of connections.
func pingPong(connections int) func(*tunnel, time.Time, *atomic.Int64) error {
	return func(t *tunnel, until time.Time, done *atomic.Int64) error {
		if err := t.serve(echoPort, echo); err != nil {
			return err
		}
		return together(connections, func() error {
			c, err := t.dial(echoPort)
			if err != nil {
				return err
			}
			for b := make([]byte, message); time.Now().Before(until); done.Add(1) {
				if err := exchange(c, b); err != nil {
					return fmt.Errorf("exchange: %w", err)
				}
			}
			return nil
		})
	}
}

func echo(c net.Conn) {
	for b := make([]byte, message); ; {
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// connectPingClose counts connections with one exchange, after which the server closes first.
func connectPingClose(atOnce int) func(*tunnel, time.Time, *atomic.Int64) error {
	return func(t *tunnel, until time.Time, done *atomic.Int64) error {
		if err := t.serve(crrPort, func(c net.Conn) {
			b := make([]byte, message)
			if _, err := io.ReadFull(c, b); err == nil {
				c.Write(b)
			}
			c.Close()
		}); err != nil {
			return err
		}
		return together(atOnce, func() error {
			for b := make([]byte, message); time.Now().Before(until); done.Add(1) {
				c, err := t.dial(crrPort)
				if err != nil {
					return err
				}
				if err := exchange(c, b); err != nil {
					return fmt.Errorf("exchange: %w", err)
				}
				if _, err := c.Read(b); err != io.EOF {
					return fmt.Errorf("the end of the connection: %w", err)
				}
				c.Close()
			}
			return nil
		})
	}
}

// group is the number of datagrams that are sent, and whose arrival is reported to the sender, at once. With groups
// of them in flight, they fit into the receive queues of both stacks.
const (
	group  = 16
	groups = 8
	// lost is the time after which datagrams that have not arrived are given up.
	lost = 20 * time.Millisecond
)

// datagrams counts the datagrams of a size that arrive, while one socket sends as many as it can with a window, as
// protocols over UDP have one: without, most of the time goes to datagrams that are lost.
func datagrams(size int) func(*tunnel, time.Time, *atomic.Int64) error {
	return func(t *tunnel, until time.Time, done *atomic.Int64) error {
		sink, err := t.server.listenUDP(sinkPort)
		if err != nil {
			return err
		}
		credit := make(chan struct{}, groups)
		for range groups {
			credit <- struct{}{}
		}
		go func() {
			for b := make([]byte, 2048); ; {
				if _, _, err := sink.ReadFrom(b); err != nil {
					return
				}
				if done.Add(1)%group == 0 {
					select {
					case credit <- struct{}{}:
					default:
					}
				}
			}
		}()
		c, err := t.client.DialContext(context.Background(), "udp", netip.AddrPortFrom(serverAddress, sinkPort).String())
		if err != nil {
			return err
		}
		for b := make([]byte, size); time.Now().Before(until); {
			select {
			case <-credit:
			default:
				select {
				case <-credit:
				case <-time.After(lost):
				}
			}
			for range group {
				if _, err := c.Write(b); err != nil {
					return err
				}
			}
		}
		return nil
	}
}
