//go:build linux

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"minitcp/tun"
)

// TestAPI sees and resets a connection of a running daemon with the commands ss and stats.
func TestAPI(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	p, namespace := serve(t, "--log-level", "debug")
	n, err := tun.NewNamespace(namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var c net.Conn
	if err := n.Do(func() (err error) { c, err = net.Dial("tcp", "10.77.0.2:7"); return err }); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}

	if r := call("ss", "-tinp", "state", "established", "src", "10.77.0.2:7"); r.status != 0 ||
		!regexp.MustCompile(`(?s)^Recv-Q .*10\.77\.0\.2:7 +`+regexp.QuoteMeta(c.LocalAddr().String())+` users:\(\("serve",pid=\d+\)\)\n\t ts sack cubic wscale:.* bytes_sent:5 `).MatchString(r.out) {
		t.Errorf("ss: %+v", r)
	}
	if r := call("ss", "-a", "sport = :7"); r.status != 0 || !regexp.MustCompile(`(?m)^LISTEN +0 +4096 +\[::\]:7 +\[::\]:\*$`).MatchString(r.out) {
		t.Errorf("ss -a: %+v, want the listener", r)
	}
	if r := call("ss", "dport", "=", ":1"); r.status != 0 || strings.Count(r.out, "\n") != 1 {
		t.Errorf("ss: %+v, want a header only", r)
	}
	accepted := regexp.MustCompile(`(?m)^TcpPassiveOpens +1 +0\.0$`)
	if r := call("stats"); r.status != 0 || !accepted.MatchString(r.out) || strings.Contains(r.out, "TcpInErrs") {
		t.Errorf("stats: %+v", r)
	}
	if r := call("stats"); r.status != 0 || accepted.MatchString(r.out) {
		t.Errorf("stats again: %+v, want the increments", r)
	}
	if r := call("stats", "-az"); r.status != 0 || !regexp.MustCompile(`(?m)^TcpPassiveOpens +1 `).MatchString(r.out) || !strings.Contains(r.out, "TcpInErrs") {
		t.Errorf("stats -az: %+v", r)
	}
	if r := call("ss", "-K", "sport = :7"); r.status != 0 || !strings.Contains(r.out, c.LocalAddr().String()) {
		t.Errorf("ss -K: %+v", r)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("Read after ss -K: %v", err)
	}
	p.awaitErr(`by=local cause="connection aborted"`)

	second := program(t, nil, "serve", "--netns", newName(), "--api", "unix:"+onlySocket(t, dir))
	if r := finish(t, second); r.status != exitFailure || !strings.Contains(r.errOut, "in use by another process; choose another address") {
		t.Errorf("a second daemon at the same socket: %+v", r)
	}
	if status := p.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("SIGTERM: status %d, want 0", status)
	}
	if r := call("ss"); r.status != exitFailure || !strings.Contains(r.errOut, "minitcp serve") {
		t.Errorf("ss without a daemon: %+v", r)
	}
}

// --memory is the budget of the stack of serve, gateway and run.
func TestMemoryFlag(t *testing.T) {
	dir := t.TempDir()
	get := func(socket string) string {
		return "curl -s --unix-socket " + socket + " http://localhost/metrics"
	}
	check := func(socket string, cmd *exec.Cmd) {
		if r := finish(t, cmd); !strings.Contains(r.out, "minitcp_memory_limit_bytes 3.145728e+06\n") {
			t.Errorf("%s: the metrics are %+v, want a limit of 3 MiB", socket, r)
		}
	}
	flags := func(socket string) []string { return []string{"--memory", "3", "--api", "unix:" + socket} }
	for command, start := range map[string]func(args ...string){
		"serve":   func(args ...string) { serve(t, args...) },
		"gateway": func(args ...string) { startGateway(t, args...) },
	} {
		socket := filepath.Join(dir, command)
		start(flags(socket)...)
		check(socket, exec.CommandContext(t.Context(), "sh", "-c", get(socket)))
	}
	socket := filepath.Join(dir, "run")
	check(socket, newRunHost(t).run(t, "", append(flags(socket), "--", "sh", "-c", get(socket))...))
}

// TestAPIKilled checks that the socket of a daemon that was killed is no obstacle for the next one.
func TestAPIKilled(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	first, _ := serve(t)
	socket := onlySocket(t, dir)
	first.signal(syscall.SIGKILL)
	if r := call("ss"); r.status != exitFailure {
		t.Errorf("ss after the daemon was killed: %+v", r)
	}
	second, _ := serve(t, "--api", "unix:"+socket)
	if r := call("ss", "--api", "unix:"+socket); r.status != 0 {
		t.Errorf("ss of the second daemon: %+v", r)
	}
	second.signal(syscall.SIGTERM)
}

// TestAPIGateway resets a flow of a gateway. Both of its ends see it.
func TestAPIGateway(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	g, _ := startGateway(t)
	l := g.listen(t, "198.18.0.1")
	c, err := dialIn(g.clients, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	if r := call("ss", "-Kp", "src", "198.18.0.1"); r.status != 0 || !strings.Contains(r.out, c.LocalAddr().String()+` users:(("gateway",pid=`) {
		t.Errorf("ss -K: %+v", r)
	}
	for _, end := range []net.Conn{c, accepted} {
		if _, err := end.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "reset") {
			t.Errorf("Read at %v: %v, want a reset", end.LocalAddr(), err)
		}
	}
}

// TestAPIRun asks for the API of minitcp run from the command that it runs.
func TestAPIRun(t *testing.T) {
	h := newRunHost(t)
	socket := filepath.Join(t.TempDir(), "api")
	r := finish(t, h.run(t, "", "--api", "unix:"+socket, "--", "curl", "-s", "--unix-socket", socket, "http://localhost/api/daemon"))
	if r.status != 0 || !strings.Contains(r.out, `"command":"run"`) {
		t.Errorf("%+v, want the description of run", r)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is still there")
	}
}

// onlySocket returns the only socket of a daemon.
func onlySocket(t *testing.T, dir string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "minitcp", "*.sock"))
	if err != nil || len(list) != 1 {
		t.Fatalf("sockets %v, want one", list)
	}
	if info, err := os.Stat(list[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info, err)
	}
	return list[0]
}
