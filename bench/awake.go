//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"os"
)

// stayAwake keeps idle CPUs from sleeping while the file that it returns is open (Linux, Documentation/power/
// pm_qos_interface.rst). Otherwise most of the time of a ping is the wake-up of a CPU, which in a virtual machine
// depends on the host and varies from minute to minute. It returns nil if the kernel refuses.
func stayAwake() *os.File {
	f, err := os.OpenFile("/dev/cpu_dma_latency", os.O_WRONLY, 0)
	if err != nil {
		return nil
	}
	if _, err := f.Write(binary.NativeEndian.AppendUint32(nil, 0)); err != nil { // microseconds
		f.Close()
		return nil
	}
	return f
}

// measuring returns a context that ends with a signal, and the environment of measurements. The machine stays awake
// until the function is called.
func measuring() (context.Context, environment, func()) {
	ctx, release := untilSignal()
	e, f := findEnvironment(), stayAwake()
	e.Awake = f != nil
	return ctx, e, func() {
		if f != nil {
			f.Close()
		}
		release()
	}
}
