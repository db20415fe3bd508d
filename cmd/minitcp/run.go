//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/control"
	"minitcp/cmd/minitcp/internal/gateway"
	"minitcp/cmd/minitcp/internal/privileges"
	"minitcp/cmd/minitcp/internal/sandbox"
	"minitcp/conn"
	"minitcp/stack"
)

// runOptions holds the flags and arguments of run.
type runOptions struct {
	mtu          int
	publish      publishList
	hostLoopback loopbackAddress
	congestion   conn.CongestionControl
	ecn          conn.ECNMode
	mtuProbing   conn.MTUProbing
	via          viaList
	memory       memoryFlag
	limits       connectionFlags
	trace        traceFlag
	api          apiFlag
	capture      captureFlags
	link         *linkFlags
	log          logFlags
	config       configFlags
}

// sandboxInit is the subcommand that run starts as process 1 of the sandbox.
const sandboxInit = "sandbox-init"

func newSandboxInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:                sandboxInit,
		Short:              "Process 1 of the sandbox of minitcp run",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return exitStatus(sandbox.Init(args)) },
	}
}

func newRunCommand() *cobra.Command {
	o := &runOptions{limits: connectionFlags{forwardConnections, forwardPerHost}}
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run a command in a network whose only way out is minitcp",
		Long: `Run runs COMMAND in a network namespace with a TUN device and default routes to it. Minitcp terminates its TCP
connections there, and makes them again from this host's network: connections, UDP and ping to any address work, and
names are looked up by the name servers of this host. Programs need no change, and root is not needed where the system
permits user namespaces.

COMMAND has the address 10.77.0.1 and fd77::1, and minitcp 10.77.0.2 and fd77::2, where it serves a page about the
connection: minitcp run --trace - -- curl -s http://10.77.0.2/

Run exits with the status of COMMAND: with 128 plus the number of the signal that has ended it, with 127 if it does not
exist, and with 126 if it is not executable. Processes that COMMAND has left behind end with it. COMMAND has the files of
the caller: run does not confine programs that cannot be trusted.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && !o.config.check {
				return usagef("missing COMMAND; for instance: minitcp run --trace - -- curl -s http://10.77.0.2/")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(args, stdio{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.SetInterspersed(false) // the flags after COMMAND are COMMAND's
	o.register(flags)
	o.config.add(cmd, o.check)
	return cmd
}

// register adds the flags, with their defaults, to a flag set.
func (o *runOptions) register(flags *pflag.FlagSet) {
	flags.IntVar(&o.mtu, "mtu", 1500, "size of the largest IP packet in `BYTES`, 1280 to 65535")
	flags.Var(&o.publish, "publish", "let this host connect to COMMAND: HOSTPORT:PORT, on 127.0.0.1 and ::1, or ADDRESS:HOSTPORT:PORT; /udp after it means UDP; may be repeated")
	flags.Var(&o.hostLoopback, "host-loopback", "address at which COMMAND reaches the loopback address of this host; without it, COMMAND does not")
	flags.Var(&o.via, "via", viaUsage)
	flags.Var((*congestionControl)(&o.congestion), "congestion-control", "congestion control of minitcp: cubic, reno or bbr")
	flags.Var((*ecnMode)(&o.ecn), "ecn", ecnUsage)
	flags.Var((*mtuProbing)(&o.mtuProbing), "mtu-probing", mtuProbingUsage)
	o.memory.register(flags)
	o.limits.registerMost(flags, "TCP connections, and of UDP flows, of COMMAND; others are prohibited")
	flags.StringVar(&o.trace.file, "trace", "", "draw every segment as a ladder diagram into `FILE`; - means stderr")
	o.capture.register(flags)
	o.link = addLinkFlags(flags)
	o.link.upIsIn = true
	o.api.register(flags)
	o.log.level = slog.LevelError // COMMAND reports its failures itself
	o.log.register(flags)
}

// check returns an error for flags that are out of range.
func (o *runOptions) check() error {
	if o.mtu < 1280 || o.mtu > 65535 {
		return usagef("--mtu %d: out of range; choose from 1280 to 65535", o.mtu)
	}
	if a := netip.Addr(o.hostLoopback); a.IsValid() && isSandboxAddress(a) {
		return usagef("--host-loopback %v: this address is in use inside; choose another", a)
	}
	return cmp.Or(o.memory.check(), o.limits.check(1), o.capture.check(), o.link.check(o.mtu))
}

// run runs the command. Its exit status is an error of type exitStatus.
func (o *runOptions) run(command []string, std stdio) (err error) {
	published, err := o.publish.listen()
	if err != nil {
		return err
	}
	defer published.close()
	names := hostNames()
	box, err := sandbox.Start(sandbox.Config{
		Init: sandboxInit, Command: command, MTU: o.mtu, Addresses: commandAddresses, ResolvConf: names.resolvConf(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	s, closeStack, err := o.open(box, std)
	if err != nil {
		return errors.Join(err, box.Device().Close())
	}
	defer func() {
		err = errors.Join(err, closeStack())
		o.link.summary(std.err)
	}()
	log := o.log.logger(std.err)
	monitor, err := o.api.open(s, control.Options{Command: "run", Device: box.Device().Name(), Log: log})
	if err != nil {
		return err
	}
	defer monitor.Close()
	g, err := gateway.Start(s, gateway.Options{
		Rules: o.rules(names), Rewrite: o.rewrite(names), MaxConnections: o.limits.most, MaxPerHost: o.limits.most, Dialed: monitor.Dialed, Log: log,
	})
	if err != nil {
		return err
	}
	defer g.Close()
	if err := servePage(s, monitor, log); err != nil {
		return err
	}
	published.serve(&inside{s, g, targets(box), log})
	if err := privileges.Keep(o.capture.capabilities()...); err != nil { // COMMAND is a child of another process
		return err
	}
	defer startReleasing()()
	return runCommand(box, s, g)
}

// open opens the trace, the capture and the emulated link, and makes the stack with them. The function that it returns
// closes all four.
func (o *runOptions) open(box *sandbox.Sandbox, std stdio) (s *stack.Stack, closeAll func() error, err error) {
	trace, err := o.trace.open(std.err, std.err)
	if err != nil {
		return nil, nil, err
	}
	capture, err := o.capture.open(box.Device().Name(), std.err)
	if err != nil {
		return nil, nil, errors.Join(err, trace.close())
	}
	device, err := o.link.wrap(box.Device())
	if err != nil {
		return nil, nil, errors.Join(err, capture.close(), trace.close())
	}
	cfg := stack.Config{Addresses: ownAddresses(box), Trace: trace.event(), Tap: capture.tap()}
	o.memory.apply(&cfg)
	cfg.Conn.CongestionControl, cfg.Conn.ECN, cfg.Conn.MTUProbing = o.congestion, o.ecn, o.mtuProbing
	if s, err = stack.New(device, cfg); err != nil {
		return nil, nil, errors.Join(err, device.Close(), capture.close(), trace.close())
	}
	return s, func() error {
		s.Close()
		return errors.Join(capture.close(), trace.close())
	}, nil
}

// servePage serves the page about the connection that carries it, at the addresses of s.
func servePage(s *stack.Stack, monitor *control.Monitor, log *slog.Logger) error {
	l, err := s.ListenTCP("tcp", ":80")
	if err != nil {
		return err
	}
	go newWebServer(connPage(monitor), log).serve(l) // until the stack ends
	return nil
}

const (
	// drainTime is the time that the data of a command that has ended has to arrive.
	drainTime = 5 * time.Second
	// settleTime is the part of it for the packets that the command has sent last. On a link that loses the ping for it,
	// it passes in full.
	settleTime = time.Second
)

// runCommand runs the command and returns its exit status as an error.
func runCommand(box *sandbox.Sandbox, s *stack.Stack, g *gateway.Gateway) error {
	release := forwardSignals(box)
	defer release()
	status, err := box.Run()
	if err != nil {
		return err
	}
	settle(s, targets(box)[0])
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	g.Drain(ctx)
	if status != 0 {
		return exitStatus(status)
	}
	return nil
}

// settle waits until the stack has handled the packets that the command has sent last: until the kernel inside has
// answered a ping, because the answer follows them.
func settle(s *stack.Stack, inside netip.Addr) {
	c, err := s.DialPing(netip.Addr{}, inside)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(settleTime))
	request := [8]byte{0: 8} // an echo request
	if _, err := c.Write(request[:]); err == nil {
		c.Read(request[:])
	}
}

// rules returns the rules of --via. The name servers and the loopback addresses of the host are reached directly.
func (o *runOptions) rules(names nameServers) []gateway.Rule {
	rules := slices.Clone(o.via.rules)
	for _, a := range append(names.servers, hostLoopback4, netip.IPv6Loopback()) {
		rules = append(rules, gateway.Rule{Prefix: netip.PrefixFrom(a, a.BitLen()), Outbound: gateway.Direct})
	}
	return rules
}

// hostLoopback4 is the loopback address of the host.
var hostLoopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// rewrite returns the function that changes destinations inside into those outside.
func (o *runOptions) rewrite(names nameServers) func(netip.AddrPort) (netip.AddrPort, bool) {
	hostLoopback := netip.Addr(o.hostLoopback)
	return func(dst netip.AddrPort) (netip.AddrPort, bool) {
		if server, ok := names.serverFor(dst); ok {
			return server, true
		}
		if dst.Addr() != hostLoopback {
			return dst, false
		}
		if dst.Addr().Is4() {
			return netip.AddrPortFrom(hostLoopback4, dst.Port()), true
		}
		return netip.AddrPortFrom(netip.IPv6Loopback(), dst.Port()), true
	}
}

// The addresses inside. Their networks have no other addresses, so that they hide nothing of the host's network.
var (
	commandAddresses = []netip.Prefix{netip.MustParsePrefix("10.77.0.1/32"), netip.MustParsePrefix("fd77::1/128")}
	stackAddresses   = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/32"), netip.MustParsePrefix("fd77::2/128")}
)

// ownAddresses returns the addresses of the stack: those of the families of the sandbox.
func ownAddresses(box *sandbox.Sandbox) []netip.Prefix {
	return stackAddresses[:len(box.Addresses())]
}

// targets returns the addresses of the command.
func targets(box *sandbox.Sandbox) []netip.Addr {
	var list []netip.Addr
	for _, p := range box.Addresses() {
		list = append(list, p.Addr())
	}
	return list
}

// isSandboxAddress reports whether an address has another use inside.
func isSandboxAddress(a netip.Addr) bool {
	for _, list := range [][]netip.Prefix{commandAddresses, stackAddresses} {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
	}
	return isNameServer(a)
}

// loopbackAddress is the value of --host-loopback.
type loopbackAddress netip.Addr

// Set parses an address.
func (l *loopbackAddress) Set(s string) error {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return usagef("not an IP address; give one such as 10.77.0.9")
	}
	a = a.Unmap()
	if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
		return usagef("not an address to which COMMAND can connect; give one such as 10.77.0.9")
	}
	*l = loopbackAddress(a)
	return nil
}

// String returns the address, "" if there is none.
func (l *loopbackAddress) String() string {
	if !netip.Addr(*l).IsValid() {
		return ""
	}
	return netip.Addr(*l).String()
}

// Type returns the word for the value in the help text.
func (l *loopbackAddress) Type() string { return "ADDRESS" }
