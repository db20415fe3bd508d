//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/sandbox"
	"minitcp/tun"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake on the command line.
type usageError struct{ problem string }

func (e *usageError) Error() string { return e.problem }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// exitStatus is an error that sets the exit status without printing a message: one has been printed already.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// report writes an error as one line and returns its exit status. It writes joined errors of the same text once, and
// leaves out those of type exitStatus.
func report(w io.Writer, err error) int {
	var lines []string
	status := 0
	for _, part := range joined(err) {
		if s, ok := errors.AsType[exitStatus](part); ok {
			status = max(status, int(s))
		} else if line := oneLine(part); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return status
	}
	fmt.Fprintln(w, "minitcp: "+strings.Join(lines, "; "))
	if isUsage(err) {
		return exitUsage
	}
	if e, ok := errors.AsType[*sandbox.CommandError](err); ok {
		return e.Status
	}
	return exitFailure
}

// joined returns the errors that errors.Join joined to make err. It returns err alone if err was not made by
// errors.Join, and none if err is nil.
func joined(err error) []error {
	if err == nil {
		return nil
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok && err.Error() == errors.Join(list.Unwrap()...).Error() {
		var all []error
		for _, e := range list.Unwrap() {
			all = append(all, joined(e)...)
		}
		return all
	}
	return []error{err}
}

// isUsage reports whether err is a mistake on the command line, whatever the state of the system.
func isUsage(err error) bool {
	if _, ok := errors.AsType[*usageError](err); ok {
		return true
	}
	for _, reason := range []error{tun.ErrName, tun.ErrMTU, tun.ErrTxQueueLen, tun.ErrQueues, tun.ErrAddress} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// oneLine returns the error's text without line breaks and without the prefix of a package.
func oneLine(err error) string {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	for _, prefix := range []string{"tun: ", "stack: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// flagError returns the error for a flag that cannot be parsed, in this program's words.
func flagError(cmd *cobra.Command, err error) error {
	help := "; see: " + cmd.CommandPath() + " --help"
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		cause := e.Unwrap()
		if _, ok := errors.AsType[*usageError](cause); !ok {
			cause = fmt.Errorf("invalid %s%s", e.GetFlag().Value.Type(), help)
		}
		return usagef("--%s %q: %v", e.GetFlag().Name, e.GetValue(), cause)
	}
	return usagef("%v%s", err, help)
}

// noArguments checks that a command which has only flags was given no arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q: %s takes flags only; see: %s --help", args[0], cmd.Name(), cmd.CommandPath())
	}
	return nil
}

// usageArgs returns check with its error as a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			text, _, _ := strings.Cut(err.Error(), "\n")
			return usagef("%s; see: %s --help", text, cmd.CommandPath())
		}
		return nil
	}
}
