//go:build linux

package demo

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

// patience is the time after which the demo reports a missing event.
const patience = 3 * time.Second

// Device is the name of the demo's TUN, the only one in its network namespace.
const Device = "mini0"

// timeWait is the duration of TIME-WAIT in the demo. minitcp's default is one minute.
const timeWait = time.Second

var (
	ourPrefix    = netip.MustParsePrefix("10.77.0.2/24")
	kernelPrefix = netip.MustParsePrefix("10.77.0.1/24")
	openPort     = netip.AddrPortFrom(ourPrefix.Addr(), 80)
	closedPort   = netip.AddrPortFrom(ourPrefix.Addr(), 81)
)

// lab is the demo's equipment: a network namespace with a TUN in it, a server on minitcp at one end, clients on the
// kernel's TCP at the other, and a ladder on which every segment is drawn.
type lab struct {
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

	mu           sync.Mutex
	clients      []*net.TCPConn // the kernel's connections; close closes them
	diagErr      error          // the first error of sock_diag
	expectations []expectation

	main *connection // used by most scenes
}

// expectation is an event of the lesson, and whether the demo observed it.
type expectation struct {
	event string
	seen  bool
}

// connection holds both ends of a connection.
type connection struct {
	ends
	server *stack.Conn
	client *net.TCPConn
}

// newLab returns a lab that is ready for connections. Close removes it.
func newLab(ctx context.Context, d *ladder.Ladder, tap func(*stack.Frame)) (*lab, error) {
	l := &lab{ctx: ctx, ladder: d, history: newHistory()}
	if err := l.setUp(tap); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *lab) setUp(tap func(*stack.Frame)) (err error) {
	l.namespace, err = tun.NewNamespace("")
	if err != nil {
		return err
	}
	if l.kernel, err = newSockDiag(l.namespace); err != nil {
		return err
	}
	device, err := tun.Open(tun.Config{Name: Device, HostAddresses: []netip.Prefix{kernelPrefix}, Namespace: l.namespace})
	if err != nil {
		return err
	}
	if l.link, err = newLink(device); err != nil {
		return errors.Join(err, device.Close())
	}
	l.link.lost = l.observeLoss
	l.began = time.Now()
	l.stack, err = stack.New(l.link, stack.Config{
		Addresses: []netip.Prefix{ourPrefix},
		Conn:      conn.Config{TimeWait: timeWait},
		Trace:     l.observe,
		Tap:       tap,
	})
	if err != nil {
		return errors.Join(err, l.link.Close())
	}
	l.listener, err = l.stack.ListenTCP("tcp", openPort.String())
	return err
}

// Close closes every connection and removes the device and the namespace. Later calls return the same error.
func (l *lab) Close() error {
	l.closing.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *lab) close() error {
	l.mu.Lock()
	for _, c := range l.clients {
		c.Close()
	}
	l.mu.Unlock()
	var errs []error
	if l.stack != nil {
		errs = append(errs, l.stack.Close())
	}
	if l.kernel != nil {
		l.kernel.Close()
	}
	if l.namespace != nil {
		errs = append(errs, l.namespace.Close())
	}
	return errors.Join(errs...)
}

// expect records an event of the lesson and whether it was seen.
func (l *lab) expect(seen bool, format string, args ...any) {
	l.expectations = append(l.expectations, expectation{fmt.Sprintf(format, args...), seen})
}

// dial connects a socket of the kernel to minitcp.
func (l *lab) dial(to netip.AddrPort) (c *net.TCPConn, err error) {
	err = l.namespace.Do(func() error {
		d := net.Dialer{Timeout: patience}
		made, err := d.DialContext(l.ctx, "tcp", to.String())
		if err == nil {
			c = made.(*net.TCPConn)
			err = c.SetDeadline(time.Now().Add(Limit))
		}
		return err
	})
	if c != nil {
		l.mu.Lock()
		l.clients = append(l.clients, c)
		l.mu.Unlock()
	}
	return c, err
}

// connect opens a connection from the kernel to minitcp.
func (l *lab) connect() (*connection, error) {
	client, err := l.dial(openPort)
	if err != nil {
		return nil, err
	}
	if err := l.listener.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	server, err := l.listener.AcceptTCP()
	if err != nil {
		return nil, err
	}
	if err := server.SetDeadline(time.Now().Add(Limit)); err != nil {
		return nil, err
	}
	c := &connection{server: server, client: client}
	c.ours = server.LocalAddr().(*net.TCPAddr).AddrPort()
	c.theirs = server.RemoteAddr().(*net.TCPAddr).AddrPort()
	return c, nil
}

// quiesce waits until both sides have acknowledged all data, so that the next scene begins on an idle connection.
func (l *lab) quiesce(c *connection) bool {
	return l.eventually(func() bool {
		i := c.server.Info()
		k, err := l.kernel.find(c.theirs, c.ours)
		return err == nil && i.InFlight == 0 && i.Unsent == 0 && k.Unacknowledged == 0
	})
}

// eventually waits up to patience for the condition and reports whether it held.
func (l *lab) eventually(condition func() bool) bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if l.ctx.Err() != nil || time.Now().After(deadline) {
			return false
		}
	}
	return true
}
