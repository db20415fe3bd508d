//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// awaitContents waits until a file is not empty: a capture into it has begun.
func awaitContents(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(file); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays empty", file)
		}
	}
}

// getPage reads the page of the only daemon with curl, and returns when the connection has ended.
func getPage(t *testing.T, namespace string) {
	t.Helper()
	if r := finish(t, tool(t, namespace, "curl", "-s", "http://10.77.0.2/")); r.status != 0 {
		t.Fatalf("curl: %+v", r)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r := call("ss", "-H", "exclude", "listening", "sport = :80")
		if r.status == 0 && r.out == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the connection does not end: %+v", r)
		}
	}
}

// checkConnection checks that a capture has a connection of curl from its SYN to the state in which it ended.
func checkConnection(t *testing.T, file string) {
	t.Helper()
	device, list := readIntact(t, file)
	if device != "mini0" || len(list) < 9 {
		t.Fatalf("interface %q, %v; want mini0 and at least 9 segments", device, list)
	}
	for i, want := range []string{"in SYN no connection", "out SYN,ACK SYN-RECEIVED", "in ACK SYN-RECEIVED", "in PSH,ACK ESTABLISHED"} {
		if list[i].String() != want {
			t.Errorf("packet %d is %v, want %s", i, list[i], want)
		}
	}
	if !slices.ContainsFunc(list, func(c captured) bool { return c.String() == "out FIN,ACK LAST-ACK" }) {
		t.Errorf("%v: no FIN in LAST-ACK", list)
	}
}

// TestLiveCapture attaches to a running daemon: to a file until SIGINT, to stdout, with a filter, with a count, and
// until the daemon ends.
func TestLiveCapture(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	daemon, namespace := serve(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	capture := func(name string, args ...string) *process {
		p := start(t, program(t, nil, append([]string{"capture", "-w", file(name)}, args...)...))
		awaitContents(t, file(name))
		return p
	}
	getPage(t, namespace) // before the captures: none has it

	all, none, three := capture("all"), capture("none", "dport = :81"), capture("three", "-c", "3", "-i", "serve")
	toStdout := program(t, nil, "capture")
	out, err := os.Create(file("stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	toStdout.Stdout = out
	if err := toStdout.Start(); err != nil {
		t.Fatal(err)
	}
	awaitContents(t, file("stdout"))
	last := capture("last", "state last-ack")

	getPage(t, namespace)
	if status := three.wait(); status != 0 {
		t.Errorf("-c 3: status %d", status)
	}
	if _, list := readIntact(t, file("three")); len(list) != 3 {
		t.Errorf("-c 3: %v", list)
	}
	for _, p := range []*process{all, none} {
		if status := p.signal(syscall.SIGINT); status != 0 || p.err.String() != "" {
			t.Errorf("SIGINT: status %d, %s", status, p.err.String())
		}
	}
	checkConnection(t, file("all"))
	if info, err := os.Stat(file("all")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info, err)
	}
	if _, list := readIntact(t, file("none")); len(list) != 0 {
		t.Errorf("a filter for another port: %v", list)
	}

	if status := daemon.signal(syscall.SIGTERM); status != 0 {
		t.Errorf("the daemon: status %d", status)
	}
	if status := waitFor(t, toStdout); status != 0 {
		t.Errorf("to stdout: status %d", status)
	}
	checkConnection(t, file("stdout"))
	if status := last.wait(); status != 0 {
		t.Errorf("at the end of the daemon: status %d", status)
	}
	_, list := readIntact(t, file("last"))
	for _, c := range list {
		if c.state != "LAST-ACK" {
			t.Errorf("state last-ack: %v", c)
		}
	}
	if len(list) < 2 {
		t.Errorf("state last-ack: %v, want the FIN and its ACK", list)
	}
	if r := call("capture", "-w", file("x")); r.status != exitFailure || !strings.Contains(r.errOut, "minitcp serve") {
		t.Errorf("without a daemon: %+v", r)
	}
}

// TestLiveCaptureDaemons chooses between two daemons, one of which is killed.
func TestLiveCaptureDaemons(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	first, _ := serve(t)
	second, _ := serve(t, "--tun", "mini7")
	file := filepath.Join(t.TempDir(), "c")
	one, two := fmt.Sprintf("%d (serve on mini0)", first.cmd.Process.Pid), fmt.Sprintf("%d (serve on mini7)", second.cmd.Process.Pid)
	for _, test := range []struct {
		args   []string
		status int
		want   []string
	}{
		{nil, exitUsage, []string{"several daemons run", one, two, "-i NAME"}},
		{[]string{"-i", "serve"}, exitUsage, []string{"-i serve", one, two, "by its number"}},
		{[]string{"-i", "mini5"}, exitFailure, []string{"-i mini5", one, two}},
	} {
		r := call(append([]string{"capture", "-w", file}, test.args...)...)
		if r.status != test.status {
			t.Errorf("%q: %+v, want status %d", test.args, r, test.status)
		}
		checkLine(t, r.errOut, test.want...)
	}

	p := start(t, program(t, nil, "capture", "-w", file, "-i", "mini7"))
	awaitContents(t, file)
	second.signal(syscall.SIGKILL)
	if status := p.wait(); status != exitFailure {
		t.Errorf("after the daemon was killed: status %d", status)
	}
	checkLine(t, p.err.String(), "the daemon was killed")
	if device, _ := readIntact(t, file); device != "mini7" {
		t.Errorf("captured from %q, want mini7", device)
	}
	first.signal(syscall.SIGTERM)
}

// TestExtcap goes through the steps in which Wireshark uses an extcap program (Wireshark Developer's Guide 8.2.1).
func TestExtcap(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	if r := call("capture", "--extcap-interfaces", "--extcap-version=4.0"); r.status != 0 ||
		!regexp.MustCompile(`^extcap \{version=[^{}]+\}\{display=minitcp\}\n$`).MatchString(r.out) {
		t.Errorf("interfaces without a daemon: %+v", r)
	}
	daemon, namespace := serve(t)
	name := fmt.Sprintf("minitcp-%d", daemon.cmd.Process.Pid)
	if r := call("capture", "--extcap-interfaces"); r.status != 0 || !strings.HasSuffix(r.out,
		fmt.Sprintf("\ninterface {value=%s}{display=minitcp serve on mini0 (process %d)}\n", name, daemon.cmd.Process.Pid)) {
		t.Errorf("interfaces: %+v", r)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--extcap-dlts"}, "dlt {number=101}{name=RAW}{display=Raw IP}\n"},
		{[]string{"--extcap-config"}, "arg {number=0}{call=--split}{display=Split superframes}" +
			"{tooltip=Show each GSO packet as the segments it would be cut into on a wire}{type=boolflag}\n"},
		{[]string{"--extcap-capture-filter", "dport = :443"}, ""},
		{[]string{"--extcap-capture-filter", "tcp port 443"}, "filter: \"tcp\" is not one of src, dst, sport, dport, not and (\n"},
	} {
		if r := call(append([]string{"capture", "--extcap-interface", name}, test.args...)...); r.status != 0 || r.out != test.want {
			t.Errorf("%q: %+v, want %q", test.args, r, test.want)
		}
	}

	dir := t.TempDir()
	fifo, file := filepath.Join(dir, "fifo"), filepath.Join(dir, "file")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, program(t, nil, "capture", "--capture", "--extcap-interface", name, "--fifo", fifo, "--extcap-capture-filter", "sport = :80", "--split"))
	reader := exec.CommandContext(t.Context(), "sh", "-c", `cat "$1" > "$2"`, "sh", fifo, file)
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	awaitContents(t, file)
	getPage(t, namespace)
	if r := finish(t, tool(t, namespace, "curl", "-s", "http://10.77.0.2:13/")); r.status == 7 {
		t.Errorf("the daytime service: %+v", r)
	}
	if status := p.signal(syscall.SIGTERM); status != 0 || p.err.String() != "" { // as Wireshark ends it
		t.Errorf("SIGTERM: status %d, %s", status, p.err.String())
	}
	if status := waitFor(t, reader); status != 0 {
		t.Errorf("the reader: status %d", status)
	}
	checkConnection(t, file)
	_, list := readIntact(t, file)
	for _, c := range list {
		if c.from.Port() != 80 && c.to.Port() != 80 {
			t.Errorf("%v to %v does not match the filter", c.from, c.to)
		}
	}

	// Wireshark leaves.
	p = start(t, program(t, nil, "capture", "--capture", "--extcap-interface", name, "--fifo", fifo))
	f, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	getPage(t, namespace)
	if status := p.wait(); status != 0 {
		t.Errorf("after the reader has left: status %d", status)
	}
	daemon.signal(syscall.SIGTERM)
}

// TestSentence checks that the names of a daemon do not end a value.
func TestSentence(t *testing.T) {
	if got, want := sentence("interface", "value", "a", "display", "x}{y=\\\nz"), "interface {value=a}{display=x??y=??z}"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
