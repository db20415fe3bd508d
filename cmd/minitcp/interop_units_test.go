//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
)

// units are the units of cmd/minitcp/systemd, and the device that the configuration there gives each.
var units = []struct{ file, device string }{{"minitcp.service", "mini0"}, {"minitcp-gateway.service", "mini1"}}

// unitSettings returns the settings of a unit.
func unitSettings(t *testing.T, file string) map[string]string {
	t.Helper()
	settings := make(map[string]string)
	for line := range strings.Lines(readFile(t, filepath.Join("systemd", file))) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			settings[key] = value
		}
	}
	return settings
}

// unitArguments returns the arguments of a unit's ExecStart, with directories of the test as that of credentials and
// that of run-time files.
func unitArguments(t *testing.T, settings map[string]string, runtime string) []string {
	t.Helper()
	credentials := t.TempDir()
	if err := os.Chmod(filepath.Dir(credentials), 0o755); err != nil {
		t.Fatal(err)
	}
	name, source, _ := strings.Cut(settings["LoadCredential"], ":")
	if source != "/etc/minitcp.yaml" {
		t.Fatalf("the configuration is %s", source)
	}
	text := readFile(t, filepath.Join("systemd", filepath.Base(source)))
	if err := os.WriteFile(filepath.Join(credentials, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	line := strings.Fields(strings.NewReplacer("%d", credentials, "%t", runtime).Replace(settings["ExecStart"]))
	if line[0] != "/usr/local/bin/minitcp" {
		t.Fatalf("the program is %s", line[0])
	}
	return line[1:]
}

// The flags of the units parse, and so does the configuration beside them.
func TestUnitFlags(t *testing.T) {
	for _, u := range units {
		args := unitArguments(t, unitSettings(t, u.file), "/run")
		if r := call(append(args, "--check")...); r != (result{}) {
			t.Errorf("%s: %+v; want status 0 and no output", u.file, r)
		}
	}
}

// systemd accepts the units.
func TestUnitsVerify(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		testenv.NotTested(t, "systemd-analyze of Debian's package systemd")
	}
	for _, u := range units {
		text := strings.ReplaceAll(readFile(t, filepath.Join("systemd", u.file)), "/usr/local/bin/minitcp", "/bin/true")
		file := filepath.Join(t.TempDir(), u.file)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// The daemons work with the user and the capabilities that the units give them.
func TestUnitsRun(t *testing.T) {
	t.Parallel()
	for _, u := range units {
		t.Run(u.file, func(t *testing.T) {
			host, self := newNamespace(t), publicProgram(t)
			settings := unitSettings(t, u.file)
			runtime := filepath.Dir(self)
			socket := filepath.Join(runtime, settings["RuntimeDirectory"])
			if err := os.Mkdir(socket, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(socket, 65534, 65534); err != nil {
				t.Fatal(err)
			}
			has := strings.ToLower(strings.ReplaceAll(settings["AmbientCapabilities"], "CAP_", "+"))
			bound := strings.ToLower(strings.ReplaceAll(settings["CapabilityBoundingSet"], "CAP_", "+"))
			become := `exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all,` + has +
				` --ambient-caps=-all,` + has + ` --bounding-set=-all,` + bound + ` "$@"`
			inner := runAs(t, self, "666", become, unitArguments(t, settings, runtime)...)
			line := append(in(host.Name()), inner.Args...)
			cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
			address := filepath.Join(runtime, "notify")
			manager := notifySocket(t, host, address)
			if err := os.Chmod(address, 0o666); err != nil {
				t.Fatal(err)
			}
			cmd.Env, cmd.Dir = append(inner.Env, "NOTIFY_SOCKET="+address), "/"
			p := start(t, cmd)
			expectState(t, manager, "READY=1")
			checkConfined(t, cmd.Process.Pid, capabilitySet())
			command(t, host, "ip link show "+u.device)
			r := finish(t, exec.CommandContext(t.Context(), "curl", "-s", "--unix-socket", filepath.Join(socket, "api.sock"), "http://localhost/api/daemon"))
			if r.status != 0 || !strings.Contains(r.out, u.device) {
				t.Errorf("the API: %+v; want a description with %s", r, u.device)
			}
			if status := p.signal(syscall.SIGTERM); status != 0 {
				t.Errorf("exit status %d", status)
			}
			expectState(t, manager, "STOPPING=1")
			if out, err := tool(t, host.Name(), "ip", "-o", "link", "show", u.device).Output(); err == nil {
				t.Errorf("the device is left: %s", out)
			}
		})
	}
}
