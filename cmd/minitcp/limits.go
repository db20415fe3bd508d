//go:build linux

package main

import (
	"github.com/spf13/pflag"

	"minitcp/stack"
)

// memoryFlag is the value of --memory in MB.
type memoryFlag int

const (
	defaultMemory memoryFlag = 512
	maxMemory     memoryFlag = 1_000_000
)

func (f *memoryFlag) register(flags *pflag.FlagSet) {
	flags.IntVar((*int)(f), "memory", int(defaultMemory), "memory for connections and their buffers in `MB`; see Config.Memory of package stack")
}

func (f memoryFlag) check() error {
	if f < 1 || f > maxMemory {
		return usagef("--memory %d: out of range; choose from 1 to %d MB", int(f), maxMemory)
	}
	return nil
}

// apply sets the budget in a stack's settings.
func (f memoryFlag) apply(cfg *stack.Config) { cfg.Memory = int64(f) << 20 }

// connectionFlags holds the limits of the number of connections. 0 means no limit, where it is permitted.
type connectionFlags struct{ most, perHost int }

// The default limits of gateway and run, and the largest limits of every command.
const (
	forwardConnections = 16384
	forwardPerHost     = 4096
	maxConnections     = 1_000_000
)

// register adds the flags. Their defaults are the present values. Counted describes the connections that are limited,
// and the treatment of others.
func (f *connectionFlags) register(flags *pflag.FlagSet, counted string) {
	f.registerMost(flags, counted)
	flags.IntVar(&f.perHost, "max-per-host", f.perHost, "largest `NUMBER` of them with one IPv4 address or IPv6 network of 64 bits")
}

// registerMost acts like register without the limit for each host.
func (f *connectionFlags) registerMost(flags *pflag.FlagSet, counted string) {
	flags.IntVar(&f.most, "max-connections", f.most, "largest `NUMBER` of "+counted)
}

// check returns an error for limits below least or above maxConnections.
func (f *connectionFlags) check(least int) error {
	for _, l := range []struct {
		flag  string
		value int
	}{{"max-connections", f.most}, {"max-per-host", f.perHost}} {
		switch {
		case l.value < 0 && least == 0:
			return usagef("--%s %d: negative; choose 0 for no limit", l.flag, l.value)
		case l.value < least || l.value > maxConnections:
			return usagef("--%s %d: out of range; choose from %d to %d", l.flag, l.value, least, maxConnections)
		}
	}
	return nil
}
