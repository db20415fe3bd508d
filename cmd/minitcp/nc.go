//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/stack"
)

// maxWait is the largest value of -w in seconds: 68 years, which fits an int of 32 bits.
const maxWait = math.MaxInt32

// ncOptions holds the flags and arguments of nc.
type ncOptions struct {
	device  deviceFlags
	listen  bool
	port    string // -p
	seconds int    // -w
	verbose bool   // -v

	local, remote netip.AddrPort // remote is the zero value with -l
}

func newNCCommand() *cobra.Command {
	o := &ncOptions{}
	cmd := &cobra.Command{
		Use:   "nc [flags] HOST PORT\n  minitcp nc [flags] -l -p PORT",
		Short: "Connect stdin and stdout to a peer over minitcp",
		Long: `Nc creates a TUN device with minitcp on it. It connects from there to a peer, or with -l waits for one to connect. It
sends stdin to the peer and writes the peer's data to stdout. At the end of stdin it sends a FIN; the peer may go on
sending, and nc ends after the peer's FIN. On the other side of the TUN device is this machine, with the addresses
10.77.0.1 and fd77::1, and every network for which it routes.`,
		Args:    usageArgs(cobra.MaximumNArgs(2)),
		PreRunE: func(_ *cobra.Command, args []string) error { return o.parse(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return withPrivilege(func() error {
				if err := o.device.checkNetNS(); err != nil {
					return err
				}
				return o.run(stdio{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()})
			})
		},
	}
	cmd.Flags().SortFlags = false
	o.register(cmd.Flags())
	return cmd
}

// register adds the flags to a flag set.
func (o *ncOptions) register(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.listen, "listen", "l", false, "wait for a connection instead of opening one")
	flags.StringVarP(&o.port, "port", "p", "", "local `PORT`: a number or the name of a service")
	flags.IntVarP(&o.seconds, "wait", "w", 0, "give up if there is no connection after this many `SECONDS`; 0 means no limit, except that an unanswered SYN times out after 3 minutes")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "report on stderr when waiting and when connected")
	o.device.register(flags)
}

// parse parses the arguments: HOST PORT of the peer, or with -l the local [HOST] PORT.
func (o *ncOptions) parse(args []string) error {
	if err := o.device.check(); err != nil {
		return err
	}
	if o.seconds < 0 || o.seconds > maxWait {
		return usagef("-w %d: out of range; give 1 to %d seconds, or 0 for no limit", o.seconds, maxWait)
	}
	if o.listen {
		return o.parseListen(args)
	}
	if len(args) != 2 {
		return usagef("missing HOST and PORT; for instance: minitcp nc 10.77.0.1 8080, or minitcp nc -l -p 8080")
	}
	var ownPort uint16
	if o.port != "" {
		port, err := lookupPort("-p", o.port)
		if err != nil {
			return err
		}
		ownPort = port
	}
	host, err := parseHost(args[0])
	if err != nil {
		return err
	}
	for _, a := range o.device.address.addresses() {
		if a == host {
			return usagef("HOST %v is minitcp's own address; the other side of the TUN device is %s", host, o.device.hostAddresses.String())
		}
	}
	if !slices.ContainsFunc(o.device.address.addresses(), func(a netip.Addr) bool { return a.Is4() == host.Is4() }) {
		return usagef("HOST %v and %s are of different address families; give an --address of the same family", host, o.device.address.String())
	}
	port, err := lookupPort("PORT", args[1])
	if err != nil {
		return err
	}
	o.local, o.remote = netip.AddrPortFrom(netip.Addr{}, ownPort), netip.AddrPortFrom(host, port)
	return nil
}

func (o *ncOptions) parseListen(args []string) error {
	text, name := o.port, "-p"
	if len(args) > 0 && text == "" {
		text, name, args = args[len(args)-1], "PORT", args[:len(args)-1]
	}
	if text == "" || len(args) > 1 {
		return usagef("-l needs one port; for instance: minitcp nc -l -p 8080")
	}
	port, err := lookupPort(name, text)
	if err != nil {
		return err
	}
	o.local = netip.AddrPortFrom(netip.Addr{}, port)
	if len(args) == 1 {
		host, err := parseHost(args[0])
		if err != nil {
			return err
		}
		if !slices.Contains(o.device.address.addresses(), host) {
			return usagef("HOST %v is not an address of minitcp; choose one of %s, or add it with --address", host, o.device.address.String())
		}
		o.local = netip.AddrPortFrom(host, port)
	}
	return nil
}

func parseHost(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, usagef("HOST %q is not an IP address; nc does not look up names: give an address such as 10.77.0.1", s)
	}
	if a.Unmap().IsUnspecified() || a.Unmap().IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return a, usagef("HOST %v is not a unicast address; give one such as 10.77.0.1", a)
	}
	return a.Unmap(), nil
}

// lookupPort returns the port for a number or for a name of services(5).
func lookupPort(what, s string) (uint16, error) {
	if port, err := parsePort(s); err == nil {
		return port, nil
	}
	port, err := net.LookupPort("tcp", s)
	if err != nil || port == 0 {
		return 0, usagef("%s %q is not a port; give a number from 1 to 65535 or the name of a service", what, s)
	}
	return uint16(port), nil
}

// drainTimeout is the time that the peer has to acknowledge the last data and the FIN.
const drainTimeout = 5 * time.Second

func (o *ncOptions) run(std stdio) (err error) {
	stop, release := onSignals()
	defer release()
	n, err := o.device.open(stack.Config{}, std.err)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, n.close())
		o.device.link.summary(std.err)
	}()
	if err := o.device.confine(); err != nil {
		return err
	}
	if isPrivate() {
		fmt.Fprintf(std.err, "minitcp runs in a private network namespace; enter it with: %ssh\n", o.device.prefix())
	}
	say := io.Discard
	if o.verbose {
		say = std.err
	}
	c, err := o.connection(stop.soon, n.stack, say)
	if err != nil {
		return describe(err, stop)
	}
	fmt.Fprintf(say, "connected: %v to %v\n", c.LocalAddr(), c.RemoteAddr())
	err = exchange(stop.soon, c, std)
	c.Close()
	ctx, cancel := context.WithTimeout(stop.now, drainTimeout)
	defer cancel()
	unfinished := n.stack.Shutdown(ctx)
	if cause := n.stack.Err(); !errors.Is(cause, net.ErrClosed) {
		return cause // the device's error
	}
	if unfinished != nil && err == nil {
		err = errors.New("the peer did not acknowledge all data within 5 s")
	}
	return describe(err, stop)
}

// connection opens the connection, or with -l waits for one.
func (o *ncOptions) connection(ctx context.Context, s *stack.Stack, say io.Writer) (*stack.Conn, error) {
	if o.seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(o.seconds)*time.Second)
		defer cancel()
	}
	if o.remote.IsValid() {
		return s.DialTCP(ctx, o.local, o.remote)
	}
	address := o.local.String()
	if !o.local.Addr().IsValid() {
		address = fmt.Sprintf(":%d", o.local.Port())
	}
	l, err := s.ListenTCP("tcp", address)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(say, "waiting on port %d\n", o.local.Port())
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	c, err := l.AcceptTCP()
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no peer has connected (%w)", ctx.Err())
	}
	return c, err
}

// exchange copies in both directions until both have ended, one has failed, or ctx has ended.
func exchange(ctx context.Context, c *stack.Conn, std stdio) error {
	ends := make(chan error, 2)
	go func() {
		_, err := c.ReadFrom(std.in)
		if err == nil {
			err = c.CloseWrite()
			if errors.Is(err, syscall.ENOTCONN) {
				err = nil // the receiving direction returns the cause
			}
		}
		ends <- err
	}()
	go func() {
		_, err := c.WriteTo(std.out)
		ends <- err
	}()
	for range cap(ends) {
		select {
		case err := <-ends:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// describe adds advice to the error that ended the connection.
func describe(err error, stop stopping) error {
	advice := ""
	switch {
	case err == nil:
		return nil
	case stop.soon.Err() != nil:
		return errors.New("interrupted")
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "; check that a program is listening there"
	case errors.Is(err, context.DeadlineExceeded):
		advice = "; allow more time with -w"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		advice = "; the host on the other side of the TUN device needs a route there, and minitcp an --address of that family"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "; choose an address of --address"
	case errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.EPIPE):
		advice = "; the peer has closed the connection"
	}
	return fmt.Errorf("%w%s", err, advice)
}
