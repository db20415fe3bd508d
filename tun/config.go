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
	// Name is the name of the device: 1 to 15 bytes without white space, '/' or ':'. One "%d" in it is replaced by the
	// first unused number. Default "mini%d". No device of this name may exist.
	Name string
	// MTU is the size in bytes of the largest IP packet, 576 (1280 with an IPv6 address) to 65535. Default 1500.
	MTU int
	// HostAddresses are the addresses of the host's side, each with the network behind the device: with 10.77.0.1/24
	// the host routes 10.77.0.0/24 to the device. They must not overlap with those of other devices.
	HostAddresses []netip.Prefix
	// Namespace is the network namespace of the device. Default: that of the calling thread.
	Namespace *Namespace
	// TxQueueLen is the device's transmit queue length in packets, 1 to 65536; the kernel drops packets beyond it.
	// Default 10,000, enough for windows of 14 MB in segments of 1448 bytes, which a peer behind a router sends.
	// Packets queued here are not charged to the sending socket. The kernel's own default for a TUN is 500.
	TxQueueLen int
	// Queues is the number of queues of the device, 1 to 256. Each is read by a thread of its own. The number does not
	// change while the device is open. Default [DefaultQueues].
	Queues int
}

const (
	defaultName       = "mini%d"
	defaultMTU        = 1500
	defaultTxQueueLen = 10000

	minMTU     = 576  // the size that every host must be able to receive [RFC 791 3.2]
	minMTUIPv6 = 1280 // [RFC 8200 5]
	maxMTU     = 65535

	maxTxQueueLen = 65536
	maxQueues     = 256 // MAX_TAP_QUEUES in Linux, drivers/net/tun.c
)

// DefaultQueues returns the number of queues that [Open] chooses: one for every two processors that Go uses, at least 1
// and at most 8. The applications on both sides of the device need the other processors. On a machine with two
// processors a second queue gains nothing, and delays small frames because its reader has to be woken.
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

// check returns an error for the values that the kernel would refuse, nearly all with EINVAL alone.
func (c *Config) check() error {
	if err := CheckDeviceName(c.Name); err != nil {
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
		return &Error{Subject: c.Name, Reason: ErrMTU, Problem: fmt.Sprintf("invalid MTU %d", c.MTU),
			Advice: fmt.Sprintf("choose an MTU from %d to %d%s", least, maxMTU, why)}
	}
	if c.TxQueueLen < 1 || c.TxQueueLen > maxTxQueueLen {
		return &Error{Subject: c.Name, Reason: ErrTxQueueLen, Problem: fmt.Sprintf("invalid transmit queue length %d", c.TxQueueLen),
			Advice: fmt.Sprintf("choose a length from 1 to %d", maxTxQueueLen)}
	}
	if c.Queues < 1 || c.Queues > maxQueues {
		return &Error{Subject: c.Name, Reason: ErrQueues, Problem: fmt.Sprintf("invalid number of queues %d", c.Queues),
			Advice: fmt.Sprintf("choose a number from 1 to %d", maxQueues)}
	}
	return nil
}

// CheckDeviceName returns an error of type [*Error] for a name that no device can have. It follows the kernel's
// dev_valid_name.
func CheckDeviceName(name string) error {
	bad := func(problem, advice string) error {
		return &Error{Subject: fmt.Sprintf("%q", name), Reason: ErrName, Problem: problem, Advice: advice}
	}
	switch {
	case len(name) >= unix.IFNAMSIZ:
		return bad(fmt.Sprintf("a device name of %d bytes is too long", len(name)), fmt.Sprintf("choose one of at most %d", unix.IFNAMSIZ-1))
	case name == "." || name == ".." || strings.ContainsAny(name, "/:\x00") || strings.ContainsFunc(name, unicode.IsSpace):
		return bad("invalid device name", "choose one without white space, '/' and ':'")
	case strings.Contains(strings.Replace(name, "%d", "", 1), "%"):
		return bad("invalid device name", "'%' may occur once, in %d, which stands for an unused number")
	}
	return nil
}

func checkHostAddress(device string, p netip.Prefix) error {
	a := p.Addr()
	if p.IsValid() && a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && !namesNetwork(p) {
		return nil
	}
	return &Error{Subject: device, Reason: ErrAddress, Problem: fmt.Sprintf("invalid host address %v", p),
		Advice: "use a unicast address with its prefix length, such as 10.77.0.1/24"}
}

// namesNetwork reports whether the address of p is that of p's network or its broadcast address [RFC 1122 3.2.1.3]; in
// IPv6, the Subnet-Router anycast address [RFC 4291 2.6.1]. Networks of two addresses and of one have none of these
// [RFC 3021, RFC 6164]. It repeats wire.NamesNetwork, because this package imports no other of the module.
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
