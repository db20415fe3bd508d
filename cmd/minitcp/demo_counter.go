//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// kernelCounter is one of the kernel's counters of TCP in the stage's namespace (RFC 4022 and Linux's own; in nstat
// with "Tcp" before the name).
func (s *stage) kernelCounter(name string) (n uint64, err error) {
	const path = "/proc/thread-self/net/snmp"
	var text []byte
	err = s.namespace.Do(func() error {
		text, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return 0, err
	}
	return tcpCounter(string(text), name)
}

// tcpCounter finds a counter in /proc/net/snmp: two lines for each protocol, one of names and one of numbers.
func tcpCounter(text, name string) (uint64, error) {
	var names []string
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "Tcp:")
		if !ok {
			continue
		}
		fields := strings.Fields(rest)
		if names == nil {
			names = fields
			continue
		}
		if i := slices.Index(names, name); i >= 0 && i < len(fields) {
			return strconv.ParseUint(fields[i], 10, 64)
		}
	}
	return 0, fmt.Errorf("the kernel has no counter Tcp%s", name)
}
