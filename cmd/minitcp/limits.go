//go:build linux

package main

import (
	"github.com/spf13/pflag"

	"minitcp/stack"
)

// limitFlags holds the limits on what peers may use together.
type limitFlags struct {
	memory         int // in MB
	maxConnections int // 0: no limit
	maxPerHost     int // 0: no limit
}

const (
	defaultMemory = 512
	maxMemory     = 1_000_000
)

func (f *limitFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.memory, "memory", defaultMemory, "memory for the buffers of all connections in `MB`; see Config.Memory of package stack")
	flags.IntVar(&f.maxConnections, "max-connections", 0, "largest `NUMBER` of open connections; SYNs beyond it get no reply; 0: no limit")
	flags.IntVar(&f.maxPerHost, "max-per-host", 0, "largest `NUMBER` of open connections with one IPv4 address or IPv6 network of 64 bits; 0: no limit")
}

// check returns an error for flags that are out of range.
func (f *limitFlags) check() error {
	switch {
	case f.memory < 1 || f.memory > maxMemory:
		return usagef("--memory %d: out of range; choose from 1 to %d MB", f.memory, maxMemory)
	case f.maxConnections < 0:
		return usagef("--max-connections %d: negative; choose 0 for no limit", f.maxConnections)
	case f.maxPerHost < 0:
		return usagef("--max-per-host %d: negative; choose 0 for no limit", f.maxPerHost)
	}
	return nil
}

// apply sets the limits in a stack's settings.
func (f *limitFlags) apply(cfg *stack.Config) {
	cfg.Memory = int64(f.memory) << 20
	cfg.MaxConnections, cfg.MaxPerHost = f.maxConnections, f.maxPerHost
}
