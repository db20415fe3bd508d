//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/control"
)

// extcapFlags holds the flags by which Wireshark calls its extcap programs (extcap(4)).
type extcapFlags struct {
	interfaces, dlts, config, capture bool

	name, fifo, filter, version string
}

// register adds the flags without a text in the help, because only Wireshark uses them.
func (f *extcapFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.interfaces, "extcap-interfaces", false, "print the interfaces")
	flags.BoolVar(&f.dlts, "extcap-dlts", false, "print the link types of the interface")
	flags.BoolVar(&f.config, "extcap-config", false, "print the options of the interface")
	flags.BoolVar(&f.capture, "capture", false, "capture from the interface")
	flags.StringVar(&f.name, "extcap-interface", "", "the interface")
	flags.StringVar(&f.fifo, "fifo", "", "the FIFO to write to")
	flags.StringVar(&f.filter, "extcap-capture-filter", "", "the filter")
	flags.StringVar(&f.version, "extcap-version", "", "the version of Wireshark, which is ignored")
	for _, name := range []string{"extcap-interfaces", "extcap-dlts", "extcap-config", "capture", "extcap-interface", "fifo", "extcap-capture-filter", "extcap-version"} {
		flags.Lookup(name).Hidden = true
	}
}

// used reports whether Wireshark has called the program.
func (f *extcapFlags) used() bool {
	return f.interfaces || f.dlts || f.config || f.capture || f.name != "" || f.fifo != "" || f.filter != "" || f.version != ""
}

// extcapPrefix is the beginning of the names of interfaces. The number of the process follows.
const extcapPrefix = "minitcp-"

func (f *extcapFlags) check(args []string) error {
	if len(args) > 0 {
		return usagef("%q: no FILTER may follow the flags of extcap; use --extcap-capture-filter", args[0])
	}
	if f.interfaces {
		return nil
	}
	if !strings.HasPrefix(f.name, extcapPrefix) {
		return usagef("--extcap-interface %q: not one of --extcap-interfaces", f.name)
	}
	if f.capture && f.fifo == "" {
		return usagef("--capture needs --fifo PATH")
	}
	return nil
}

// run performs the step that Wireshark requests. Without one it checks the filter and prints its mistake.
func (f *extcapFlags) run(o *liveOptions, out io.Writer) error {
	switch {
	case f.interfaces:
		return printExtcapInterfaces(out)
	case f.dlts:
		_, err := fmt.Fprintln(out, "dlt {number=101}{name=RAW}{display=Raw IP}")
		return err
	case f.config:
		_, err := fmt.Fprintln(out, "arg {number=0}{call=--split}{display=Split superframes}"+
			"{tooltip=Show each GSO packet as the segments it would be cut into on a wire}{type=boolflag}")
		return err
	}
	_, err := control.ParseFilter(f.filter, true)
	switch {
	case f.capture && err == nil:
		return f.record(o)
	case f.capture:
		return usagef("%v", err)
	case err != nil:
		_, err = fmt.Fprintln(out, err)
	}
	return err
}

// printExtcapInterfaces prints an interface for each running daemon with a default socket.
func printExtcapInterfaces(out io.Writer) error {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	lines := []string{sentence("extcap", "version", version, "display", "minitcp")}
	clients, _ := control.Clients() // Wireshark shows no error: a daemon that does not answer is absent
	for _, c := range clients {
		d, err := c.Daemon()
		if err != nil {
			continue // it has ended
		}
		lines = append(lines, sentence("interface", "value", fmt.Sprint(extcapPrefix, d.PID),
			"display", fmt.Sprintf("minitcp %s on %s (process %d)", d.Command, d.Device, d.PID)))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

// sentence returns a sentence of extcap's grammar: a word, and names with their values. The names of a daemon may be
// another user's, and must not end the value.
func sentence(word string, pairs ...string) string {
	var b strings.Builder
	b.WriteString(word + " ")
	for i := 0; i < len(pairs); i += 2 {
		value := strings.Map(func(r rune) rune {
			if r < ' ' || strings.ContainsRune("{}\\\x7f", r) {
				return '?'
			}
			return r
		}, pairs[i+1])
		b.WriteString("{" + pairs[i] + "=" + value + "}")
	}
	return b.String()
}

// record captures into Wireshark's FIFO.
func (f *extcapFlags) record(o *liveOptions) (err error) {
	o.name = strings.TrimPrefix(f.name, extcapPrefix)
	daemon, err := o.daemon()
	if err != nil {
		return err
	}
	fifo, err := os.OpenFile(f.fifo, os.O_WRONLY, 0) // waits for its reader
	if err != nil {
		return fmt.Errorf("--fifo: %w", err)
	}
	defer func() { err = errors.Join(err, fifo.Close()) }()
	_, err = o.capture(daemon, fifo, f.filter) // the statistics have the number of missing packets
	return err
}
