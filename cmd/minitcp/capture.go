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

// captureFlags say whether the packets are written to a file, and which.
type captureFlags struct {
	file   string
	filter captureFilter
	split  bool
	size   int // MB; 0: no limit
	files  int
}

const (
	defaultCaptureFiles = 10
	maxCaptureSize      = 1_000_000 // MB
	megabyte            = 1_000_000
)

func (f *captureFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.file, "pcap", "", "write every packet, with our state, to this `FILE` for tcpdump and Wireshark (pcapng)")
	flags.Var(&f.filter, "pcap-filter", "write only packets of 'port N' or 'host ADDRESS'; may be given many times: one of the ports and one of the hosts must match")
	flags.BoolVar(&f.split, "pcap-split", false, "write superframes as the segments that a wire would carry")
	flags.IntVar(&f.size, "pcap-size", 0, "begin another file after so many `MB`; what was FILE becomes FILE.1, FILE.1 becomes FILE.2, ...")
	flags.IntVar(&f.files, "pcap-files", defaultCaptureFiles, "with --pcap-size, how many files to keep, as a `NUMBER`; the oldest are removed")
}

// check finds mistakes.
func (f *captureFlags) check() error {
	switch {
	case f.file == "-":
		return usagef("--pcap -: stdout is for other things; name a file")
	case f.file == "" && (f.filter.String() != "" || f.split || f.size != 0 || f.files != defaultCaptureFiles):
		return usagef("--pcap-filter, --pcap-split, --pcap-size and --pcap-files say how to write a file; name it with --pcap FILE")
	case f.size < 0 || f.size > maxCaptureSize:
		return usagef("--pcap-size %d: no file has that size; choose one from 1 to %d MB, or 0 for no limit", f.size, maxCaptureSize)
	case f.files < 1:
		return usagef("--pcap-files %d: at least one file must be kept", f.files)
	case f.files != defaultCaptureFiles && f.size == 0:
		return usagef("--pcap-files %d: there is only one file unless --pcap-size limits it; give both", f.files)
	}
	return nil
}

// open begins to write, if that is wanted. Device is what the packets pass; notices go to stderr.
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
		return nil, fmt.Errorf("--pcap: %w; name a file that can be written", err)
	}
	return c, nil
}

// capturing writes while a stack runs. A nil one writes nothing.
type capturing struct {
	capture *pcap.Capture
	file    string
	stderr  io.Writer
	failed  atomic.Bool // fail has reported the error
}

// fail reports that the file cannot be written any more. Traffic goes on.
func (c *capturing) fail(err error) {
	c.failed.Store(true)
	fmt.Fprintf(c.stderr, "minitcp: --pcap: %v; the capture ends here, traffic goes on\n", err)
}

// tap is the stack's Config.Tap.
func (c *capturing) tap() func(*stack.Frame) {
	if c == nil {
		return nil
	}
	return c.capture.Tap
}

// close completes the file. It must come after the stack's end. Gaps in the file are no failure, but are told.
func (c *capturing) close() error {
	if c == nil {
		return nil
	}
	err := c.capture.Close()
	if lost, ok := errors.AsType[*pcap.LostError](err); ok {
		n := lost.Counts
		fmt.Fprintf(c.stderr, "minitcp: --pcap: %d of %d packets are missing in %s, because they came faster than it could be written; "+
			"a --pcap-filter makes them fewer\n", n.Lost, n.Lost+n.Captured, c.file)
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

// captureFilter is the value of a flag that may be given many times.
type captureFilter struct{ pcap.Filter }

// Set adds terms.
func (f *captureFilter) Set(s string) error {
	if err := f.Add(s); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// Type is for the help text.
func (f *captureFilter) Type() string { return "FILTER" }
