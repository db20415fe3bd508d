//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/spf13/pflag"

	"minitcp/conn"
	"minitcp/stack"
	"minitcp/tun"
)

// deviceFlags holds the flags of the device and of the stack on it.
type deviceFlags struct {
	fd            int // of an open TUN, used instead of the other settings of the device; -1: none
	tun           string
	mtu           int
	queues        int
	netns         string
	address       addressList // of minitcp
	hostAddresses addressList // of the kernel, on the other side of the device
	congestion    conn.CongestionControl
	ecn           conn.ECNMode
	mtuProbing    conn.MTUProbing
	mss           int
	synCookies    stack.SYNCookies
	capture       captureFlags
	link          *linkFlags
}

// register adds the flags, with their defaults, to a flag set.
func (f *deviceFlags) register(flags *pflag.FlagSet) {
	f.fd = -1
	f.address = newAddressList("10.77.0.2/24", "fd77::2/64")
	f.hostAddresses = newAddressList("10.77.0.1/24", "fd77::1/64")
	flags.StringVar(&f.tun, "tun", "mini0", "`NAME` of the TUN device to create")
	flags.IntVar(&f.mtu, "mtu", 1500, "size of the largest IP packet in `BYTES`, 576 (1280 with IPv6) to 65535")
	flags.IntVar(&f.queues, "queues", tun.DefaultQueues(), "`NUMBER` of queues of the TUN device, each read by its own goroutine, 1 to 255")
	flags.StringVar(&f.netns, "netns", "", "network namespace for the TUN device, created if it does not exist, as a `NAME`")
	flags.Var(&f.address, "address", "address of minitcp; may be repeated, or a list separated by commas")
	flags.Var(&f.hostAddresses, "host-address", "address of the kernel on the TUN device; may be repeated, or a list separated by commas")
	flags.Var((*congestionControl)(&f.congestion), "congestion-control", "congestion control of minitcp: cubic, reno or bbr")
	flags.Var((*ecnMode)(&f.ecn), "ecn", ecnUsage)
	flags.Var((*mtuProbing)(&f.mtuProbing), "mtu-probing", mtuProbingUsage)
	flags.IntVar(&f.mss, "mss", 0, "largest segment in `BYTES`, announced and sent; 0 means that of the MTU")
	flags.Var((*synCookies)(&f.synCookies), "syn-cookies", "replies to SYNs that keep no state: auto (while a listener has 4096 handshakes in progress), always or off")
	f.capture.register(flags)
	f.link = addLinkFlags(flags)
}

// check completes the flags after parsing. It returns an error for flags that are out of range or contradict each
// other.
func (f *deviceFlags) check() error {
	f.address.limitFamilies(&f.hostAddresses)
	f.hostAddresses.limitFamilies(&f.address)
	if f.tun == "" {
		return usagef("--tun: missing name; for instance: --tun mini0")
	}
	if err := tun.CheckDeviceName(f.tun); err != nil {
		return usagef("--tun %s", oneLine(err))
	}
	if err := tun.CheckNamespaceName(f.netns); f.netns != "" && err != nil {
		return usagef("--netns %s", oneLine(err))
	}
	if f.mtu <= 0 {
		return usagef("--mtu %d: out of range; choose from 576 (1280 with IPv6) to 65535", f.mtu)
	}
	if least := f.leastMTU(); f.mtu < minMTU || f.mtu > 65535 {
		return usagef("--mtu %d: out of range; choose from %d to 65535", f.mtu, least)
	}
	if f.mss != 0 && (f.mss < leastMSS || f.mss > 65495) {
		return usagef("--mss %d: out of range; choose from %d to 65495", f.mss, leastMSS)
	}
	if f.queues <= 0 || f.queues > 255 { // package stack has one more, for its own addresses
		return usagef("--queues %d: out of range; choose from 1 to 255", f.queues)
	}
	if err := checkNetworks("--address", &f.address, "--host-address", &f.hostAddresses); err != nil {
		return err
	}
	if err := checkNetworks("--host-address", &f.hostAddresses, "--address", &f.address); err != nil {
		return err
	}
	for _, a := range f.address.addresses() {
		for _, h := range f.hostAddresses.addresses() {
			if a == h {
				return usagef("--address and --host-address are both %v; give the two ends of the TUN device different addresses", a)
			}
		}
		if a.Is6() && f.mtu < minMTUIPv6 {
			return usagef("--mtu %d: too small for IPv6; choose at least 1280, or give only IPv4 addresses with --address and --host-address", f.mtu)
		}
	}
	if err := f.capture.check(); err != nil {
		return err
	}
	return f.link.check(f.mtu)
}

// The smallest MTUs of IPv4 [RFC 791 3.2] and of IPv6 [RFC 8200 5].
const (
	minMTU     = 576
	minMTUIPv6 = 1280
)

// leastMTU returns the smallest MTU that the addresses permit.
func (f *deviceFlags) leastMTU() int {
	if slices.ContainsFunc(append(f.address.addresses(), f.hostAddresses.addresses()...), netip.Addr.Is6) {
		return minMTUIPv6
	}
	return minMTU
}

// checkNetworks returns an error for an address that is the network or broadcast address of a network on the device's
// other side.
func checkNetworks(flag string, list *addressList, otherFlag string, other *addressList) error {
	for _, a := range list.addresses() {
		if network, ok := other.broadcasts(a); ok {
			return usagef("%s %v: the network or broadcast address of %v, the network of %s; choose another", flag, a, network, otherFlag)
		}
	}
	return nil
}

// unreachable returns the addresses of minitcp for which the host has no route yet: those on no network of
// --host-address.
func (f *deviceFlags) unreachable() []netip.Addr {
	var list []netip.Addr
	for _, a := range f.address.addresses() {
		if !f.hostAddresses.reaches(a) {
			list = append(list, a)
		}
	}
	return list
}

// node is a stack on its own TUN device.
type node struct {
	namespace *tun.Namespace // nil means the process's own
	device    *tun.Device
	outer     stack.Device // device, behind the emulated link if there is one
	stack     *stack.Stack
	capture   *capturing // nil without --pcap
}

// open creates the namespace, the device, the link, the capture and the stack of the flags. If it fails, it removes
// everything it created. Warnings go to stderr.
func (f *deviceFlags) open(cfg stack.Config, stderr io.Writer) (*node, error) {
	n := new(node)
	if f.netns != "" {
		namespace, err := tun.NewNamespace(f.netns)
		if err != nil {
			return nil, err
		}
		n.namespace = namespace
	}
	err := n.start(f, cfg, stderr)
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) start(f *deviceFlags, cfg stack.Config, stderr io.Writer) (err error) {
	if n.device, err = f.openTUN(n.namespace); err != nil {
		return err
	}
	if n.capture, err = f.capture.open(n.device.Name(), stderr); err != nil {
		return err
	}
	if n.outer, err = f.link.wrap(n.device); err != nil {
		return err
	}
	cfg.Tap = n.capture.tap()
	cfg.Addresses = f.address.prefixes
	cfg.Conn.CongestionControl = f.congestion
	cfg.Conn.ECN, cfg.Conn.MTUProbing, cfg.MSS = f.ecn, f.mtuProbing, f.mss
	cfg.SYNCookies = f.synCookies
	n.stack, err = stack.New(n.outer, cfg)
	return err
}

// openTUN opens the device.
func (f *deviceFlags) openTUN(namespace *tun.Namespace) (*tun.Device, error) {
	if f.fd >= 0 {
		d, err := tun.FromFD(f.fd)
		if err != nil {
			return nil, fmt.Errorf("--tun-fd %d: %w", f.fd, err)
		}
		return d, nil
	}
	return tun.Open(tun.Config{
		Name:          f.tun,
		MTU:           f.mtu,
		Queues:        f.queues,
		HostAddresses: f.hostAddresses.prefixes,
		Namespace:     namespace,
	})
}

// close closes the stack and the capture, and removes the device, then the namespace if open created it.
func (n *node) close() error {
	var errs []error
	if n.stack != nil {
		n.stack.Close() // closes the device, too; the caller reports the stack's Err
	}
	errs = append(errs, n.capture.close())
	if n.outer != nil {
		errs = append(errs, n.outer.Close())
	}
	if n.device != nil {
		errs = append(errs, n.device.Close())
	}
	if n.namespace != nil {
		errs = append(errs, n.namespace.Close())
	}
	return errors.Join(errs...)
}

// congestionControl is the value of --congestion-control.
type congestionControl conn.CongestionControl

// Set parses an algorithm's name.
func (c *congestionControl) Set(s string) error {
	if (*conn.CongestionControl)(c).UnmarshalText([]byte(s)) != nil {
		return usagef("no such algorithm; choose cubic, reno or bbr")
	}
	return nil
}

// String returns the algorithm's name.
func (c *congestionControl) String() string { return conn.CongestionControl(*c).String() }

// Type returns the word for the value in the help text.
func (c *congestionControl) Type() string { return "NAME" }

// ecnUsage is the text of --ecn.
const ecnUsage = "Explicit Congestion Notification: passive (when the peer requests it), active (request it), accurate (request Accurate ECN, RFC 9768), disabled, or classic-passive and classic-active (without Accurate ECN)"

// ecnMode is the value of --ecn.
type ecnMode conn.ECNMode

// Set parses a mode's name.
func (m *ecnMode) Set(s string) error {
	if (*conn.ECNMode)(m).UnmarshalText([]byte(s)) != nil {
		return usagef("no such mode; choose passive, active, accurate, disabled, classic-passive or classic-active")
	}
	return nil
}

// String returns the mode's name.
func (m *ecnMode) String() string { return conn.ECNMode(*m).String() }

// Type returns the word for the value in the help text.
func (m *ecnMode) Type() string { return "MODE" }

// leastMSS is the smallest MSS that the stack takes.
const leastMSS = 496

// mtuProbingUsage is the text of --mtu-probing.
const mtuProbingUsage = "search for the largest packet that arrives: auto (after large packets are lost), always (from the beginning, with small packets) or off"

// mtuProbing is the value of --mtu-probing.
type mtuProbing conn.MTUProbing

// Set parses a mode's name.
func (m *mtuProbing) Set(s string) error {
	if (*conn.MTUProbing)(m).UnmarshalText([]byte(s)) != nil {
		return usagef("no such mode; choose auto, always or off")
	}
	return nil
}

// String returns the mode's name.
func (m *mtuProbing) String() string { return conn.MTUProbing(*m).String() }

// Type returns the word for the value in the help text.
func (m *mtuProbing) Type() string { return "MODE" }

// synCookies is the value of --syn-cookies.
type synCookies stack.SYNCookies

// Set parses a mode's name.
func (m *synCookies) Set(s string) error {
	if (*stack.SYNCookies)(m).UnmarshalText([]byte(s)) != nil {
		return usagef("no such mode; choose auto, always or off")
	}
	return nil
}

// String returns the mode's name.
func (m *synCookies) String() string { return stack.SYNCookies(*m).String() }

// Type returns the word for the value in the help text.
func (m *synCookies) Type() string { return "MODE" }
