//go:build linux

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
)

// TestServeFullDisk checks that serve reports a full disk when it happens and once, goes on serving, and exits with
// status 1 at the end; and that the capture has mode 0600.
func TestServeFullDisk(t *testing.T) {
	testenv.RequireDevice(t)
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(dir, "capture")
	p, namespace := serve(t, "--trace", "/dev/full", "--pcap", file)
	for _, want := range []string{"--trace: write /dev/full: no space left on device; the trace ends here", "--pcap: write " + file + ": no space left on device; the capture ends here"} {
		cmd := tool(t, namespace, "nc.openbsd", "-N", "10.77.0.2", "7")
		cmd.Stdin = noise(4, 1<<20)
		if r := finish(t, cmd); r.status != 0 || len(r.out) != 1<<20 {
			t.Errorf("status %d, %d bytes came back", r.status, len(r.out))
		}
		p.awaitErr(want)
	}
	if r := finish(t, tool(t, namespace, "curl", "-s", "http://10.77.0.2/")); r.status != 0 {
		t.Errorf("curl after the disk was full: %+v", r)
	}
	if status := p.signal(syscall.SIGTERM); status != exitFailure {
		t.Errorf("status %d, want 1", status)
	}
	for _, flag := range []string{"--trace", "--pcap"} {
		if n := strings.Count(p.err.String(), flag); n != 1 {
			t.Errorf("%s is on stderr %d times, want once", flag, n)
		}
	}
	checkMode(t, file)
}

// checkMode checks that only the owner can read a file.
func checkMode(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil || info.Mode() != fs.FileMode(0o600) {
		t.Errorf("%s has mode %v, %v; want 0600", file, info.Mode(), err)
	}
}
