//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// writeConfig writes a configuration and returns the name of its file.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "minitcp.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// configured parses a command line and reads its configuration, and returns the command.
func configured(t *testing.T, args ...string) *cobra.Command {
	t.Helper()
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Fatal(err)
	}
	if err := cmd.PreRunE(cmd, nil); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// A file sets the flags that the command line does not set. A flag of the command line replaces all values of a list.
func TestConfigValues(t *testing.T) {
	file := writeConfig(t, `
gateway:
  via: [direct, 10.0.0.0/8=reject]
  mtu: 1400
  udp-timeout: 90s
  auto-route: true
  max-connections: 10
  max-per-host: 5
  syn-cookies: off
  loss: [up:1%, down:2%]
  address: 10.9.0.2/24
  mark: 7
serve:
  listen: [7007=echo]
  mtu: 1300
run:
  memory: 64
  max-connections: 7
`)
	for _, test := range []struct{ args, flag, want string }{
		{"gateway", "via", "direct,10.0.0.0/8=reject"},
		{"gateway", "mtu", "1400"},
		{"gateway", "udp-timeout", "1m30s"},
		{"gateway", "dial-timeout", "30s"},
		{"gateway", "auto-route", "true"},
		{"gateway", "syn-cookies", "off"},
		{"gateway", "loss", "up:1% down:2%"},
		{"gateway", "address", "10.9.0.2/24"},
		{"gateway", "host-address", "10.77.0.1/24"}, // without IPv6, as --address on the command line does it
		{"gateway", "mark", "7"},
		{"gateway", "max-connections", "10"},
		{"gateway", "max-per-host", "5"},
		{"gateway", "memory", "512"},
		{"gateway --via reject", "via", "reject"},
		{"gateway --mtu 1500", "mtu", "1500"},
		{"gateway --auto-route=false", "auto-route", "false"},
		{"gateway --loss 3%", "loss", "3%"},
		{"gateway --address fd77::9/64", "address", "fd77::9/64"},
		{"serve", "listen", "7007=echo"},
		{"serve", "mtu", "1300"},
		{"serve --listen 80=http", "listen", "80=http"},
		{"run", "mtu", "1500"},
		{"run", "memory", "64"},
		{"run", "max-connections", "7"},
	} {
		cmd := configured(t, append(strings.Fields(test.args), "--config", file)...)
		if got := cmd.Flags().Lookup(test.flag).Value.String(); got != test.want {
			t.Errorf("%s: --%s is %s, want %s", test.args, test.flag, got, test.want)
		}
	}
}

// The errors of a file name it, the line and the key. They have status 2.
func TestConfigErrors(t *testing.T) {
	for _, test := range []struct {
		command, text string
		want          []string // FILE stands for the name of the file
	}{
		{"gateway", "", []string{"--config FILE: is empty", "gateway:"}},
		{"gateway", "serve:\n", []string{"--config FILE: has no section gateway", "the line gateway:"}},
		{"gateway", "gatewy:\n", []string{"FILE:1: gatewy: no such section; choose gateway, run, serve"}},
		{"gateway", "nc:\n", []string{"FILE:1: nc: no such section"}},
		{"gateway", "gateway:\n  mtuu: 5\n", []string{"FILE:2: gateway: mtuu: no such key; see: minitcp gateway --help"}},
		{"gateway", "gateway:\n  listen: 80=http\n", []string{"FILE:2: gateway: listen: no such key; it is one of serve"}},
		{"gateway", "gateway:\n  config: x\n", []string{"FILE:2: gateway: config: no such key"}},
		{"gateway", "gateway:\n  check: true\n", []string{"FILE:2: gateway: check: no such key"}},
		{"gateway", "gateway:\n  help: true\n", []string{"FILE:2: gateway: help: no such key"}},
		{"gateway", "gateway:\n  <<: {mtu: 5}\n", []string{"FILE:2: gateway: <<: "}},
		{"gateway", "gateway:\nserve:\n  via: direct\n", []string{"FILE:3: serve: via: no such key; it is one of gateway"}},
		{"gateway", "gateway:\nserve:\n  mtu: [1, 2]\n", []string{"FILE:3: serve: mtu: a list"}},
		{"gateway", "gateway:\n  mtu: 1400\n  mtu: 1500\n", []string{"FILE:3: gateway: mtu: given twice, first in line 2"}},
		{"gateway", "gateway:\n  mtu: many\n", []string{`FILE:2: gateway: mtu "many": invalid int`, "minitcp gateway --help"}},
		{"gateway", "gateway:\n  mtu: 1.5\n", []string{`FILE:2: gateway: mtu "1.5": invalid int`}},
		{"gateway", "gateway:\n  mtu: [1400]\n", []string{"FILE:2: gateway: mtu: a list, but --mtu is given once"}},
		{"gateway", "gateway:\n  mtu: {a: b}\n", []string{"FILE:2: gateway: mtu: a section, not a value"}},
		{"gateway", "gateway:\n  mtu:\n", []string{"FILE:2: gateway: mtu: no value"}},
		{"gateway", "gateway:\n  auto-route: 5\n", []string{`FILE:2: gateway: auto-route "5": invalid bool`}},
		{"gateway", "gateway:\n  via:\n    - direct\n    - socks4://h\n", []string{`FILE:4: gateway: via "socks4://h"`, "choose socks5 or http"}},
		{"gateway", "gateway:\n  syn-cookies: maybe\n", []string{`FILE:2: gateway: syn-cookies "maybe"`, "auto, always or off"}},
		{"gateway", "gateway:\n  mtuu: 5\n  mtu: x\n", []string{"FILE:2: gateway: mtuu", "FILE:3: gateway: mtu"}},
		{"gateway", "gateway: 5\n", []string{"FILE:1: gateway: not a section"}},
		{"gateway", "gateway:\n\tmtu: 5\n", []string{"FILE:2: found character that cannot start any token"}},
		// Of checks after parsing.
		{"gateway", "gateway:\n\n  mtu: 70000\n", []string{"FILE:3: --mtu 70000: out of range", "1280 to 65535"}},
		{"gateway", "gateway:\n  udp-timeout: 0s\n", []string{"FILE:2: --udp-timeout 0s: must be more than 0"}},
		{"gateway", "gateway:\n  tun-fd: 5\n  tun: x\n", []string{"FILE:3: --tun: has no effect with --tun-fd"}},
		{"gateway", "gateway:\n  tun: a/b\n", []string{`FILE:2: --tun "a/b"`, "choose one without"}},
		{"gateway", "gateway:\n  netns: a/b\n", []string{`FILE:2: --netns "a/b"`, "choose one of at most"}},
		{"gateway", "gateway:\n  queues: 0\n", []string{"FILE:2: --queues 0", "1 to 255"}},
		{"serve", "serve:\n  listen: [7=echo, 7=discard]\n", []string{`FILE:2: serve: listen "7=discard"`, "port 7 is used"}},
		{"serve", "serve:\n  upload: true\n", []string{"FILE:2: --upload: no directory"}},
		{"run", "run:\n  publish: 80\n", []string{`FILE:2: run: publish "80"`, "8080:80"}},
		{"run", "run:\n  mtu: 1\n", []string{"FILE:2: --mtu 1: out of range"}},
	} {
		file := writeConfig(t, test.text)
		r := call(test.command, "--config", file, "--check")
		if r.status != exitUsage || r.out != "" {
			t.Errorf("%q: status %d, output %q; want status 2 and none", test.text, r.status, r.out)
		}
		for i, w := range test.want {
			test.want[i] = strings.ReplaceAll(w, "FILE", file)
		}
		checkLine(t, r.errOut, test.want...)
	}
	for _, test := range []struct{ file, want string }{
		{"/does/not/exist", "--config /does/not/exist: no such file or directory"},
		{"/", "--config /: is a directory; name a file"},
		{"/dev/null", "--config /dev/null: is not a regular file"},
	} {
		r := call("serve", "--config", test.file)
		if r.status != exitUsage {
			t.Errorf("%s: status %d, want 2", test.file, r.status)
		}
		checkLine(t, r.errOut, test.want)
	}
}

// --check has no output and status 0 if all is well, opens nothing, and needs no privilege.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	trace, capture := filepath.Join(dir, "trace"), filepath.Join(dir, "capture")
	files := fmt.Sprintf("  trace: %s\n  pcap: %s\n", trace, capture)
	text := "gateway:\n  netns: never-made\n  mark: 9\n" + files + "serve:\n  netns: never-made\n" + files + "run:\n" + files
	for _, args := range [][]string{
		{"gateway", "--check", "--config", writeConfig(t, text)},
		{"serve", "--check", "--config", writeConfig(t, text)},
		{"run", "--check", "--config", writeConfig(t, text)},
		{"run", "--check", "--config", writeConfig(t, text), "--", "does-not-exist"},
		{"serve", "--check"},
	} {
		if r := call(args...); r != (result{}) {
			t.Errorf("%q: %+v; want status 0 and no output", args, r)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Errorf("it has made %v", list)
	}
	if namespaceExists("never-made") {
		t.Error("it has made a namespace")
	}
	r := call("serve", "--check", "--mtu", "70000")
	if r.status != exitUsage {
		t.Errorf("status %d, want 2", r.status)
	}
	checkLine(t, r.errOut, "--mtu 70000: out of range")
}

// A flag that may be repeated, as its help has it, can be a list.
func TestConfigLists(t *testing.T) {
	for _, name := range []string{"serve", "gateway", "run"} {
		cmd, _, err := newRootCommand().Find([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(f.Usage, "may be repeated") {
				return
			}
			count++
			if _, ok := f.Value.(repeatable); !ok {
				t.Errorf("%s: --%s cannot be a list", name, f.Name)
			}
		})
		if count < 3 {
			t.Errorf("%s: %d flags may be repeated, want at least 3", name, count)
		}
	}
}
