//go:build linux

package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"minitcp/bench/report"
)

// The parts that the command lines share.

// newFlags returns the flags of a command, "" for the one without a name.
func newFlags(command, usage string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	return flags
}

// parseFlags reads a command line and checks the values with check. It writes errors to the output of flags as well.
func parseFlags(flags *flag.FlagSet, arguments []string, check func() error) error {
	if err := flags.Parse(arguments); err != nil {
		return err // Parse has written it
	}
	var err error
	if flags.NArg() > 0 {
		err = fmt.Errorf("%q is not a flag; see -help", flags.Arg(0))
	} else {
		err = check()
	}
	if err != nil {
		fmt.Fprintf(flags.Output(), "bench: %v\n", err)
	}
	return err
}

// given reports whether a flag is on the command line.
func given(flags *flag.FlagSet, name string) (ok bool) {
	flags.Visit(func(f *flag.Flag) { ok = ok || f.Name == name })
	return ok
}

// within returns an error unless the value of a flag is within bounds.
func within[T cmp.Ordered](name string, value, least, most T) error {
	if value < least || value > most {
		return fmt.Errorf("-%s %v is not within %v and %v", name, value, least, most)
	}
	return nil
}

// makeProfiles makes the directory of the flag -profile; "" is none.
func makeProfiles(directory string) error {
	if directory == "" {
		return nil
	}
	if err := os.MkdirAll(directory, 0o777); err != nil {
		return fmt.Errorf("-profile: %w", err)
	}
	return nil
}

// exitStatus measures unless the command line had an error. It returns 0; 1 if a measurement failed; 2 for an error on
// the command line.
func exitStatus(parsed error, measure func(stdout, stderr io.Writer) error, stdout, stderr io.Writer) int {
	switch {
	case errors.Is(parsed, flag.ErrHelp):
		return 0
	case parsed != nil:
		return 2
	}
	if err := measure(stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// needRoot returns an error for a user other than root.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces and devices need root: run as root")
	}
	return nil
}

// fillTable puts a table into the place of that name in the README, below the environment and a description of the
// measurement, "" for none.
func fillTable(name string, e environment, how string, t *report.Table) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s.\n", e)
	if how != "" {
		fmt.Fprintf(&text, "%s.\n", how)
	}
	text.WriteByte('\n')
	if err := t.WriteMarkdown(&text); err != nil {
		return err
	}
	return fillReadme(name, text.Bytes())
}
