//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"minitcp/tun"
)

// TestServe runs serve with common programs on the other side, and checks that nothing is left after its end.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, namespace := serve(t, "--listen", "7=echo", "--listen", "13=daytime", "--listen", "80=http", "--listen", "8080=files:"+dir, "--upload")

	for _, host := range []string{"10.77.0.2", "[fd77::2]"} {
		t.Run("curl "+host, func(t *testing.T) {
			r := finish(t, tool(t, namespace, "curl", "-g", "-s", "http://"+host+"/"))
			if r.status != 0 || !regexp.MustCompile(`(?m)^state +ESTABLISHED$`).MatchString(r.out) {
				t.Errorf("%+v, want the page", r)
			}
		})
		t.Run("files "+host, func(t *testing.T) { transferFiles(t, namespace, host, dir) })
		t.Run("sockets "+host, func(t *testing.T) { echoHalfClosed(t, namespace, host) })
	}
	for _, host := range []string{"10.77.0.2", "fd77::2"} {
		t.Run("nc "+host, func(t *testing.T) {
			cmd := tool(t, namespace, "nc.openbsd", "-N", host, "7")
			cmd.Stdin = strings.NewReader("hello")
			if r := finish(t, cmd); r.status != 0 || r.out != "hello" {
				t.Errorf("%+v, want hello", r)
			}
			if r := finish(t, tool(t, namespace, "nc.openbsd", "-N", host, "13")); r.status != 0 || !strings.HasSuffix(r.out, "\r\n") {
				t.Errorf("%+v, want the time", r)
			}
		})
		t.Run("ping "+host, func(t *testing.T) {
			if r := finish(t, tool(t, namespace, "ping", "-c1", "-W10", host)); r.status != 0 || !strings.Contains(r.out, " 1 received") {
				t.Errorf("%+v, want an answer", r)
			}
		})
	}
	t.Run("1000 connections", func(t *testing.T) { manyConnections(t, namespace) })

	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("SIGTERM: status %d, want 0", status)
	}
	if namespaceExists(namespace) {
		t.Error("the namespace is still there")
	}
}

// transferFiles downloads and uploads 100 MB with curl.
func transferFiles(t *testing.T, namespace, host, dir string) {
	const size = 100_000_000
	want := sha256.New()
	name := filepath.Join(dir, "big")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.MultiWriter(f, want), noise(1, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(name)

	got := sha256.New()
	download := tool(t, namespace, "curl", "-g", "-sS", "--fail", "http://"+host+":8080/big")
	download.Stdout = got
	if r := finish(t, download); r.status != 0 || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("download: %+v, sha256 %x, want %x", r, got.Sum(nil), want.Sum(nil))
	}

	upload := tool(t, namespace, "curl", "-g", "-sS", "-w", "%{http_code}", "-T", name, "http://"+host+":8080/uploaded")
	if r := finish(t, upload); r.status != 0 || r.out != "201" {
		t.Errorf("upload: %+v, want 201", r)
	}
	f, err = os.Open(filepath.Join(dir, "uploaded"))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	got.Reset()
	if n, err := io.Copy(got, f); n != size || err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("uploaded %d bytes, %v, sha256 %x, want %x", n, err, got.Sum(nil), want.Sum(nil))
	}
}

// dialIn connects a socket of the kernel's, in the namespace.
func dialIn(n *tun.Namespace, address string) (c *net.TCPConn, err error) {
	err = n.Do(func() error {
		dialed, err := net.DialTimeout("tcp", address, patience)
		if err == nil {
			c = dialed.(*net.TCPConn)
			c.SetDeadline(time.Now().Add(patience))
		}
		return err
	})
	return c, err
}

// dialInto acts like dialIn into the namespace of that name. It does not keep the namespace open: that would keep
// serve from removing it.
func dialInto(t *testing.T, namespace, address string) (*net.TCPConn, error) {
	t.Helper()
	n, err := tun.NewNamespace(namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	return dialIn(n, address)
}

// echoHalfClosed sends everything, then the FIN, and only then begins to read.
func echoHalfClosed(t *testing.T, namespace, host string) {
	c, err := dialInto(t, namespace, host+":7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := noiseBytes(t, 2, 100_000)
	if _, err := c.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, %v; want the %d sent", len(got), err, len(want))
	}
}

// manyConnections has a thousand connections open at once, half of them over IPv6; each gets its own bytes back.
func manyConnections(t *testing.T, namespace string) {
	const count = 1000
	conns := make([]*net.TCPConn, count)
	for i := range conns {
		c, err := dialInto(t, namespace, []string{"10.77.0.2:7", "[fd77::2]:7"}[i%2])
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		conns[i] = c
	}
	failed := make(chan error, count)
	for i, c := range conns {
		c.SetDeadline(time.Now().Add(patience)) // it had to wait for the others
		go func() {
			want := bytes.Repeat(fmt.Appendf(nil, "connection %d;", i), 1000)
			if _, err := c.Write(want); err != nil {
				failed <- err
				return
			}
			if err := c.CloseWrite(); err != nil {
				failed <- err
				return
			}
			got, err := io.ReadAll(c)
			if err == nil && !bytes.Equal(got, want) {
				err = fmt.Errorf("%d bytes came back, or others; want %d", len(got), len(want))
			}
			failed <- err
		}()
	}
	for range conns {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// awaitAccepted waits until the log has n accepted connections. A connection that no service has accepted would be
// reset at the end.
func (p *process) awaitAccepted(n int) {
	p.t.Helper()
	until(p.t, "the services accept", func() bool { return strings.Count(p.err.String(), "connection accepted") >= n })
}

// While serve ends, open connections get their FIN, and it waits for them.
func TestServeEndsConnections(t *testing.T) {
	p, namespace := serve(t, "--log-level", "debug")
	var conns []*net.TCPConn
	for _, address := range []string{"10.77.0.2:7", "[fd77::2]:9", "10.77.0.2:80"} {
		c, err := dialInto(t, namespace, address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	p.awaitAccepted(len(conns))
	done := make(chan int)
	go func() { done <- p.signal(syscall.SIGINT) }()
	for _, c := range conns {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%v: read %d, %v; want the FIN", c.RemoteAddr(), n, err)
		}
		c.Close()
	}
	if status := <-done; status != 0 {
		t.Errorf("status %d, want 0", status)
	}
	if strings.Contains(p.err.String(), "level=WARN") {
		t.Errorf("a warning although all went well: %s", p.err.String())
	}
}

// A second signal ends serve without a wait for connections, and serve still removes its device and its namespace.
func TestServeSecondSignal(t *testing.T) {
	p, namespace := serve(t, "--log-level", "debug")
	c, err := dialInto(t, namespace, "10.77.0.2:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.awaitAccepted(1)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.awaitErr("stopping")
	if status := p.signal(syscall.SIGTERM); status != exitFailure {
		t.Errorf("status %d, want 1", status)
	}
	lines := strings.SplitAfter(p.err.String(), "\n")
	checkLine(t, lines[len(lines)-2], "second signal")
	if namespaceExists(namespace) {
		t.Error("the namespace is still there")
	}
}

// In a namespace that was there before, only the device is removed.
func TestServeInExistingNamespace(t *testing.T) {
	n := newNamespace(t)
	p := start(t, program(t, nil, "serve", "--netns", n.Name(), "--tun", "other7", "--mtu", "1400"))
	p.awaitOut("Press ^C to stop.")
	if mtu := deviceMTU(t, n, "other7"); mtu != "1400" {
		t.Errorf("MTU %s, want 1400", mtu)
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d, want 0", status)
	}
	if !namespaceExists(n.Name()) {
		t.Error("the namespace is gone")
	}
	if mtu := deviceMTU(t, n, "other7"); mtu != "" {
		t.Error("the device is still there")
	}
}

// Two daemons in one namespace do not remove it from each other: it ends with the second, also where that did not make
// it.
func TestServeTwoInOneNamespace(t *testing.T) {
	first, namespace := serve(t)
	second := start(t, program(t, nil, "serve", "--netns", namespace, "--tun", "mini1", "--address", "10.78.0.2/24", "--host-address", "10.78.0.1/24"))
	second.awaitOut("Press ^C to stop.")
	if status := first.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("the first: status %d, want 0", status)
	}
	if !namespaceExists(namespace) {
		t.Fatal("the first has removed the namespace from the second")
	}
	if r := finish(t, tool(t, namespace, "curl", "-s", "http://10.78.0.2/")); r.status != 0 {
		t.Errorf("curl: %+v", r)
	}
	if status := second.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("the second: status %d, want 0", status)
	}
	if namespaceExists(namespace) {
		t.Error("the namespace is still there")
	}
}

// A namespace that a killed daemon has left is removed at the end of the next one.
func TestServeAfterKill(t *testing.T) {
	killed, namespace := serve(t)
	killed.signal(syscall.SIGKILL)
	if !namespaceExists(namespace) {
		t.Fatal("the namespace is gone without its daemon")
	}
	next := start(t, program(t, nil, "serve", "--netns", namespace))
	next.awaitOut("Press ^C to stop.")
	if status := next.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d, want 0", status)
	}
	if namespaceExists(namespace) {
		t.Error("the namespace is still there")
	}
}

// TestServeDownAndUp checks that serve is reachable over both families after its device was down.
func TestServeDownAndUp(t *testing.T) {
	_, namespace := serve(t)
	for _, state := range []string{"down", "up"} {
		if r := finish(t, tool(t, namespace, "ip", "link", "set", "mini0", state)); r.status != 0 {
			t.Fatalf("%+v", r)
		}
	}
	for _, host := range []string{"10.77.0.2", "[fd77::2]"} {
		if r := finish(t, tool(t, namespace, "curl", "-g", "-s", "--retry", "5", "--retry-all-errors", "-m", "10", "http://"+host+"/")); r.status != 0 {
			t.Errorf("%s: %+v", host, r)
		}
	}
}

// deviceMTU returns a device's MTU, "" when there is no such device.
func deviceMTU(t *testing.T, n *tun.Namespace, name string) (mtu string) {
	t.Helper()
	err := n.Do(func() error {
		device, err := net.InterfaceByName(name)
		if err == nil {
			mtu = strconv.Itoa(device.MTU)
		}
		return nil // there is none
	})
	if err != nil {
		t.Fatal(err)
	}
	return mtu
}

func TestServeDeviceDeleted(t *testing.T) {
	p, namespace := serve(t)
	if r := finish(t, tool(t, namespace, "ip", "link", "delete", "mini0")); r.status != 0 {
		t.Fatalf("%+v", r)
	}
	if status := p.wait(); status != exitFailure {
		t.Errorf("status %d, want 1", status)
	}
	lines := strings.SplitAfter(p.err.String(), "\n")
	checkLine(t, lines[len(lines)-2], "deleted")
	if n := strings.Count(p.err.String(), "deleted"); n != 1 {
		t.Errorf("the error is there %d times, want once", n)
	}
	if namespaceExists(namespace) {
		t.Error("the namespace is still there")
	}
}

// A device or address that cannot be had causes an error of one line and status 1.
func TestServeRefused(t *testing.T) {
	_, namespace := serve(t)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--netns", namespace}, []string{"mini0", "already", "choose another name"}},
		{[]string{"--netns", namespace, "--tun", "mini1"}, []string{"mini1", "10.77.0.1/24", "collides", "mini0", "choose addresses"}},
		{[]string{"--netns", namespace, "--tun", "lo"}, []string{"lo", "choose another name"}},
	} {
		r := finish(t, program(t, nil, append([]string{"serve"}, test.args...)...))
		if r.status != exitFailure || r.out != "" {
			t.Errorf("%q: status %d, output %q; want 1 and none", test.args, r.status, r.out)
		}
		checkLine(t, r.errOut, test.want...)
	}
	other := newName()
	r := finish(t, program(t, nil, "serve", "--netns", other, "--pcap", "/does/not/exist"))
	if r.status != exitFailure {
		t.Errorf("status %d, want 1", r.status)
	}
	checkLine(t, r.errOut, "/does/not/exist")
	if namespaceExists(other) {
		t.Error("serve failed and left the namespace it had made")
	}
}

// The trace shows the handshake, data, and the release; and that superframes larger than the MTU pass whole in both
// directions.
func TestServeTrace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	p, namespace := serve(t, "--trace", file)
	cmd := tool(t, namespace, "nc.openbsd", "-N", "10.77.0.2", "7")
	want := noiseBytes(t, 3, 1<<20)
	cmd.Stdin = bytes.NewReader(want)
	if r := finish(t, cmd); r.status != 0 || r.out != string(want) {
		t.Errorf("status %d, %d bytes came back; want the %d sent", r.status, len(r.out), len(want))
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d", status)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`SYN-RECEIVED \|<-- SYN seq 0 `, `\|--- SYN,ACK seq 0 ack 1 `, `ESTABLISHED \|<-- ACK seq 1 ack 1 `, `LAST-ACK \|`, `\|--- FIN\S*,ACK `, `CLOSED \|<-- ACK`,
	} {
		if !regexp.MustCompile(line).Match(b) {
			t.Errorf("no line like %s in the trace; its end:\n%s", line, b[max(0, len(b)-3000):])
		}
	}
	if strings.Contains(string(b), "\x1b") {
		t.Error("colours in a file")
	}
	for _, direction := range []string{"<--", "---"} {
		largest := 0
		for _, m := range regexp.MustCompile(`\|`+direction+` \S+ seq \d+ ack \d+ len (\d+)`).FindAllSubmatch(b, -1) {
			n, _ := strconv.Atoi(string(m[1]))
			largest = max(largest, n)
		}
		if largest <= 1500 {
			t.Errorf("the largest frame %s has %d bytes, want more than the MTU", direction, largest)
		}
	}
}
