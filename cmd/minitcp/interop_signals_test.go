//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"minitcp/cmd/minitcp/internal/testenv"
)

// background is a shell command that starts its arguments with &, as a script does, and writes the process's id to
// stderr. A shell without job control starts such a process with SIGINT ignored.
const background = `"$@" & echo "pid=$!" >&2; wait $!`

// startBackground starts a command that runs background. If the shell ends and its child does not, the test fails after
// a second instead of waiting for the child.
func startBackground(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.WaitDelay = time.Second
	return start(t, cmd)
}

// backgroundPID returns the process id that background has written.
func (p *process) backgroundPID() int {
	p.t.Helper()
	p.awaitErr("\n")
	_, rest, _ := strings.Cut(p.err.String(), "pid=")
	text, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(text)
	if err != nil {
		p.t.Fatalf("the shell wrote %q; want a process id", p.err.String())
	}
	p.t.Cleanup(func() {
		if p.t.Failed() {
			syscall.Kill(pid, syscall.SIGTERM)
		}
	})
	return pid
}

// TestInterruptInBackground checks that SIGINT ends a daemon that a script has started with &, as root and in a private
// namespace, and that SIGHUP does not end one under nohup.
func TestInterruptInBackground(t *testing.T) {
	t.Parallel()
	testenv.RequireDevice(t)
	requirePrograms(t, interopPrograms)
	t.Run("root", func(t *testing.T) {
		namespace := newName()
		p := startBackground(t, program(t, []string{"sh", "-c", background, "sh"}, "serve", "--netns", namespace))
		p.awaitOut("Press ^C to stop.")
		p.interruptBackground()
		if namespaceExists(namespace) {
			t.Error("the namespace is still there")
		}
	})
	t.Run("nc", func(t *testing.T) {
		p := startBackground(t, program(t, []string{"sh", "-c", background, "sh"}, "nc", "-v", "--netns", newName(), "-l", "80"))
		p.awaitErr("waiting on port 80")
		if err := syscall.Kill(p.backgroundPID(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if status := p.wait(); status != exitFailure || !strings.Contains(p.err.String(), "interrupted") {
			t.Errorf("status %d; want 1 and the word interrupted", status)
		}
	})
	const dropAndRun = `exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c '` + background + `' sh "$@"`
	t.Run("private", func(t *testing.T) {
		p := startBackground(t, runAs(t, publicProgram(t), "666", dropAndRun, "serve"))
		p.awaitOut("Press ^C to stop.")
		p.interruptBackground()
	})
	const hangUpIgnored = `trap "" HUP; ` + dropAndRun
	t.Run("private nohup", func(t *testing.T) {
		p := startBackground(t, runAs(t, publicProgram(t), "666", hangUpIgnored, "serve"))
		p.awaitOut("Press ^C to stop.")
		if got, want := ignoredSignals(t, p.backgroundPID()), uint64(1)<<(syscall.SIGHUP-1); got&want == 0 {
			t.Errorf("the ignored signals are %#x; want SIGHUP among them", got)
		}
		p.interruptBackground()
	})
}

// interruptBackground sends SIGINT to the process that background has started and checks that it ends with status 0.
func (p *process) interruptBackground() {
	p.t.Helper()
	pid := p.backgroundPID()
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	p.awaitErr("stopping")
	if status := p.wait(); status != 0 {
		p.t.Errorf("SIGINT: status %d, want 0", status)
	}
}

// ignoredSignals returns the mask of the signals that a process ignores.
func ignoredSignals(t *testing.T, pid int) (mask uint64) {
	t.Helper()
	for line := range strings.Lines(readFile(t, fmt.Sprintf("/proc/%d/status", pid))) {
		if text, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			if _, err := fmt.Sscanf(strings.TrimSpace(text), "%x", &mask); err != nil {
				t.Fatal(err)
			}
		}
	}
	return mask
}
