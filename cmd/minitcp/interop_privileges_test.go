//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// capabilitySet returns the mask of capabilities, as in /proc/PID/status.
func capabilitySet(list ...int) string {
	mask := uint64(0)
	for _, c := range list {
		mask |= 1 << c
	}
	return fmt.Sprintf("%016x", mask)
}

// checkConfined checks that every thread of a process has these capabilities and no others, and no_new_privs.
func checkConfined(t *testing.T, pid int, permitted string) {
	t.Helper()
	none := capabilitySet()
	want := map[string]string{"CapEff": permitted, "CapPrm": permitted, "CapInh": none, "CapAmb": none, "NoNewPrivs": "1"}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Fatalf("%d threads, want several; %v", len(threads), err)
	}
	for _, file := range threads {
		seen := 0
		for line := range strings.Lines(readFile(t, file)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
			if w, ok := want[name]; ok {
				seen++
				if value != w {
					t.Errorf("%s: %s %s, want %s", file, name, value, w)
				}
			}
		}
		if seen != len(want) {
			t.Errorf("%s: %d fields, want %d", file, seen, len(want))
		}
	}
}

// A daemon that runs keeps only the capabilities that its flags need, and its end removes the device and the routing
// rules as before. TestServe and others check that the namespace of --netns is removed.
func TestConfined(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, test := range []struct {
		line, ready string
		kept        []int
	}{
		{"serve", "msg=serving", nil},
		{"serve --listen 80=files:" + dir, "msg=serving", []int{unix.CAP_DAC_READ_SEARCH}},
		{"serve --listen 80=files:" + dir + " --upload", "msg=serving", []int{unix.CAP_DAC_OVERRIDE}},
		{"serve --pcap " + dir + "/a --pcap-size 1", "msg=serving", []int{unix.CAP_DAC_OVERRIDE}},
		{"serve --netns NEW", "msg=serving", []int{unix.CAP_SYS_ADMIN}},
		{"nc -v -l 80", "waiting on port 80", nil},
		{"nc -v --netns NEW -l 80", "waiting on port 80", []int{unix.CAP_SYS_ADMIN}},
		{"gateway", "msg=forwarding", nil},
		{"gateway --mark 7", "msg=forwarding", []int{unix.CAP_NET_ADMIN}},
		{"gateway --auto-route", "msg=forwarding", []int{unix.CAP_NET_ADMIN}},
		{"gateway --interface lo", "msg=forwarding", []int{unix.CAP_NET_RAW}},
		{"gateway --netns NEW --auto-route", "msg=forwarding", []int{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}},
	} {
		t.Run(strings.ReplaceAll(test.line, dir, "DIR"), func(t *testing.T) {
			host := newNamespace(t)
			before := rulesIn(t, host)
			args := strings.Fields(test.line)
			if i := slices.Index(args, "NEW"); i >= 0 {
				args[i] = newName()
			}
			p := start(t, program(t, in(host.Name()), args...))
			p.awaitErr(test.ready)
			checkConfined(t, p.cmd.Process.Pid, capabilitySet(test.kept...))
			want := 0
			if args[0] == "nc" {
				want = exitFailure // it had no connection
			}
			if status := p.signal(syscall.SIGTERM); status != want || strings.Contains(p.err.String(), "left behind") {
				t.Errorf("exit status %d; it wrote %s", status, p.err.String())
			}
			if after := rulesIn(t, host); after != before {
				t.Errorf("rules:\n%s\nwant\n%s", after, before)
			}
			if out, err := tool(t, host.Name(), "ip", "-o", "link", "show", "mini0").Output(); err == nil {
				t.Errorf("the device is left: %s", out)
			}
		})
	}
}

// The process of serve in a private namespace has no capabilities there.
func TestConfinedWithoutRoot(t *testing.T) {
	p := start(t, unprivileged(t, "666", "serve"))
	p.awaitOut("Press ^C to stop.")
	child, err := strconv.Atoi(enterPrivate.FindStringSubmatch(p.out.String())[1])
	if err != nil {
		t.Fatal(err)
	}
	checkConfined(t, child, capabilitySet())
	if status := p.signal(syscall.SIGINT); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// noNewPrivs returns the line of the test's own status about no_new_privs, which its children inherit. It is 0 unless
// the caller of the test has set it.
func noNewPrivs(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(readFile(t, "/proc/self/status")) {
		if strings.HasPrefix(line, "NoNewPrivs:\t") {
			return line
		}
	}
	t.Fatal("the status has no NoNewPrivs")
	return ""
}

// Run has no capabilities while its command works. The command has those of the caller, and its no_new_privs.
func TestConfinedRun(t *testing.T) {
	h := newRunHost(t)
	for _, u := range runUsers {
		t.Run(u.name, func(t *testing.T) {
			cmd := h.run(t, u.user, "--", "sh", "-c", "cat /proc/self/status; echo ready; read line; exit 3")
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, cmd)
			p.awaitOut("ready")
			checkConfined(t, cmd.Process.Pid, capabilitySet())
			out := p.out.String()
			if !strings.Contains(out, noNewPrivs(t)) || u.user == "" && strings.Contains(out, "CapEff:\t"+capabilitySet()) {
				t.Errorf("the command is confined, too:\n%s", out)
			}
			stdin.Close()
			if status := p.wait(); status != 3 {
				t.Errorf("exit status %d, want 3", status)
			}
		})
	}
}

// Root serves, and stores, files in a directory of another user, and writes captures there.
func TestConfinedFilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, filepath.Join(dir, "hello")} {
		if err := errors.Join(os.Chmod(name, 0o700), os.Chown(name, 65534, 65534)); err != nil {
			t.Fatal(err)
		}
	}
	get := func(namespace, want string) {
		t.Helper()
		if r := finish(t, tool(t, namespace, "curl", "-s", "http://10.77.0.2:8080/hello")); r.out != want {
			t.Errorf("%+v, want %q", r, want)
		}
	}
	_, namespace := serve(t, "--listen", "8080=files:"+dir)
	get(namespace, "hello")
	_, namespace = serve(t, "--listen", "8080=files:"+dir, "--upload", "--pcap", filepath.Join(dir, "capture"), "--pcap-size", "1")
	put := tool(t, namespace, "curl", "-sf", "-T", "-", "http://10.77.0.2:8080/hello")
	put.Stdin = noise(1, 3<<20)
	if r := finish(t, put); r.status != 0 {
		t.Errorf("%+v, want status 0", r)
	}
	get(namespace, string(noiseBytes(t, 1, 3<<20)))
	if _, err := os.Stat(filepath.Join(dir, "capture.2")); err != nil {
		t.Error(err)
	}
}
