//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/tun"
)

// The tests in files named interop… run minitcp as a process, and the kernel's sockets and common programs on the other
// side of its TUN, in network namespaces of their own.

// requirePrograms fails the test where a program is missing: all of them are in Debian.
func requirePrograms(t *testing.T, packages map[string]string) {
	t.Helper()
	for program, name := range packages {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("NOT TESTED: %s is missing; install it with: apt-get install %s", program, name)
		}
	}
}

var interopPrograms = map[string]string{
	"ip": "iproute2", "curl": "curl", "nc.openbsd": "netcat-openbsd", "ping": "iputils-ping",
}

var namespaceNumber atomic.Int32

// newName returns a name that no namespace has.
func newName() string { return fmt.Sprintf("minitcp-test-%d-%d", os.Getpid(), namespaceNumber.Add(1)) }

// namespaceExists reports whether there is a namespace of that name.
func namespaceExists(name string) bool {
	_, err := os.Lstat(filepath.Join("/run/netns", name))
	return err == nil
}

// newNamespace makes a namespace for one test.
func newNamespace(t *testing.T) *tun.Namespace {
	t.Helper()
	testenv.RequireDevice(t)
	requirePrograms(t, interopPrograms)
	n, err := tun.NewNamespace(newName())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// in returns the prefix of a command line that runs a command in the namespace of that name.
func in(namespace string) []string { return []string{"ip", "netns", "exec", namespace} }

// tool returns the command that runs another program than minitcp in a namespace.
func tool(t *testing.T, namespace string, line ...string) *exec.Cmd {
	line = append(in(namespace), line...)
	return exec.CommandContext(t.Context(), line[0], line[1:]...)
}

// process is a running command with its output so far.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   transcript
	err   transcript
	ended bool
}

// start starts a command, and kills it when the test ends and it has not.
func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd}
	cmd.Stdout, cmd.Stderr = &p.out, &p.err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			cmd.Process.Kill()
			cmd.Wait()
		}
		if t.Failed() {
			t.Logf("%q wrote:\n%s%s", cmd.Args, readable(p.out.String()), readable(p.err.String()))
		}
	})
	return p
}

// serve starts minitcp serve, and returns when it serves. The namespace is the one it made, unless the arguments name
// one.
func serve(t *testing.T, args ...string) (p *process, namespace string) {
	t.Helper()
	testenv.RequireDevice(t)
	requirePrograms(t, interopPrograms)
	namespace = newName()
	p = start(t, program(t, nil, append([]string{"serve", "--netns", namespace}, args...)...))
	p.awaitOut("Press ^C to stop.")
	t.Cleanup(func() {
		if namespaceExists(namespace) { // after a failure
			exec.Command("ip", "netns", "delete", namespace).Run()
		}
	})
	return p, namespace
}

// signal sends a signal and returns the exit status that comes of it.
func (p *process) signal(s syscall.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	p.ended = true
	return waitFor(p.t, p.cmd)
}

// awaitOut waits until the process has written text to stdout; awaitErr, to stderr.
func (p *process) awaitOut(text string) { p.t.Helper(); p.await(&p.out, text) }
func (p *process) awaitErr(text string) { p.t.Helper(); p.await(&p.err, text) }

func (p *process) await(from *transcript, text string) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("%q writes %q", p.cmd.Args, text), func() bool {
		return strings.Contains(from.String(), text)
	})
}

// until polls until the condition holds, and fails the test when it does not for too long.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// readable returns the text, or the number of bytes and their hash if they are not text.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return fmt.Sprintf("(%d bytes, sha256 %x)\n", len(s), sha256.Sum256([]byte(s)))
}

// transcript is a buffer that may be read while it is written.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (tr *transcript) Write(b []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.b.Write(b)
}

// String returns all that was written.
func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.b.String()
}

// listens reports whether a socket of the kernel's listens on the port, in the namespace.
func listens(t *testing.T, n *tun.Namespace, port int) bool {
	t.Helper()
	found := false
	err := n.Do(func() error {
		for _, table := range []string{"tcp", "tcp6"} {
			b, err := os.ReadFile("/proc/thread-self/net/" + table)
			if err != nil {
				return err
			}
			for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
				const listen = "0A"
				f := strings.Fields(s.Text())
				found = found || len(f) > 3 && f[3] == listen && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// readFile returns the content of a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// noise returns n bytes that do not repeat themselves, different for every seed.
func noise(seed byte, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), n)
}

func noiseBytes(t *testing.T, seed byte, n int64) []byte {
	t.Helper()
	b, err := io.ReadAll(noise(seed, n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
