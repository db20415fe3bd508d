//go:build !linux

package emulate

import "time"

func newSleep() func(time.Duration) { return time.Sleep }
