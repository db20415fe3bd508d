//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
)

// unprivileged returns a command that runs minitcp as an unprivileged user, in a mount namespace in which /dev/net/tun
// has this mode.
func unprivileged(t *testing.T, mode string, args ...string) *exec.Cmd {
	t.Helper()
	return runAs(t, publicProgram(t), mode, `exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`, args...)
}

// runAs returns a command that runs self after the shell code become, in a mount namespace with its own /dev/net/tun.
func runAs(t *testing.T, self, mode, become string, args ...string) *exec.Cmd {
	t.Helper()
	const prepare = `set -e; mount -t tmpfs -o mode=755 none /dev/net; mknod /dev/net/tun c 10 200; chmod "$1" /dev/net/tun; shift; `
	line := append([]string{"--mount", "sh", "-c", prepare + become, "sh", mode, self}, args...)
	cmd := exec.CommandContext(t.Context(), "unshare", line...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Dir = "/"
	return cmd
}

// publicProgram returns a copy of this binary that all users may run. The directory of go test is open to one user.
func publicProgram(t *testing.T) string {
	t.Helper()
	testenv.RequireDevice(t)
	requirePrograms(t, interopPrograms)
	requirePrograms(t, map[string]string{"unshare": "util-linux", "setpriv": "util-linux", "nsenter": "util-linux", "mount": "mount"})
	dir, err := os.MkdirTemp("", "minitcp-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	name := filepath.Join(dir, "minitcp")
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, self); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

var enterPrivate = regexp.MustCompile(`nsenter -t (\d+) -U -n --preserve-credentials`)

// Without root, serve works in a private namespace, and so do the commands that it prints.
func TestServeWithoutRoot(t *testing.T) {
	t.Parallel()
	cmd := unprivileged(t, "666", "serve")
	p := start(t, cmd)
	p.awaitOut("Press ^C to stop.")
	enter := enterPrivate.FindStringSubmatch(p.out.String())
	if enter == nil {
		t.Fatalf("no word about how to enter the namespace: %s", p.out.String())
	}
	curl := exec.CommandContext(t.Context(), "setpriv", append(strings.Fields("--reuid=65534 --regid=65534 --clear-groups "+enter[0]),
		"curl", "-s", "http://10.77.0.2/")...)
	if r := finish(t, curl); r.status != 0 || !strings.Contains(r.out, "ESTABLISHED") {
		t.Errorf("%+v, want the page", r)
	}
	if status := p.signal(syscall.SIGINT); status != 0 {
		t.Errorf("status %d, want 0", status)
	}
	if errOut := p.err.String(); !strings.Contains(errOut, "stopping") || strings.Contains(errOut, "minitcp:") {
		t.Errorf("it wrote %q", errOut)
	}
}

// The process in the private namespace does not outlive the one that made it.
func TestPrivateNamespaceEnds(t *testing.T) {
	p := start(t, unprivileged(t, "666", "serve"))
	p.awaitOut("Press ^C to stop.")
	child := enterPrivate.FindStringSubmatch(p.out.String())[1]
	p.cmd.Process.Kill()
	until(t, "the process in the namespace ends", func() bool {
		b, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(b), ") Z ")
	})
	p.wait()
}

// The error names the missing program or permission in one line.
func TestWithoutPrivilege(t *testing.T) {
	const withoutUserNamespaces = `exec unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-net_admin "$@"' sh "$@"`
	for _, test := range []struct {
		name string
		cmd  *exec.Cmd
		want []string
	}{
		{"no right to the driver", unprivileged(t, "600", "serve"), []string{"/dev/net/tun", "no permission to open", "run as root", "chmod 666"}},
		{"named namespace", unprivileged(t, "666", "serve", "--netns", "X"), []string{"--netns X", "only root", "omit --netns"}},
		{"refused inside", unprivileged(t, "666", "nc", "--tun", "lo", "10.77.0.1", "1"), []string{"lo", "choose another name"}},
		{"no user namespaces", runAs(t, publicProgram(t), "666", withoutUserNamespaces, "serve"),
			[]string{"max_user_namespaces", "run as root", "sysctl -w user.max_user_namespaces"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := finish(t, test.cmd)
			if r.status != exitFailure || r.out != "" {
				t.Errorf("status %d, %q; want 1", r.status, r.out)
			}
			checkLine(t, r.errOut, test.want...)
		})
	}
	t.Run("configuration of another user", func(t *testing.T) {
		file := filepath.Join(filepath.Dir(publicProgram(t)), "secret.yaml")
		if err := os.WriteFile(file, []byte("serve:\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := finish(t, unprivileged(t, "666", "serve", "--config", file))
		if r.status != exitUsage {
			t.Errorf("status %d, want 2", r.status)
		}
		checkLine(t, r.errOut, "--config "+file+": permission denied")
	})
	t.Run("usage", func(t *testing.T) {
		r := finish(t, unprivileged(t, "666", "serve", "--mtu", "70000"))
		if r.status != exitUsage {
			t.Errorf("status %d, want 2", r.status)
		}
		checkLine(t, r.errOut, "70000")
	})
}
