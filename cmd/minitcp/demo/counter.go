//go:build linux

package demo

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// kernelCounter returns one of the kernel's TCP counters of the lab's namespace. nstat(8) lists them with "Tcp" before
// the name [RFC 4022].
func (l *lab) kernelCounter(name string) (n uint64, err error) {
	const path = "/proc/thread-self/net/snmp"
	var text []byte
	err = l.namespace.Do(func() error {
		text, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return 0, err
	}
	return tcpCounter(string(text), name)
}

// tcpCounter returns a TCP counter from the text of /proc/net/snmp, which has two lines for each protocol: the names
// and the numbers.
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
