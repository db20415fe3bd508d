//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"minitcp/cmd/minitcp/internal/control"
	"minitcp/cmd/minitcp/internal/gateway"
	"minitcp/stack"
)

// gatewayOptions holds the flags of gateway.
type gatewayOptions struct {
	device    deviceFlags
	via       viaList
	sockets   socketFlags
	autoRoute bool
	dns       resolverAddress
	times     gatewayTimes
	memory    memoryFlag
	limits    connectionFlags
	first     int // --accept-first
	api       apiFlag
	trace     traceFlag
	log       logFlags
	config    configFlags
}

// gatewayTimes holds the flags of times.
type gatewayTimes struct{ udpTimeout, dialTimeout time.Duration }

func newGatewayCommand() *cobra.Command {
	o := &gatewayOptions{limits: connectionFlags{forwardConnections, forwardPerHost}}
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Forward traffic from a TUN through the host's sockets or a proxy",
		Long: `Gateway creates a TUN device and forwards the traffic that is routed into it: TCP connections and UDP datagrams go out
through sockets of the host, or through a SOCKS5 or an HTTP proxy, and pings through unprivileged ICMP sockets. A client sees
the outcome that the gateway has seen: a refused connection is refused, an unreachable destination is unreachable, and
one without an answer stays silent. Closing one direction of a connection, and resets, pass both ways. Connections have
no idle timeout. With --accept-first, a connection under a flood of SYNs is accepted before its destination is dialed: the
client of one that fails sees it open and reset.

  minitcp gateway --netns guests                          # and route the namespace's traffic into mini0
  minitcp gateway --auto-route --via socks5://127.0.0.1:1080
  minitcp gateway --via socks5://192.0.2.1:1080 --via 10.0.0.0/8=direct --via 10.66.0.0/16=reject

On SIGINT or SIGTERM, gateway gives connections up to 5 seconds to finish, while new ones get no answer; a second signal ends
it at once.

Loopback, link-local and multicast addresses, and those of the TUN's own networks, are prohibited; minitcp's own address
refuses connections. An HTTP proxy carries no UDP: datagrams are prohibited then, and DNS queries get a truncated answer,
upon which clients use TCP. No proxy carries pings: those to its destinations are prohibited.

Gateway needs the privilege to create the device, or an open one with --tun-fd.`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(&o.via, "via", viaUsage)
	o.device.register(flags)
	o.device.link.upIsIn = true
	flags.IntVar(&o.device.fd, "tun-fd", -1, "use the open TUN of this inherited file descriptor `N` (IFF_TUN, IFF_NO_PI, IFF_VNET_HDR) and leave its configuration alone")
	flags.Lookup("tun-fd").DefValue = "0" // which --help does not print; the true one is refused
	flags.BoolVar(&o.autoRoute, "auto-route", false, "route the traffic of this host, or of --netns, into the TUN; undone at the end, or at the next start after a kill")
	flags.Uint32Var(&o.sockets.mark, "mark", 0, "set the mark `N` (SO_MARK) on every socket of the gateway; with --auto-route the default is "+fmt.Sprint(autoRouteMark))
	flags.StringVar(&o.sockets.device, "interface", "", "bind every socket of the gateway to the network interface `NAME`")
	flags.Var(&o.dns, "dns", "name server that gets all traffic to port 53, as `ADDRESS` or ADDRESS:PORT")
	flags.DurationVar(&o.times.udpTimeout, "udp-timeout", 5*time.Minute, "`TIME` after which an idle UDP flow ends")
	flags.DurationVar(&o.times.dialTimeout, "dial-timeout", 30*time.Second, "`TIME` in which a connection must be established")
	o.memory.register(flags)
	o.limits.register(flags, "TCP connections, and of UDP flows; others are prohibited")
	flags.IntVar(&o.first, "accept-first", 0, "accept connections before their destination is dialed, with SYN cookies, for 10 s from the time when `NUMBER` handshakes are in progress; 0 means never")
	o.api.register(flags)
	o.trace.register(flags)
	o.log.register(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return o.run(stdio{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()})
	}
	o.config.add(cmd, func() error { return o.check(flags.Changed) })
	return cmd
}

// check completes the flags after parsing. It returns an error for flags that are out of range or contradict each
// other.
func (o *gatewayOptions) check(changed func(flag string) bool) error {
	if changed("tun-fd") {
		if o.device.fd < 0 {
			return usagef("--tun-fd %d: not a file descriptor", o.device.fd)
		}
		for _, flag := range []string{"tun", "mtu", "queues", "netns", "host-address"} {
			if changed(flag) {
				return usagef("--%s: has no effect with --tun-fd, whose device is configured already; omit one", flag)
			}
		}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"udp-timeout", o.times.udpTimeout}, {"dial-timeout", o.times.dialTimeout}} {
		if d.value <= 0 {
			return usagef("--%s %v: must be more than 0", d.flag, d.value)
		}
	}
	if err := cmp.Or(o.memory.check(), o.limits.check(1)); err != nil {
		return err
	}
	if o.first < 0 || o.first > o.limits.most {
		return usagef("--accept-first %d: out of range; choose from 0 to --max-connections, which is %d", o.first, o.limits.most)
	}
	if changed("mark") && o.sockets.mark == 0 {
		return usagef("--mark 0: sockets have this mark anyway; choose from 1 to 4294967295")
	}
	if o.autoRoute && o.sockets.mark == 0 {
		o.sockets.mark = autoRouteMark
	}
	return o.device.check()
}

func (o *gatewayOptions) run(std stdio) (err error) {
	log := o.log.logger(std.err)
	stop, release := onSignals()
	defer release()
	if err := o.mayRun(); err != nil {
		return err
	}
	trace, err := o.trace.open(std.out, std.err)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, trace.close()) }()
	cfg := stack.Config{Trace: trace.event()}
	o.memory.apply(&cfg)
	n, err := o.device.open(cfg, std.err)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, n.close())
		o.device.link.summary(std.err)
	}()
	// The gateway logs the connections that end, because it knows their outbound.
	monitor, err := o.api.open(n.stack, control.Options{Command: "gateway", Device: n.device.Name(), Log: log})
	if err != nil {
		return err
	}
	defer monitor.Close()
	unfollow, err := n.followMTU(&o.device, log)
	if err != nil {
		return err
	}
	defer unfollow()
	settings := o.settings(log)
	settings.Dialed = monitor.Dialed
	g, err := gateway.Start(n.stack, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	if o.autoRoute {
		routes, err := addRoutes(n, o.sockets.mark, o.dns.IsValid(), log)
		if err != nil {
			return err
		}
		defer func() {
			if failed := routes.remove(); failed != nil {
				log.Warn("routing rules are left behind; the next start with --auto-route removes them", "error", failed)
			}
		}()
	}
	if err := o.device.confine(o.capabilities()...); err != nil {
		return err
	}
	defer startReleasing()()
	via := o.via.String()
	if via == "" {
		via = gateway.Direct.String()
	}
	log.Info("forwarding", "device", n.device.Name(), "address", o.device.address.String(), "via", via)
	notify(daemon.SdNotifyReady, log)
	return forwardUntilStopped(n.stack, g, stop, log)
}

// forwardUntilStopped forwards until a signal arrives or the stack fails. Open connections have shutdownTimeout to end.
func forwardUntilStopped(s *stack.Stack, g *gateway.Gateway, stop stopping, log *slog.Logger) error {
	select {
	case <-stop.soon.Done():
	case <-s.Done():
		return s.Err()
	}
	notify(daemon.SdNotifyStopping, log)
	log.Info("stopping", "connections", active(s))
	ctx, cancel := context.WithTimeout(stop.now, shutdownTimeout)
	defer cancel()
	err := g.Shutdown(ctx)
	if err == nil {
		err = errors.Join(g.Close(), s.Shutdown(ctx)) // for the exchange of FINs
	}
	return shutdownError(err, log)
}

// mayRun returns an error if this process lacks a privilege that the flags need.
func (o *gatewayOptions) mayRun() error {
	if o.device.fd < 0 && !mayConfigure() && mayOpenDriver() {
		return errors.New("no permission to create a network device; run as root, or pass an open TUN with --tun-fd")
	}
	if err := o.device.checkNetNS(); err != nil {
		return err
	}
	return o.sockets.try()
}

// settings returns the gateway's options.
func (o *gatewayOptions) settings(log *slog.Logger) gateway.Options {
	host := o.device.hostAddresses.prefixes
	if o.device.fd >= 0 {
		host = nil
	}
	return gateway.Options{
		Rules:       o.via.rules,
		DialTimeout: o.times.dialTimeout, UDPTimeout: o.times.udpTimeout,
		MaxConnections: o.limits.most, MaxPerHost: o.limits.perHost, AcceptFirst: o.first,
		DNS: o.dns.AddrPort, Control: o.sockets.control(), Log: log,
		Refuse: func(a netip.AddrPort) bool {
			return slices.ContainsFunc(host, func(p netip.Prefix) bool { return p.Contains(a.Addr()) })
		},
	}
}

// resolverAddress is the value of --dns.
type resolverAddress struct{ netip.AddrPort }

// Set parses an address with or without a port.
func (r *resolverAddress) Set(s string) error {
	a, err := netip.ParseAddrPort(s)
	if addr, errAddr := netip.ParseAddr(s); errAddr == nil {
		a, err = netip.AddrPortFrom(addr, dnsPort), nil
	}
	if err != nil || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Addr().Is4In6() {
		return usagef("not the address of a name server, such as 192.0.2.53 or [2001:db8::53]:53")
	}
	r.AddrPort = a
	return nil
}

// String returns the address and port.
func (r *resolverAddress) String() string {
	if !r.IsValid() {
		return ""
	}
	return r.AddrPort.String()
}

// Type returns the word for the value in the help text.
func (r *resolverAddress) Type() string { return "ADDRESS" }
