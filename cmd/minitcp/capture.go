//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/spf13/pflag"

	"minitcp/stack"
	"minitcp/stack/pcap"
)

// captureFlags holds the flags of packet capture.
type captureFlags struct {
	file   string
	filter captureFilter
	split  bool
	size   int // in MB; 0 means no limit
	files  int
}

const (
	defaultCaptureFiles = 10
	maxCaptureSize      = 1_000_000 // MB
	megabyte            = 1_000_000
)

func (f *captureFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "pcap", "", "write every packet, with the state of its connection, to `FILE` for tcpdump and Wireshark (pcapng)")
	flags.Var(&f.filter, "pcap-filter", "write only the packets of 'port N' or 'host ADDRESS'; may be repeated: a packet must match one of the ports and one of the hosts")
	flags.BoolVar(&f.split, "pcap-split", false, "write each GSO packet as the segments it would be cut into on a wire")
	flags.IntVar(&f.size, "pcap-size", 0, "begin a new file after this many `MB`; FILE is renamed to FILE.1, FILE.1 to FILE.2, ...; 0 means no limit")
	flags.IntVar(&f.files, "pcap-files", defaultCaptureFiles, "with --pcap-size, the `NUMBER` of files to keep; older ones are removed")
}

// check returns an error for flags that are out of range or contradict each other.
func (f *captureFlags) check() error {
	switch {
	case f.file == "-":
		return usagef("--pcap -: stdout is in use; name a file")
	case f.file == "" && (f.filter.String() != "" || f.split || f.size != 0 || f.files != defaultCaptureFiles):
		return usagef("--pcap-filter, --pcap-split, --pcap-size and --pcap-files need a file; name it with --pcap FILE")
	case f.size < 0 || f.size > maxCaptureSize:
		return usagef("--pcap-size %d: out of range; choose from 1 to %d MB, or 0 for no limit", f.size, maxCaptureSize)
	case f.files < 1:
		return usagef("--pcap-files %d: must be at least 1", f.files)
	case f.files != defaultCaptureFiles && f.size == 0:
		return usagef("--pcap-files %d: has no effect without --pcap-size; give both", f.files)
	}
	return nil
}

// open creates the capture file, if the flags name one. device is the name of the captured interface. Warnings go to
// stderr.
func (f *captureFlags) open(device string, stderr io.Writer) (*capturing, error) {
	if f.file == "" {
		return nil, nil
	}
	cfg := pcap.Config{
		Path:      f.file,
		Interface: device,
		Filter:    f.filter.Filter,
		MaxSize:   int64(f.size) * megabyte,
		Files:     f.files,
	}
	if f.split {
		cfg.Superframes = pcap.Cut
	}
	c := &capturing{file: f.file, stderr: stderr}
	cfg.Failed = c.fail
	var err error
	if c.capture, err = pcap.Create(cfg); err != nil {
		return nil, fmt.Errorf("--pcap: %w; name a writable file", err)
	}
	return c, nil
}

// capturing writes a running stack's packets to a file. A nil *capturing writes nothing.
type capturing struct {
	capture *pcap.Capture
	file    string
	stderr  io.Writer
	failed  atomic.Bool // fail has reported the error
}

// fail reports a write error. The capture ends; traffic continues.
func (c *capturing) fail(err error) {
	c.failed.Store(true)
	fmt.Fprintf(c.stderr, "minitcp: --pcap: %v; the capture ends here; traffic continues\n", err)
}

// tap returns the stack's Config.Tap, nil without a capture.
func (c *capturing) tap() func(*stack.Frame) {
	if c == nil {
		return nil
	}
	return c.capture.Tap
}

// close completes the file. It must be called after the stack has ended. Missing packets cause a warning, not an error.
func (c *capturing) close() error {
	if c == nil {
		return nil
	}
	err := c.capture.Close()
	if lost, ok := errors.AsType[*pcap.LostError](err); ok {
		n := lost.Counts
		fmt.Fprintf(c.stderr, "minitcp: --pcap: %d of %d packets are missing in %s: they arrived faster than the file could be written; "+
			"select fewer with --pcap-filter\n", n.Lost, n.Lost+n.Captured, c.file)
		return nil
	}
	if err != nil && c.failed.Load() {
		return exitStatus(exitFailure)
	}
	if err != nil {
		return fmt.Errorf("--pcap: %w", err)
	}
	return nil
}

// captureFilter is the value of --pcap-filter, which may be repeated.
type captureFilter struct{ pcap.Filter }

// Set adds terms to the filter.
func (f *captureFilter) Set(s string) error {
	if err := f.Add(s); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// Type returns the word for the value in the help text.
func (f *captureFilter) Type() string { return "FILTER" }
