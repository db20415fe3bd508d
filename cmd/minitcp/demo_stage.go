//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"minitcp/cmd/minitcp/ladder"
	"minitcp/conn"
	"minitcp/stack"
	"minitcp/tun"
)

// demoPatience is how long the demo waits for something to happen before it says that it did not.
const demoPatience = 3 * time.Second

// demoDevice is the TUN's name. It is alone in its namespace.
const demoDevice = "mini0"

// timeWait is how long TIME-WAIT lasts in the demo. In life it is a minute.
const timeWait = time.Second

var (
	ourPrefix    = netip.MustParsePrefix("10.77.0.2/24")
	kernelPrefix = netip.MustParsePrefix("10.77.0.1/24")
	openPort     = netip.AddrPortFrom(ourPrefix.Addr(), 80)
	closedPort   = netip.AddrPortFrom(ourPrefix.Addr(), 81)
)

// stage is where the demo happens: a network namespace, a TUN in it, a server on our TCP at one end, the kernel's
// sockets at the other, and a ladder on which everything is drawn.
type stage struct {
	ctx       context.Context
	namespace *tun.Namespace
	kernel    *sockDiag
	link      *link
	stack     *stack.Stack
	listener  *stack.Listener
	ladder    *ladder.Ladder
	history   *history
	began     time.Time

	closing  sync.Once
	closeErr error

	mu       sync.Mutex
	clients  []*net.TCPConn // the kernel's, to be closed in the end
	diagErr  error          // the first of sock_diag's
	findings []finding

	main *connection // that of most scenes
}

// finding is whether something that should have happened was seen.
type finding struct {
	what string
	seen bool
}

// connection is both ends of a connection.
type connection struct {
	ends
	server *stack.Conn
	client *net.TCPConn
}

// newStage sets everything up, for Close to take it down again.
func newStage(ctx context.Context, l *ladder.Ladder, tap func(*stack.Frame)) (*stage, error) {
	s := &stage{ctx: ctx, ladder: l, history: newHistory()}
	if err := s.setUp(tap); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *stage) setUp(tap func(*stack.Frame)) (err error) {
	s.namespace, err = tun.NewNamespace("")
	if errors.Is(err, tun.ErrPermission) && !mayOpenDriver() {
		// With the driver, a user namespace would have given the right to all the rest; see withPrivilege.
		return fmt.Errorf("no right to open %s; run as root, or as root permit others with: chmod 666 %[1]s", tunDriver)
	}
	if err != nil {
		return err
	}
	if s.kernel, err = newSockDiag(s.namespace); err != nil {
		return err
	}
	device, err := tun.Open(tun.Config{Name: demoDevice, HostAddresses: []netip.Prefix{kernelPrefix}, Namespace: s.namespace})
	if err != nil {
		return err
	}
	s.link = newLink(device)
	s.link.lost = s.lost
	s.began = time.Now()
	s.stack, err = stack.New(s.link, stack.Config{
		Addresses: []netip.Prefix{ourPrefix},
		Conn:      conn.Config{TimeWait: timeWait},
		Trace:     s.trace,
		Tap:       tap,
	})
	if err != nil {
		return errors.Join(err, device.Close())
	}
	s.listener, err = s.stack.ListenTCP("tcp", openPort.String())
	return err
}

// Close ends what is still open and removes the device and the namespace. Closing again returns the same error.
func (s *stage) Close() error {
	s.closing.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *stage) close() error {
	s.mu.Lock()
	for _, c := range s.clients {
		c.Close()
	}
	s.mu.Unlock()
	var errs []error
	if s.stack != nil {
		errs = append(errs, s.stack.Close())
	}
	if s.kernel != nil {
		s.kernel.Close()
	}
	if s.namespace != nil {
		errs = append(errs, s.namespace.Close())
	}
	return errors.Join(errs...)
}

// find records whether something was seen.
func (s *stage) find(seen bool, format string, args ...any) {
	s.findings = append(s.findings, finding{fmt.Sprintf(format, args...), seen})
}

// dial connects a socket of the kernel's to ours.
func (s *stage) dial(to netip.AddrPort) (c *net.TCPConn, err error) {
	err = s.namespace.Do(func() error {
		d := net.Dialer{Timeout: demoPatience}
		made, err := d.DialContext(s.ctx, "tcp", to.String())
		if err == nil {
			c = made.(*net.TCPConn)
			err = c.SetDeadline(time.Now().Add(demoLimit))
		}
		return err
	})
	if c != nil {
		s.mu.Lock()
		s.clients = append(s.clients, c)
		s.mu.Unlock()
	}
	return c, err
}

// connect makes a connection from the kernel to us.
func (s *stage) connect() (*connection, error) {
	client, err := s.dial(openPort)
	if err != nil {
		return nil, err
	}
	if err := s.listener.SetDeadline(time.Now().Add(demoPatience)); err != nil {
		return nil, err
	}
	server, err := s.listener.AcceptTCP()
	if err != nil {
		return nil, err
	}
	if err := server.SetDeadline(time.Now().Add(demoLimit)); err != nil {
		return nil, err
	}
	c := &connection{server: server, client: client}
	c.ours = server.LocalAddr().(*net.TCPAddr).AddrPort()
	c.theirs = server.RemoteAddr().(*net.TCPAddr).AddrPort()
	return c, nil
}

// settled waits until both sides have acknowledged everything, so that the next scene begins on a quiet line.
func (s *stage) settled(c *connection) bool {
	return s.eventually(func() bool {
		i := c.server.Info()
		k, err := s.kernel.find(c.theirs, c.ours)
		return err == nil && i.InFlight == 0 && i.Unsent == 0 && k.Unacknowledged == 0
	})
}

// eventually waits until the condition holds, for demoPatience.
func (s *stage) eventually(condition func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(demoPatience); !condition(); <-tick.C {
		if s.ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
	}
	return true
}
