//go:build linux

package subject

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"minitcp/bench/report"
)

// The addresses of a target: the server's, and the one of the kernel's side of the device.
var (
	ServerAddress = netip.MustParsePrefix("10.77.0.2/24")
	ClientAddress = netip.MustParsePrefix("10.77.0.1/24")
)

const (
	deviceName = "bench0"
	mtu        = 1500
)

// Target is one of the TCPs that are compared.
type Target struct {
	Name    string
	Summary string // one line
	// Role is the target's place between the client and the server.
	Role Role
	// Veth marks a target that the client reaches over a veth pair, made before it starts. The others make a TUN.
	Veth bool
	// Few marks a target that serves only the sink, the source, the echo and idle connections.
	Few bool
	// Address is the address of a target of Paths.
	Address netip.Addr
	// Program is the Debian program that the target needs, and Package the package with it; "" for none.
	Program, Package string
	// Runs marks a target that can run a command in a namespace of its own.
	Runs bool
	// start begins to serve in the namespace of the process.
	start func(*services) error
}

// Role is the place of a target between the client and the server.
type Role uint8

const (
	RoleServer    Role = iota // The target is the server.
	RoleForwarder             // A process between the client and a server of Paths.
	RoleRouted                // No process: the kernel routes between the client and a server of Paths.
)

// Targets are those of the comparison in the order of the table.
var Targets = []Target{
	{Name: "minitcp", start: startMinitcp,
		Summary: "this repository's stack on tun.Open, with its defaults"},
	{Name: "minitcp-inline", start: startInline, Few: true,
		Summary: "the same with a stack.Handler for each connection in place of a goroutine"},
	{Name: "minitcp-wrapped", start: startWrapped,
		Summary: "the same through tun.Wrap on a device without offloads, wireguard's: a packet at a time, every checksum computed"},
	{Name: report.Shipped, start: startShipped,
		Summary: "gVisor as tun2socks ships it: fdbased endpoint on a TUN without offloads, Reno, 1 MiB buffers"},
	{Name: report.Best, start: startBest,
		Summary: "gVisor as fast as we could make it: superframes both ways, checksums trusted, no copy in the link, buffers that fit"},
	{Name: report.Kernel, start: startKernel, Veth: true,
		Summary: "Linux's own TCP over a veth pair between two namespaces, CUBIC, served through package net"},
	{Name: report.Floor, start: startFloor, Few: true,
		Summary: "one thread that replies on the TUN with as little work as possible; not a TCP"},
}

// Argument returns the argument of Start for the target. Forwarders have the names of other targets.
func (t Target) Argument() string {
	if t.Role == RoleForwarder {
		return "forward-" + t.Name
	}
	return t.Name
}

// ArgumentWith returns the argument of Start for a gateway whose device has an MTU. 0 is the default.
func (t Target) ArgumentWith(mtu int) string {
	if mtu == 0 {
		return t.Argument()
	}
	return fmt.Sprintf("%s@%d", t.Argument(), mtu)
}

// cutMTU is the inverse of ArgumentWith.
func cutMTU(argument string) (name string, mtu int) {
	name, number, _ := strings.Cut(argument, "@")
	mtu, _ = strconv.Atoi(number)
	return name, mtu
}

// Find returns the target of that argument, which has no MTU.
func Find(argument string) (t Target, ok bool) {
	for _, t := range slices.Concat(Targets, Paths, Forwarders, Gateways, Sandboxes, Observed) {
		if t.Role != RoleRouted && t.Argument() == argument {
			return t, true
		}
	}
	if number, ok := strings.CutPrefix(argument, budgetPrefix); ok {
		mib, err := strconv.Atoi(number)
		return Budget(mib), err == nil
	}
	if flags, ok := strings.CutPrefix(argument, Emulated("").Argument()); ok {
		return Emulated(flags), true
	}
	return Target{}, false
}
