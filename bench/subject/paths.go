//go:build linux

package subject

import (
	"net/netip"

	"minitcp/conn"
)

// KernelAddress is the address of the kernel's targets in Paths, so that one can be measured beside another target.
var KernelAddress = netip.MustParsePrefix("10.79.0.2/32")

// Paths are the targets at the end of an emulated link: each TCP with every congestion control it has. Their
// namespace has KernelAddress and forwards packets.
var Paths = func() (targets []Target) {
	for c := conn.CongestionControl(0); c.UnmarshalText([]byte(c.String())) == nil; c++ {
		targets = append(targets, Target{Name: "minitcp-" + c.String(), Address: ServerAddress.Addr(),
			Summary: "this repository's stack with this congestion control and defaults otherwise",
			start:   func(s *services) error { return startMinitcpWith(s, c) }})
	}
	for _, control := range []string{"cubic", "reno"} {
		targets = append(targets, Target{Name: "gvisor-" + control, Address: ServerAddress.Addr(),
			Summary: "gVisor with this congestion control, SACK, RACK, buffers of up to 8 MiB with automatic sizes",
			start:   func(s *services) error { return startGvisorWith(s, control) }})
	}
	for _, control := range []string{"cubic", "bbr"} {
		targets = append(targets, Target{Name: "kernel-" + control, Address: KernelAddress.Addr(),
			Summary: "Linux with this congestion control, set on each socket; its BBR is version 1",
			start:   func(s *services) error { return startKernelAt(s, KernelAddress.Addr(), control) }})
	}
	return targets
}()
