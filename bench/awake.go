//go:build linux

package main

import (
	"encoding/binary"
	"os"
)

// stayAwake keeps idle CPUs from sleeping for as long as the file it returns is open (Linux, Documentation/power/
// pm_qos_interface.rst). What a ping takes is otherwise mostly the waking up, above all in a virtual machine, where it
// is up to the host, and differs from one minute to the next. It returns nil where the kernel does not let it.
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
