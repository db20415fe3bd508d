//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asProgram in the environment makes the test binary be minitcp itself. It is built with the race detector when the
// tests are, and has the statuses, signals and namespaces of a process of its own.
const asProgram = "MINITCP_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(runTests(m))
}

// runTests runs the tests with a directory of their own for the default sockets of the daemons that they start and for
// the history of stats.
func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "minitcp")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv("XDG_RUNTIME_DIR", dir)
	return m.Run()
}

// patience is how long a test waits for another process before it fails.
const patience = 60 * time.Second

// program returns minitcp with arguments, run by the command before, such as "ip netns exec X".
func program(t *testing.T, before []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(append(before, self), args...)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// result is how a program ended.
type result struct {
	status      int
	out, errOut string
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errOut bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &errOut
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return result{waitFor(t, cmd), out.String(), errOut.String()}
}

// waitFor waits for a command that runs, and returns its exit status.
func waitFor(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	watchdog := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !watchdog.Stop() {
		t.Fatalf("%q did not end within %v; it has written: %s", cmd.Args, patience, cmd.Stderr)
	}
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// checkLine checks that text is one line of the program's that contains all of want.
func checkLine(t *testing.T, text string, want ...string) {
	t.Helper()
	if !strings.HasPrefix(text, "minitcp: ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		t.Errorf("not one line of minitcp's: %q", text)
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}
