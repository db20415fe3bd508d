//go:build linux

package sandbox

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
)

const initCommand = "init"

// TestMain makes the test binary process 1 of a sandbox where Start runs it as such.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == initCommand {
		os.Exit(Init(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// newSandbox starts a sandbox for a command.
func newSandbox(t *testing.T, command ...string) *Sandbox {
	t.Helper()
	testenv.RequireDevice(t)
	s, err := Start(Config{Init: initCommand, Command: command, MTU: 1500, Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Device().Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A signal before the start of the command is for the command.
func TestEarlySignal(t *testing.T) {
	s := newSandbox(t, "sleep", "1000")
	s.Signal(syscall.SIGWINCH)
	s.Signal(syscall.SIGTERM)
	if status, err := s.Run(); status != 128+int(syscall.SIGTERM) || err != nil {
		t.Errorf("Run returns %d, %v", status, err)
	}
	s.Signal(syscall.SIGTERM) // does nothing
}

// A command that has not been run leaves nothing behind, and one that does not exist is known before anything is made.
func TestNotRun(t *testing.T) {
	s := newSandbox(t, "true")
	if d := s.Device(); d.Name() != deviceName || d.MTU() != 1500 || len(d.Near()) != 1 || d.Near()[0] != s.Addresses()[0] {
		t.Errorf("the device is %s, with an MTU of %d bytes near %v", d.Name(), d.MTU(), d.Near())
	}
	_, err := Start(Config{Init: initCommand, Command: []string{"no-such-command"}})
	if e, ok := errors.AsType[*CommandError](err); !ok || e.Status != StatusNotFound || e.Command != "no-such-command" {
		t.Errorf("the error is %v", err)
	}
}

// Init is for Start only.
func TestInitRefuses(t *testing.T) {
	if status := Init([]string{"3", "/bin/true", "true"}); status != 2 { // this is not process 1
		t.Errorf("the exit status is %d, want 2", status)
	}
}
