//go:build linux

package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// parse gives flags to a set that register has filled.
func parse(t *testing.T, register func(*pflag.FlagSet), args ...string) {
	t.Helper()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	register(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
}

func TestDeviceFlags(t *testing.T) {
	for _, test := range []struct {
		args        string
		address     string
		hostAddress string
		unreachable string
	}{
		{"", "10.77.0.2/24,fd77::2/64", "10.77.0.1/24,fd77::1/64", ""},
		{"--address 10.77.0.9/24", "10.77.0.9/24", "10.77.0.1/24", ""},
		{"--address fd77::9/64", "fd77::9/64", "fd77::1/64", ""},
		{"--host-address 10.77.0.3/24", "10.77.0.2/24", "10.77.0.3/24", ""},
		{"--address 10.77.0.8/24 --address 10.77.0.9/24", "10.77.0.8/24,10.77.0.9/24", "10.77.0.1/24", ""},
		{"--address 10.77.0.8/24,10.77.0.9/24", "10.77.0.8/24,10.77.0.9/24", "10.77.0.1/24", ""},
		{"--address 10.77.0.0/31 --host-address 10.77.0.1/31", "10.77.0.0/31", "10.77.0.1/31", ""},
		{"--address 10.78.0.2/24", "10.78.0.2/24", "10.77.0.1/24", "10.78.0.2"},
		{"--address 10.78.0.2/24 --host-address 10.78.0.1/24", "10.78.0.2/24", "10.78.0.1/24", ""},
		{"--address 10.77.0.2/24 --host-address fd77::1/64", "10.77.0.2/24", "fd77::1/64", "10.77.0.2"},
		{"--address fd77::2/64 --mtu 1280", "fd77::2/64", "fd77::1/64", ""},
		{"--address 10.77.0.2/24 --mtu 576", "10.77.0.2/24", "10.77.0.1/24", ""},
	} {
		var f deviceFlags
		parse(t, f.register, strings.Fields(test.args)...)
		if err := f.check(); err != nil {
			t.Errorf("%q: %v", test.args, err)
		}
		if f.address.String() != test.address || f.hostAddresses.String() != test.hostAddress {
			t.Errorf("%q: ours %v, the host's %v; want %s, %s", test.args, &f.address, &f.hostAddresses, test.address, test.hostAddress)
		}
		var unreachable []string
		for _, a := range f.unreachable() {
			unreachable = append(unreachable, a.String())
		}
		if got := strings.Join(unreachable, ","); got != test.unreachable {
			t.Errorf("%q: unreachable %q, want %q", test.args, got, test.unreachable)
		}
	}
}

func TestListenFlag(t *testing.T) {
	dir := t.TempDir()
	comma := filepath.Join(dir, "a,b")
	if err := os.Mkdir(comma, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want []listenSpec
	}{
		{nil, []listenSpec{{7, "echo", ""}, {9, "discard", ""}, {13, "daytime", ""}, {19, "chargen", ""}, {80, "http", ""}}},
		{[]string{"--listen", "7007=echo"}, []listenSpec{{7007, "echo", ""}}},
		{[]string{"--listen", "7007=echo,80=http"}, []listenSpec{{7007, "echo", ""}, {80, "http", ""}}},
		{[]string{"--listen=8080=files:" + comma + ",80=http"}, []listenSpec{{8080, "files", comma}, {80, "http", ""}}},
		{[]string{"--listen=8080=files:" + dir, "--listen=80=http"}, []listenSpec{{8080, "files", dir}, {80, "http", ""}}},
	} {
		l := newListenList()
		parse(t, func(f *pflag.FlagSet) { f.Var(&l, "listen", "") }, test.args...)
		if !reflect.DeepEqual(l.list, test.want) {
			t.Errorf("%q: %v, want %v", test.args, l.list, test.want)
		}
	}
}

func TestLogFlags(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "level=INFO msg=i\nlevel=WARN msg=w\nlevel=ERROR msg=e\n"},
		{"--log-level debug", "level=DEBUG msg=d\nlevel=INFO msg=i\nlevel=WARN msg=w\nlevel=ERROR msg=e\n"},
		{"--log-level error", "level=ERROR msg=e\n"},
		{"--log-level warn --log-format json", `{"level":"WARN","msg":"w"}` + "\n" + `{"level":"ERROR","msg":"e"}` + "\n"},
	} {
		var f logFlags
		parse(t, f.register, strings.Fields(test.args)...)
		var out bytes.Buffer
		log := f.logger(&untimed{&out})
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e")
		if out.String() != test.want {
			t.Errorf("%q: %q, want %q", test.args, out.String(), test.want)
		}
	}
	if slog.Level(0) != slog.LevelInfo {
		t.Error("the zero level, which is the default, is not info")
	}
}

// untimed takes the time out of log lines.
type untimed struct{ w io.Writer }

func (u *untimed) Write(b []byte) (int, error) {
	line := string(b)
	if rest, ok := strings.CutPrefix(line, `{"time":`); ok {
		line = "{" + rest[strings.Index(rest, ",")+1:]
	} else {
		line = line[strings.Index(line, " ")+1:]
	}
	_, err := io.WriteString(u.w, line)
	return len(b), err
}

// The commands that serve suggests name the services there are, where they are.
func TestHints(t *testing.T) {
	for _, test := range []struct {
		args string
		want []string
	}{
		{"--netns X", []string{
			"ip netns exec X curl http://10.77.0.2/",
			"ip netns exec X curl -g 'http://[fd77::2]/'",
			`printf 'hello\n' | ip netns exec X nc -N 10.77.0.2 7`,
			"ip netns exec X nc -N 10.77.0.2 13 </dev/null",
			"ip netns exec X ping -c1 10.77.0.2",
			"ip netns exec X ping -c1 fd77::2",
		}},
		{"--address fd77::5/64 --listen 8080=http --listen 7007=echo", []string{
			"curl -g 'http://[fd77::5]:8080/'",
			`printf 'hello\n' | nc -N fd77::5 7007`,
			"ping -c1 fd77::5",
		}},
		{"--address 10.77.0.5/24 --listen 9000=files:/ --listen 80=files:/", []string{
			"curl -O http://10.77.0.5/NAME",
			"ping -c1 10.77.0.5",
		}},
		{"--address 10.77.0.5/24 --listen 80=files:/ --upload", []string{
			"curl -O http://10.77.0.5/NAME",
			"curl -T FILE http://10.77.0.5/",
			"ping -c1 10.77.0.5",
		}},
	} {
		o := &serveOptions{listen: newListenList()}
		parse(t, func(f *pflag.FlagSet) {
			o.device.register(f)
			f.Var(&o.listen, "listen", "")
			o.upload.register(f)
		}, strings.Fields(test.args)...)
		if err := o.device.check(); err != nil {
			t.Fatal(err)
		}
		if got := o.hints(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q:\n%s\nwant\n%s", test.args, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

func TestNCFlags(t *testing.T) {
	port := func(s string) netip.AddrPort {
		if !strings.Contains(s, ".") {
			return netip.AddrPortFrom(netip.Addr{}, netip.MustParseAddrPort("0.0.0.0"+s).Port())
		}
		return netip.MustParseAddrPort(s)
	}
	for _, test := range []struct{ args, local, remote string }{
		{"10.77.0.1 80", ":0", "10.77.0.1:80"},
		{"10.77.0.1 http", ":0", "10.77.0.1:80"},
		{"::ffff:10.77.0.1 80", ":0", "10.77.0.1:80"},
		{"-p 1234 10.77.0.1 80", ":1234", "10.77.0.1:80"},
		{"-l 80", ":80", ""},
		{"-l -p 80", ":80", ""},
		{"-l 10.77.0.2 80", "10.77.0.2:80", ""},
		{"-l -p 80 10.77.0.2", "10.77.0.2:80", ""},
	} {
		o := &ncOptions{}
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.register(flags)
		if err := flags.Parse(strings.Fields(test.args)); err != nil {
			t.Fatal(err)
		}
		if err := o.parse(flags.Args()); err != nil {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		var remote netip.AddrPort
		if test.remote != "" {
			remote = port(test.remote)
		}
		if o.local != port(test.local) || o.remote != remote {
			t.Errorf("%q: from %v to %v, want %s, %s", test.args, o.local, o.remote, test.local, test.remote)
		}
	}
}
