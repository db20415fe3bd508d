//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"minitcp/tun"
)

// startWithInput starts a command with data as its stdin, whose end follows once the command has written n bytes:
// the kernel's nc ends at the peer's FIN even if it has more to send, so minitcp's FIN has to come after its data.
func startWithInput(t *testing.T, cmd *exec.Cmd, data []byte, n int) *process {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, cmd)
	go func() {
		defer stdin.Close()
		if _, err := stdin.Write(data); err != nil {
			return // the command has ended
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(patience); len(p.out.String()) < n && time.Now().Before(deadline); {
			<-tick.C
		}
	}()
	return p
}

// Minitcp nc connects to the kernel's nc; each sends data, and ends after the other's FIN.
func TestNCConnects(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	for i, host := range []string{"10.77.0.1", "fd77::1"} {
		t.Run(host, func(t *testing.T) {
			port := 5000 + i
			ours, theirs := noiseBytes(t, 4, 3_000_000), noiseBytes(t, 5, 2_000_000)
			family := []string{"-4", "-6"}[i]
			kernel := tool(t, n.Name(), "nc.openbsd", family, "-N", "-l", fmt.Sprint(port))
			kernel.Stdin = bytes.NewReader(theirs)
			k := start(t, kernel)
			until(t, "the kernel's nc listens", func() bool { return listens(t, n, port) })

			p := startWithInput(t, program(t, nil, "nc", "--netns", n.Name(), host, fmt.Sprint(port)), ours, len(theirs))
			if status := p.wait(); status != 0 || p.err.String() != "" || p.out.String() != string(theirs) {
				t.Errorf("status %d, %q, %d bytes; want 0 and the %d of the kernel's nc", status, p.err.String(), len(p.out.String()), len(theirs))
			}
			if status := k.wait(); status != 0 || k.out.String() != string(ours) {
				t.Errorf("the kernel's nc: status %d, %d bytes; want 0 and %d", status, len(k.out.String()), len(ours))
			}
		})
	}
}

// Minitcp nc -l waits for the kernel's nc.
func TestNCListens(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	for _, host := range []string{"10.77.0.2", "fd77::2"} {
		t.Run(host, func(t *testing.T) {
			ours, theirs := noiseBytes(t, 6, 2_000_000), noiseBytes(t, 7, 3_000_000)
			p := startWithInput(t, program(t, nil, "nc", "-v", "--netns", n.Name(), "-l", "-p", "6000"), ours, len(theirs))
			p.awaitErr("waiting on port 6000\n")

			kernel := tool(t, n.Name(), "nc.openbsd", "-N", host, "6000")
			kernel.Stdin = bytes.NewReader(theirs)
			if r := finish(t, kernel); r.status != 0 || r.out != string(ours) {
				t.Errorf("the kernel's nc: status %d, %d bytes; want 0 and %d", r.status, len(r.out), len(ours))
			}
			if status := p.wait(); status != 0 || p.out.String() != string(theirs) {
				t.Errorf("status %d, %d bytes; want 0 and %d", status, len(p.out.String()), len(theirs))
			}
			if !strings.Contains(p.err.String(), "connected: ") {
				t.Errorf("-v says only %q", p.err.String())
			}
		})
	}
}

// listenIn listens with a socket of the kernel's, in the namespace.
func listenIn(t *testing.T, n *tun.Namespace) *net.TCPListener {
	t.Helper()
	var l *net.TCPListener
	err := n.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", &net.TCPAddr{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { l.Close() })
	return l
}

func accept(t *testing.T, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func portOf(l net.Listener) string { return fmt.Sprint(l.Addr().(*net.TCPAddr).Port) }

// At the end of stdin the peer gets a FIN, and the data it sends after that still arrives.
func TestNCHalfClose(t *testing.T) {
	n := newNamespace(t)
	l := listenIn(t, n)
	cmd := program(t, nil, "nc", "--netns", n.Name(), "10.77.0.1", portOf(l))
	cmd.Stdin = strings.NewReader("question")
	p := start(t, cmd)
	c := accept(t, l)
	if got, err := io.ReadAll(c); err != nil || string(got) != "question" {
		t.Errorf("got %q, %v; want the question and its end", got, err)
	}
	if _, err := io.WriteString(c, "answer"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if status := p.wait(); status != 0 || p.out.String() != "answer" || p.err.String() != "" {
		t.Errorf("status %d, %q, %q; want the answer", status, p.out.String(), p.err.String())
	}
}

// After the peer's FIN, stdin still goes to it.
func TestNCHalfClosedByPeer(t *testing.T) {
	n := newNamespace(t)
	l := listenIn(t, n)
	reader, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer stdin.Close()
	cmd := program(t, nil, "nc", "--netns", n.Name(), "fd77::1", portOf(l))
	cmd.Stdin = reader
	p := start(t, cmd)
	c := accept(t, l)
	if _, err := io.WriteString(c, "first"); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.awaitOut("first")
	if _, err := io.WriteString(stdin, "last"); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "last" {
		t.Errorf("got %q, %v", got, err)
	}
	if status := p.wait(); status != 0 || p.err.String() != "" {
		t.Errorf("status %d, %q", status, p.err.String())
	}
}

// A connection that does not come about, or breaks, is one line and status 1.
func TestNCFails(t *testing.T) {
	t.Parallel()
	n := newNamespace(t)
	for _, test := range []struct {
		args string
		want []string
	}{
		{"10.77.0.1 1", []string{"10.77.0.1:1", "connection refused", "listening"}},
		{"fd77::1 1", []string{"[fd77::1]:1", "connection refused"}},
		{"-w 1 10.77.0.99 1", []string{"10.77.0.99:1", "timeout", "-w"}},
		{"-w 1 -l -p 1", []string{"no peer has connected", "-w"}},
	} {
		r := finish(t, program(t, nil, append([]string{"nc", "--netns", n.Name()}, strings.Fields(test.args)...)...))
		if r.status != exitFailure || r.out != "" {
			t.Errorf("%s: status %d, %q; want 1", test.args, r.status, r.out)
		}
		checkLine(t, r.errOut, test.want...)
	}

	l := listenIn(t, n)
	reader, stdin, err := os.Pipe() // stdin that does not end
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer stdin.Close()
	connect := func() (*process, *net.TCPConn) {
		cmd := program(t, nil, "nc", "--netns", n.Name(), "10.77.0.1", portOf(l))
		cmd.Stdin = reader
		return start(t, cmd), accept(t, l)
	}
	p, c := connect()
	c.SetLinger(0)
	c.Close()
	if status := p.wait(); status != exitFailure {
		t.Errorf("reset: status %d, want 1", status)
	}
	checkLine(t, p.err.String(), "reset")

	p, c = connect()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after a signal: read %d, %v; want the FIN", n, err)
	}
	c.Close()
	if status := p.wait(); status != exitFailure {
		t.Errorf("signal: status %d, want 1", status)
	}
	checkLine(t, p.err.String(), "interrupted")
}
