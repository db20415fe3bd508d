//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/stack"
)

// maxWait is the largest -w, in seconds: 100 years.
const maxWait = 100 * 365 * 24 * 60 * 60

// ncOptions are what nc was told.
type ncOptions struct {
	device  deviceFlags
	listen  bool
	port    string // -p
	seconds int    // -w
	verbose bool   // -v

	local, remote netip.AddrPort // remote is not valid with -l
}

func newNCCommand() *cobra.Command {
	o := &ncOptions{}
	cmd := &cobra.Command{
		Use:   "nc [flags] HOST PORT\n  minitcp nc [flags] -l -p PORT",
		Short: "Connect stdin and stdout to a peer over our TCP",
		Long: `Nc makes a TUN with minitcp behind it, connects from there to a peer, or waits for one with -l, and copies stdin to
it and what it sends to stdout. At the end of stdin the peer gets a FIN and may go on sending; nc ends after the peer's
own FIN. On the other side of the TUN is this machine, as 10.77.0.1 and fd77::1, and what it routes for us.`,
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

// register adds the flags.
func (o *ncOptions) register(flags *pflag.FlagSet) {
	flags.BoolVarP(&o.listen, "listen", "l", false, "wait for a connection instead of making one")
	flags.StringVarP(&o.port, "port", "p", "", "our own `PORT`: a number or a service's name")
	flags.IntVarP(&o.seconds, "wait", "w", 0, "give up when there is no connection after so many `SECONDS`; 0: never, but a SYN without answer ends after 3 minutes")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "say on stderr when it waits and when it is connected")
	o.device.register(flags)
}

// parse completes the flags with the arguments: HOST PORT, or with -l also [HOST] PORT of our own.
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
		return usagef("HOST and PORT are missing; for instance: minitcp nc 10.77.0.1 8080, or minitcp nc -l -p 8080")
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
			return usagef("HOST %v is minitcp's own address; the other side of the TUN is %s", host, o.device.hostAddresses.String())
		}
	}
	if !slices.ContainsFunc(o.device.address.addresses(), func(a netip.Addr) bool { return a.Is4() == host.Is4() }) {
		return usagef("HOST %v is of another family than %s; give an --address of the same family", host, o.device.address.String())
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
		return usagef("-l waits on one port; for instance: minitcp nc -l -p 8080")
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
			return usagef("HOST %v is not an address of minitcp; choose one of %s, or give it with --address", host, o.device.address.String())
		}
		o.local = netip.AddrPortFrom(host, port)
	}
	return nil
}

func parseHost(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, usagef("HOST %q is no IP address; names are not looked up, give an address such as 10.77.0.1", s)
	}
	if a.Unmap().IsUnspecified() || a.Unmap().IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return a, usagef("HOST %v is not the address of one machine; give one such as 10.77.0.1", a)
	}
	return a.Unmap(), nil
}

// lookupPort takes a number or a name of the system's list of services.
func lookupPort(what, s string) (uint16, error) {
	if port, err := parsePort(s); err == nil {
		return port, nil
	}
	port, err := net.LookupPort("tcp", s)
	if err != nil || port == 0 {
		return 0, usagef("%s %q is no port; give a number from 1 to 65535 or the name of a service", what, s)
	}
	return uint16(port), nil
}

// goodbye is how long the peer may take to acknowledge our last words.
const goodbye = 5 * time.Second

func (o *ncOptions) run(std stdio) (err error) {
	stop, release := onSignals()
	defer release()
	n, err := o.device.open(stack.Config{}, std.err)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	if isPrivate() {
		fmt.Fprintf(std.err, "minitcp is alone in a private network namespace; enter it with: %ssh\n", o.device.prefix())
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
	ctx, cancel := context.WithTimeout(stop.now, goodbye)
	defer cancel()
	unfinished := n.stack.Shutdown(ctx)
	if cause := n.stack.Err(); !errors.Is(cause, net.ErrClosed) {
		return cause // the device's
	}
	if unfinished != nil && err == nil {
		err = errors.New("the peer did not acknowledge everything within 5 s")
	}
	return describe(err, stop)
}

// connection makes the connection, or waits for one.
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
		err = fmt.Errorf("nobody has connected (%w)", ctx.Err())
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
				err = nil // the receiving half knows why
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

// describe says in the user's words what ended the connection.
func describe(err error, stop stopping) error {
	advice := ""
	switch {
	case err == nil:
		return nil
	case stop.soon.Err() != nil:
		return errors.New("interrupted")
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = "; is somebody listening there?"
	case errors.Is(err, context.DeadlineExceeded):
		advice = "; give it more time with -w"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		advice = "; the host behind the TUN needs a route there, and --address one of the same family"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "; choose one of --address"
	case errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.EPIPE):
		advice = "; the other side has closed"
	}
	return fmt.Errorf("%w%s", err, advice)
}
