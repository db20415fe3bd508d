//go:build linux

package main

import (
	"minitcp/stack"
	"minitcp/tun"
)

// A TUN has all abilities that a stack can use. The stack would silently do without one that is missing.
var (
	_ interface {
		stack.Device
		stack.Offloader
		stack.BigFramer
		stack.NearReporter
		stack.MultiQueue
	} = (*tun.Device)(nil)
	_ interface {
		stack.Device
		stack.Offloader
		stack.MTULimiter
	} = (*tun.Adapter)(nil)
)
