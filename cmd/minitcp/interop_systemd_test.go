//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
)

// systemd, as process 1 of namespaces of its own, starts the daemons by their units and finds them ready, restarts one
// that was killed, and stops both.
func TestUnitsUnderSystemd(t *testing.T) {
	program := publicProgram(t)
	const manager = "/lib/systemd/systemd"
	if _, err := os.Stat(manager); err != nil {
		testenv.NotTested(t, manager+" of Debian's package systemd")
	}
	shared, root := t.TempDir(), t.TempDir()
	for _, file := range []string{
		"systemd/minitcp.service", "systemd/minitcp-gateway.service", "systemd/minitcp.yaml",
		"testdata/boot/check.service", "testdata/boot/check.target", "testdata/boot/check.sh",
	} {
		text := readFile(t, file)
		if strings.HasPrefix(file, "systemd/") { // the messages go to a file, because the journal ends with the test
			text = strings.Replace(text, "[Service]\n", "[Service]\nEnvironment="+asProgram+"=1\nStandardError=append:/srv/daemons.log\n", 1)
		}
		if err := os.WriteFile(filepath.Join(shared, filepath.Base(file)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(program, filepath.Join(shared, "minitcp")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	boot := exec.CommandContext(ctx, "unshare", "--mount", "sh", "testdata/boot/group.sh", newName(), t.TempDir(), root, shared)
	boot.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	boot.Cancel = func() error { return syscall.Kill(-boot.Process.Pid, syscall.SIGKILL) }
	out, err := boot.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	result, _ := os.ReadFile(filepath.Join(shared, "result"))
	const want = `minitcp: active
minitcp user: its own
minitcp capabilities: 0000000000000000
minitcp-gateway: active
minitcp-gateway user: its own
minitcp-gateway capabilities: 0000000000000000
devices: 2
echo: hello
after SIGKILL: active, 1 restart
echo after SIGKILL: hello
minitcp after stop: inactive, success
minitcp-gateway after stop: inactive, success
devices after stop: 0
minitcp with a wrong configuration: failed, 0 restarts
`
	if string(result) != want {
		t.Errorf("the check has written:\n%s\nwant:\n%s", result, want)
		for _, log := range []string{"check.log", "daemons.log", "systemd.log"} {
			text, _ := os.ReadFile(filepath.Join(shared, log))
			t.Logf("%s: %s", log, text)
		}
	}
}
