//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"minitcp/tun"
)

// notifySocket listens as a service manager does, in a namespace. An address that begins with @ is abstract.
func notifySocket(t *testing.T, n *tun.Namespace, address string) *net.UnixConn {
	t.Helper()
	var c *net.UnixConn
	err := n.Do(func() (err error) {
		c, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// expectState checks the next state that the service manager gets.
func expectState(t *testing.T, c *net.UnixConn, want string) {
	t.Helper()
	b := make([]byte, 1000)
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("the service manager got %q, %v; want %q", b[:n], err, want)
	}
}

// Serve and gateway notify the service manager when they are ready and when they stop.
func TestNotify(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "gateway"} {
		for _, address := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@minitcp-test-%d-%s", os.Getpid(), command)} {
			t.Run(command+" "+address[:1], func(t *testing.T) {
				host := newNamespace(t)
				manager := notifySocket(t, host, address)
				cmd := program(t, in(host.Name()), command)
				cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address)
				p := start(t, cmd)
				expectState(t, manager, "READY=1")
				if r := finish(t, tool(t, host.Name(), "ping", "-c1", "-W10", "10.77.0.2")); r.status != 0 {
					t.Errorf("%+v, want an answer: it is ready", r)
				}
				if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				expectState(t, manager, "STOPPING=1")
				if status := p.wait(); status != 0 || strings.Contains(p.err.String(), "level=WARN") {
					t.Errorf("exit status %d; it wrote %s", status, p.err.String())
				}
			})
		}
	}
}

// The process of serve in a private namespace notifies the service manager, too.
func TestNotifyWithoutRoot(t *testing.T) {
	t.Parallel()
	host, dir := newNamespace(t), filepath.Dir(publicProgram(t))
	address := filepath.Join(dir, "notify")
	manager := notifySocket(t, host, address)
	if err := os.Chmod(address, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := unprivileged(t, "666", "serve")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address)
	p := start(t, cmd)
	expectState(t, manager, "READY=1")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expectState(t, manager, "STOPPING=1")
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// A socket of the service manager that cannot be reached is a warning.
func TestNotifyFails(t *testing.T) {
	t.Parallel()
	host := newNamespace(t)
	for _, address := range []string{"/does/not/exist", "@no-such-socket", "/dev/null", "/" + strings.Repeat("x", 200), "vsock:2:1"} {
		cmd := program(t, in(host.Name()), "serve")
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+address)
		p := start(t, cmd)
		p.awaitErr("cannot notify the service manager")
		if status := p.signal(syscall.SIGTERM); status != 0 {
			t.Errorf("%s: exit status %d", address, status)
		}
	}
}

// After the first signal, connections through the gateway still pass data, and it ends with them.
func TestGatewayEndsConnections(t *testing.T) {
	g, p := startGateway(t)
	for _, end := range []string{"orderly", "second signal"} {
		if end == "second signal" {
			p = g.start(t)
		}
		l := g.listen(t, forwardFamilies[0].live)
		client, err := dialInto(t, g.clients.Name(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.awaitErr("msg=stopping connections=1")
		if end == "second signal" {
			if status := p.signal(syscall.SIGINT); status != exitFailure {
				t.Errorf("exit status %d, want 1", status)
			}
			lines := strings.SplitAfter(p.err.String(), "\n")
			checkLine(t, lines[len(lines)-2], "second signal")
			continue
		}
		for _, way := range []struct{ from, to net.Conn }{{client, server}, {server, client}} {
			if _, err := way.from.Write([]byte("still")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(way.to, b); err != nil || string(b) != "still" {
				t.Fatalf("%q, %v; want the data", b, err)
			}
		}
		client.Close()
		if n, err := server.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d, %v; want the FIN", n, err)
		}
		server.Close()
		if status := p.wait(); status != 0 || strings.Contains(p.err.String(), "level=WARN") {
			t.Errorf("exit status %d; it wrote %s", status, p.err.String())
		}
	}
}
