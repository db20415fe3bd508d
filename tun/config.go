//go:build linux

package tun

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// Config describes the device that [Open] makes. The zero value is a device without addresses.
type Config struct {
	// Name of the device: 1 to 15 octets without white space, '/' or ':'. One "%d" in it is replaced by the first
	// number that is free. Default "mini%d". No device of this name may exist.
	Name string
	// MTU is the size in octets of the largest IP packet, 576 (1280 with an IPv6 address) to 65535. Default 1500.
	MTU int
	// HostAddresses are the addresses of the host's side, each with the network behind the device: 10.77.0.1/24 makes
	// the host send to the device what is for 10.77.0.0/24. They must not collide with those of other devices.
	HostAddresses []netip.Prefix
	// Namespace is where the device appears. Default: the network namespace of the calling thread.
	Namespace *Namespace
	// TxQueueLen is how many frames the kernel keeps for us before it drops, 1 to 65536. Default 10,000: senders may fill
	// our windows all at once, and the kernel does not count what waits here against its sockets. It is enough for a window
	// of 14 MB in segments of 1448 octets (a peer behind a router, say). The kernel's own default for a TUN is 500.
	TxQueueLen int
	// Queues is the number of queues of the device, 1 to 256, each read by a thread of its own. It stays the same while the
	// device is open. Default [DefaultQueues].
	Queues int
}

const (
	defaultName       = "mini%d"
	defaultMTU        = 1500
	defaultTxQueueLen = 10000

	minMTU     = 576  // RFC 791 3.2: what every host must be able to receive
	minMTUIPv6 = 1280 // RFC 8200 5
	maxMTU     = 65535

	maxTxQueueLen = 65536
	maxQueues     = 256 // Linux, drivers/net/tun.c
)

// DefaultQueues returns the number of queues that [Open] chooses: one for every two processors that Go uses, at least 1 and
// at most 8. The applications on both sides of the device need the other processors. On two of them a second queue gains
// nothing and delays small frames, because its reader has to be woken.
func DefaultQueues() int { return min(max(runtime.GOMAXPROCS(0)/2, 1), 8) }

func (c *Config) setDefaults() {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.MTU == 0 {
		c.MTU = defaultMTU
	}
	if c.TxQueueLen == 0 {
		c.TxQueueLen = defaultTxQueueLen
	}
	if c.Queues == 0 {
		c.Queues = DefaultQueues()
	}
}

// check finds what can be found wrong without asking the kernel, which answers nearly all of it with EINVAL.
func (c *Config) check() error {
	if err := checkDeviceName(c.Name); err != nil {
		return err
	}
	least, why := minMTU, ""
	for _, p := range c.HostAddresses {
		if err := checkHostAddress(c.Name, p); err != nil {
			return err
		}
		if p.Addr().Is6() {
			least, why = minMTUIPv6, " with IPv6"
		}
	}
	if c.MTU < least || c.MTU > maxMTU {
		return &Error{Subject: c.Name, Reason: ErrMTU, Problem: fmt.Sprintf("an MTU of %d is impossible", c.MTU),
			Advice: fmt.Sprintf("choose one from %d to %d%s", least, maxMTU, why)}
	}
	if c.TxQueueLen < 1 || c.TxQueueLen > maxTxQueueLen {
		return &Error{Subject: c.Name, Reason: ErrTxQueueLen, Problem: fmt.Sprintf("a queue of %d frames is impossible", c.TxQueueLen),
			Advice: fmt.Sprintf("choose a length from 1 to %d", maxTxQueueLen)}
	}
	if c.Queues < 1 || c.Queues > maxQueues {
		return &Error{Subject: c.Name, Reason: ErrQueues, Problem: fmt.Sprintf("%d queues are impossible", c.Queues),
			Advice: fmt.Sprintf("choose from 1 to %d", maxQueues)}
	}
	return nil
}

// checkDeviceName follows the kernel's dev_valid_name.
func checkDeviceName(name string) error {
	bad := func(problem, advice string) error {
		return &Error{Subject: fmt.Sprintf("%q", name), Reason: ErrName, Problem: problem, Advice: advice}
	}
	switch {
	case len(name) >= unix.IFNAMSIZ:
		return bad(fmt.Sprintf("%d octets are too long for a device's name", len(name)), fmt.Sprintf("choose one of at most %d", unix.IFNAMSIZ-1))
	case name == "." || name == ".." || strings.ContainsAny(name, "/:\x00") || strings.ContainsFunc(name, unicode.IsSpace):
		return bad("no device can have this name", "choose one without white space, '/' and ':'")
	case strings.Contains(strings.Replace(name, "%d", "", 1), "%"):
		return bad("no device can have this name", "'%' may only be there in one %d, for a number that is free")
	}
	return nil
}

func checkHostAddress(device string, p netip.Prefix) error {
	a := p.Addr()
	if p.IsValid() && a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && !namesNetwork(p) {
		return nil
	}
	return &Error{Subject: device, Reason: ErrAddress, Problem: fmt.Sprintf("%v cannot be the host's address", p),
		Advice: "give a unicast address with the length of its network, such as 10.77.0.1/24"}
}

// namesNetwork reports whether the address of p is that of p's network or its broadcast address [RFC 1122 3.2.1.3]; in
// IPv6, the Subnet-Router anycast address [RFC 4291 2.6.1]. Networks of two addresses and of one have none of these
// [RFC 3021, RFC 6164].
func namesNetwork(p netip.Prefix) bool {
	a := p.Addr()
	if a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	if a.BitLen()-p.Bits() < 2 {
		return false
	}
	return a == p.Masked().Addr() || a.Is4() && !p.Contains(a.Next())
}
