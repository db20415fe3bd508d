package memory

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"minitcp/stack"
	"minitcp/stack/stacktest"
)

const (
	echoPort  = 7 // of the busy connections
	firstPort = 1000
	perPort   = 25000 // idle connections to a port, of which a client has 28,232
	dialers   = 8
)

var (
	serverAddress = netip.MustParsePrefix("10.0.0.1/24")
	clientAddress = netip.MustParsePrefix("10.0.0.2/24")
)

// network is a server and a client.
type network struct {
	server, client *stack.Stack
	ports          int           // number of ports with a listener
	held           []io.Closer   // the client's idle connections
	accepted       []*stack.Conn // the server's, guarded by mu
	mu             sync.Mutex
	failed         error // the first failure of the server
}

// budget is that of each stack: 16 KiB for each connection of the largest step. An idle connection counts with 1 KiB.
const budget = MaxConnections * 16 << 10

func newNetwork() (*network, error) {
	a, b := stacktest.New(stacktest.Config{Queue: 4096})
	server, err := stack.New(a, stack.Config{Addresses: []netip.Prefix{serverAddress}, Memory: budget})
	if err != nil {
		return nil, err
	}
	client, err := stack.New(b, stack.Config{Addresses: []netip.Prefix{clientAddress}, Memory: budget})
	if err != nil {
		server.Close()
		return nil, err
	}
	n := &network{server: server, client: client}
	return n, n.listen(echoPort, func(c *stack.Conn) {
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	})
}

func (n *network) close() {
	n.client.Close()
	n.server.Close()
}

// listen serves the connections to a port, one after the other.
func (n *network) listen(port int, serve func(*stack.Conn)) error {
	l, err := n.server.ListenTCP("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			serve(c)
		}
	}()
	return nil
}

// hold returns a byte, and keeps the connection.
func (n *network) hold(c *stack.Conn) {
	n.mu.Lock()
	n.accepted = append(n.accepted, c) // before the client receives its byte and continues
	n.mu.Unlock()
	if err := exchange(c, false); err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.failed == nil {
			n.failed = err
		}
	}
}

// kept returns the connections that the server holds.
func (n *network) kept() []*stack.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.accepted
}

// exchange passes one byte in each direction.
func exchange(c *stack.Conn, first bool) (err error) {
	var one [1]byte
	if first {
		_, err = c.Write(one[:])
	}
	if err == nil {
		_, err = io.ReadFull(c, one[:])
	}
	if err == nil && !first {
		_, err = c.Write(one[:])
	}
	return err
}

// grow opens idle connections until there are n.
func (n *network) grow(ctx context.Context, connections int) error {
	for ; n.ports*perPort < connections; n.ports++ {
		if err := n.listen(firstPort+n.ports, n.hold); err != nil {
			return err
		}
	}
	next, last := len(n.held), connections
	n.held = append(n.held, make([]io.Closer, last-next)...)
	errs := make([]error, dialers)
	var all sync.WaitGroup
	for d := range dialers {
		all.Go(func() {
			for i := next + d; i < last && errs[d] == nil; i += dialers {
				n.held[i], errs[d] = n.open(ctx, i/perPort)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failed
}

func (n *network) open(ctx context.Context, port int) (*stack.Conn, error) {
	c, err := n.dial(ctx, firstPort+port)
	if err != nil {
		return nil, err
	}
	return c, exchange(c, true)
}

func (n *network) dial(ctx context.Context, port int) (*stack.Conn, error) {
	return n.client.DialTCP(ctx, netip.AddrPort{}, netip.AddrPortFrom(serverAddress.Addr(), uint16(port)))
}

// watch starts a goroutine that waits in Read for each of the connections. All of them have started when it returns.
func watch(kept []*stack.Conn) {
	var begun sync.WaitGroup
	begun.Add(len(kept))
	for _, c := range kept {
		go func() {
			var one [1]byte
			begun.Done()
			c.Read(one[:])
		}()
	}
	begun.Wait()
}
