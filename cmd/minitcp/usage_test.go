//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"minitcp/tun"
)

// call runs the command line in this process.
func call(args ...string) result {
	var out, errOut bytes.Buffer
	status := run(args, stdio{strings.NewReader(""), &out, &errOut})
	return result{status, out.String(), errOut.String()}
}

// Mistakes on the command line end it with status 2 and one line that names the problem and the remedy. None
// of these gets as far as making anything.
func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args string
		want []string
	}{
		{"bogus", []string{`unknown command "bogus"`, "minitcp --help"}},
		{"serv", []string{`unknown command "serv"`}}, // without cobra's suggestions, which are more lines
		{"--bogus", []string{"--bogus", "minitcp --help"}},
		{"version now", []string{`"now": version takes flags only`, "minitcp version --help"}},
		{"demo now", []string{`"now"`}},
		{"demo --html=", []string{"--html", "the value is empty", "FILE"}},
		{"help bogus", []string{`no help on "bogus"`, "minitcp --help"}},
		{"help serve now", []string{`no help on "serve now"`}},
		{"man", []string{"one DIR", "minitcp man /usr"}},
		{"man a b", []string{"2 arguments"}},
		{"completion csh", []string{`"csh"`, "minitcp completion --help"}},
		{"completion bash now", []string{`"now"`, "minitcp completion bash --help"}},

		{"run", []string{"missing COMMAND", "minitcp run --trace - -- curl"}},
		{"run --mtu 1500 --", []string{"missing COMMAND"}},
		{"run --bogus -- true", []string{"--bogus", "minitcp run --help"}},
		{"run --mtu 1279 -- true", []string{"--mtu 1279", "1280 to 65535"}},
		{"run --mtu 65536 -- true", []string{"--mtu 65536"}},
		{"run --pcap - -- true", []string{"--pcap -", "name a file"}},
		{"run --publish 80 -- true", []string{`--publish "80"`, "8080:80"}},
		{"run --publish 0:80 -- true", []string{`"0" is not a port`}},
		{"run --publish 80:65536 -- true", []string{`"65536" is not a port`}},
		{"run --publish :80:80 -- true", []string{"ADDRESS:HOSTPORT:PORT"}},
		{"run --publish x:80:80 -- true", []string{`"x" is not an IP address`}},
		{"run --publish 80:80/sctp -- true", []string{`"sctp" is not a protocol`, "tcp or udp"}},
		{"run --memory 1000001 -- true", []string{"--memory 1000001", "1 to 1000000 MB"}},
		{"run --max-connections 0 -- true", []string{"--max-connections 0", "1 to 1000000"}},
		{"run --host-loopback localhost -- true", []string{"--host-loopback", "not an IP address"}},
		{"run --host-loopback 127.0.0.1 -- true", []string{"--host-loopback", "10.77.0.9"}},
		{"run --host-loopback 10.77.0.55 -- true", []string{"--host-loopback 10.77.0.55", "in use"}},
		{"run --host-loopback 10.77.0.2 -- true", []string{"--host-loopback 10.77.0.2", "in use"}},

		{"serve --bogus", []string{"--bogus", "minitcp serve --help"}},
		{"serve -z", []string{"'z'", "minitcp serve --help"}},
		{"serve now", []string{`"now"`, "minitcp serve --help"}},
		{"serve --listen", []string{"--listen", "minitcp serve --help"}},
		{"serve --listen 80", []string{`--listen "80"`, "PORT=SERVICE"}},
		{"serve --listen 80=gopher", []string{"no such service", "gopher", "echo, discard, daytime, chargen, http or files:DIR"}},
		{"serve --listen 80=", []string{"no such service", "choose"}},
		{"serve --listen 80=echo:x", []string{"no such service", "echo:x"}},
		{"serve --listen 0=echo", []string{`"0" is not a port`, "1 to 65535"}},
		{"serve --listen 65536=echo", []string{`"65536" is not a port`, "1 to 65535"}},
		{"serve --listen -7=echo", []string{`"-7" is not a port`}},
		{"serve --listen http=http", []string{`"http" is not a port`}},
		{"serve --listen 80=files:", []string{"missing directory", "80=files:/srv"}},
		{"serve --listen 80=files", []string{"missing directory"}},
		{"serve --listen 80=files:/dev/null", []string{"/dev/null", "not a directory"}},
		{"serve --listen 80=files:/does/not/exist", []string{"/does/not/exist", "not a directory"}},
		{"serve --listen 7=echo --listen 80=http --listen 7=discard", []string{"7=discard", "port 7 is used", "its own port"}},
		{"serve --listen 7=echo,80=http,7=discard", []string{"port 7 is used"}},
		{"serve --upload", []string{"--upload", "--listen PORT=files:DIR"}},
		{"serve --memory 0", []string{"--memory 0", "1 to 1000000 MB"}},
		{"serve --max-connections -1", []string{"--max-connections -1", "0 for no limit"}},
		{"serve --max-per-host -1", []string{"--max-per-host -1", "0 for no limit"}},
		{"serve --max-connections 1000001", []string{"--max-connections 1000001", "0 to 1000000"}},
		{"serve --listen 80=files:/ --upload-limit 5", []string{"--upload-limit 5", "without --upload"}},
		{"serve --listen 80=files:/ --upload --upload-limit 0", []string{"--upload-limit 0", "1 to 1000000 MB"}},
		{"serve --listen 80=files:/ --upload --upload-limit 1000001", []string{"--upload-limit 1000001"}},
		{"serve --log-level loud", []string{"--log-level", "loud", "debug, info, warn or error"}},
		{"serve --log-format xml", []string{"--log-format", "xml", "text or json"}},

		{"serve --address 10.77.0.2", []string{"--address", "10.77.0.2/24"}},
		{"serve --address fd77::2", []string{"--address", "fd77::2/64"}},
		{"serve --address 10.77.0.2/33", []string{"--address", "10.77.0.2/33", "fd77::2/64"}},
		{"serve --address here", []string{"--address", "here", "10.77.0.2/24"}},
		{"serve --address 0.0.0.0/0", []string{"--address", "choose another"}},
		{"serve --address 224.0.0.1/24", []string{"--address", "choose another"}},
		{"serve --address 127.0.0.1/8", []string{"--address", "choose another"}},
		{"serve --address ::ffff:10.77.0.2/120", []string{"--address", "choose another"}},
		{"serve --address 10.77.0.255/24", []string{"--address", "broadcast", "choose another"}},
		{"serve --address 10.77.0.0/24", []string{"--address", "network"}},
		{"serve --address 255.255.255.255/32", []string{"--address", "choose another"}},
		{"serve --address fd77::/64", []string{"--address", "network"}},
		{"nc --host-address 10.77.0.255/24 10.77.0.1 80", []string{"--host-address", "broadcast"}},
		{"serve --address 10.77.0.255/16", []string{"--address 10.77.0.255", "10.77.0.0/24", "--host-address"}},
		{"serve --address 10.77.0.9/16 --host-address 10.77.255.255/8", []string{"--host-address 10.77.255.255", "10.77.0.0/16", "--address"}},
		{"serve --address 10.77.0.2/24,here", []string{"--address", "such as 10.77.0.2/24"}},
		{"serve --address 10.77.0.2/24 --address 10.77.0.2/16", []string{"twice"}},
		{"serve --host-address 10.77.0.300/24", []string{"--host-address", "10.77.0.300/24"}},
		{"serve --address 10.77.0.1/24", []string{"--address and --host-address", "10.77.0.1"}},
		{"serve --mtu many", []string{"--mtu", "many"}},
		{"serve --mtu 0", []string{"--mtu 0", "576"}},
		{"serve --mtu -1", []string{"--mtu -1"}},
		{"serve --queues 0", []string{"--queues 0", "1 to 255"}},
		{"nc --queues 256 10.77.0.1 80", []string{"256", "1 to 255"}},
		{"serve --congestion-control vegas", []string{"vegas", "cubic, reno or bbr"}},
		{"serve --ecn maybe", []string{"maybe", "passive, active, accurate, disabled, classic-passive or classic-active"}},
		{"serve --mtu-probing maybe", []string{"maybe", "auto, always or off"}},
		{"serve --mss 495", []string{"--mss 495", "496 to 65495"}},
		{"run --mtu-probing 1 -- true", []string{"\"1\"", "auto, always or off"}},
		{"serve --fast-open -1", []string{"--fast-open -1", "0 to 65535"}},
		{"serve --fast-open 65536", []string{"--fast-open 65536", "0 to 65535"}},
		{"serve --syn-cookies maybe", []string{"maybe", "auto, always or off"}},
		{"nc --congestion-control= 10.77.0.1 80", []string{"--congestion-control", "cubic, reno or bbr"}},
		{"serve --mtu 1279", []string{"--mtu 1279", "1280"}},
		{"serve --mtu 575 --address 10.77.0.2/24", []string{"575", "576 to 65535"}},
		{"serve --mtu 65536", []string{"65536", "1280 to 65535"}},
		{"serve --tun a/b", []string{"a/b", "choose one without"}},
		{"serve --tun 0123456789abcdef", []string{"too long", "at most 15"}},
		{"serve --tun=", []string{"--tun", "mini0"}},

		{"capture dst", []string{`"" is not an address`, "minitcp ss --help"}},
		{"capture --count -1", []string{"--count", "-1"}},
		{"capture -i mini0 --api unix:/x", []string{"--interface and --api"}},
		{"capture --api off", []string{"--api off"}},
		{"capture --extcap-dlts", []string{`--extcap-interface ""`, "--extcap-interfaces"}},
		{"capture --extcap-config --extcap-interface eth0", []string{`"eth0"`}},
		{"capture --capture --extcap-interface minitcp-1", []string{"--fifo"}},
		{"capture --capture --extcap-interface minitcp-1 --fifo /x --extcap-capture-filter bogus", []string{`"bogus"`}},
		{"capture --extcap-interfaces dst 10.0.0.1", []string{`"dst"`, "--extcap-capture-filter"}},

		{"serve --api here", []string{"--api", "unix:PATH", "127.0.0.1:8077"}},
		{"serve --api unix:", []string{"--api", "missing path"}},
		{"serve --api 127.0.0.1:http", []string{"--api", `"http" is not a port`}},
		{"ss bogus", []string{`"bogus"`, "src, dst", "minitcp ss --help"}},
		{"ss state bogus", []string{`"bogus" is not a state`}},
		{"ss -i dport = :x", []string{`"x" is not a port`}},
		{"ss -K", []string{"-K needs a FILTER"}},
		{"ss --api off", []string{"--api off"}},
		{"ss --bogus", []string{"--bogus", "minitcp ss --help"}},
		{"stats now", []string{`"now"`, "minitcp stats --help"}},
		{"stats --api x", []string{"--api", "HOST:PORT"}},
		{"gateway now", []string{`"now"`, "minitcp gateway --help"}},
		{"gateway --via proxy:1080", []string{"--via", "proxy:1080", "socks5://HOST:PORT"}},
		{"gateway --via socks4://h", []string{"--via", "socks4", "choose socks5 or http"}},
		{"gateway --via 10.0.0.1/8=direct", []string{"--via", "10.0.0.1/8", "10.0.0.0/8"}},
		{"gateway --via direct --via socks5://h", []string{"--via", "socks5://h", "already", "direct"}},
		{"gateway --tun-fd -2", []string{"--tun-fd -2", "not a file descriptor"}},
		{"gateway --tun-fd 3 --mtu 1400", []string{"--mtu", "--tun-fd"}},
		{"gateway --tun-fd 3 --netns x", []string{"--netns", "--tun-fd"}},
		{"gateway --mark 0", []string{"--mark 0", "1 to 4294967295"}},
		{"gateway --mark 4294967296", []string{"--mark", "4294967296"}},
		{"gateway --mark -1", []string{"--mark", "-1"}},
		{"gateway --dns resolver", []string{"--dns", "resolver", "192.0.2.53"}},
		{"gateway --dns 192.0.2.1:0", []string{"--dns", "192.0.2.1:0"}},
		{"gateway --dns 0.0.0.0", []string{"--dns", "0.0.0.0"}},
		{"gateway --udp-timeout 0", []string{"--udp-timeout 0s", "more than 0"}},
		{"gateway --dial-timeout -5s", []string{"--dial-timeout -5s", "more than 0"}},
		{"gateway --dial-timeout 5", []string{"--dial-timeout", `"5"`}},
		{"gateway --max-connections 0", []string{"--max-connections 0", "1 to 1000000"}},
		{"gateway --accept-first -1", []string{"--accept-first -1", "0 to --max-connections, which is 16384"}},
		{"gateway --max-connections 10 --accept-first 11", []string{"--accept-first 11", "which is 10"}},
		{"gateway --max-per-host 1000001", []string{"--max-per-host 1000001", "1 to 1000000"}},
		{"gateway --memory 0", []string{"--memory 0", "1 to 1000000 MB"}},
		{"gateway --mss 495", []string{"--mss 495", "496 to 65495"}},
		{"gateway --mss 65496", []string{"--mss 65496"}},
		{"gateway --mtu 1279", []string{"--mtu 1279", "1280"}},

		{"serve --loss 101%", []string{`--loss "101%"`, "0% to 100%"}},
		{"serve --loss -1%", []string{`--loss "-1%"`, "0% to 100%"}},
		{"serve --loss 1", []string{`--loss "1"`, "such as 1.5%"}},
		{"serve --loss nan%", []string{`--loss "nan%"`}},
		{"serve --loss left:1%", []string{`--loss "left:1%"`, "such as 1.5%"}},
		{"serve --loss up:", []string{`--loss "up:"`}},
		{"serve --delay -5ms", []string{`--delay "-5ms"`, "such as 40ms"}},
		{"serve --delay 40", []string{`--delay "40"`, "such as 40ms"}},
		{"serve --delay 2h", []string{`--delay "2h"`, "from 0 to 1h"}},
		{"serve --delay 5ms±6ms", []string{`--delay "5ms±6ms"`, "jitter is larger"}},
		{"serve --delay 5ms~-1ms", []string{`--delay "5ms~-1ms"`, "such as 40ms"}},
		{"serve --rate 0", []string{`--rate "0"`, "such as 10mbit"}},
		{"serve --rate 0mbit", []string{`--rate "0mbit"`, "1kbit to 100gbit"}},
		{"serve --rate down:-1mbit", []string{`--rate "down:-1mbit"`, "1kbit to 100gbit"}},
		{"serve --rate 101gbit", []string{`--rate "101gbit"`, "1kbit to 100gbit"}},
		{"serve --rate 10mbps", []string{`--rate "10mbps"`, "such as 10mbit"}},
		{"serve --rate 1mbit --queue 1499B", []string{"--queue 1499B", "smaller than a packet of 1500 bytes"}},
		{"serve --rate 1mbit --queue 0packets", []string{`--queue "0packets"`, "smaller than a packet"}},
		{"serve --rate 1mbit --queue 0B", []string{`--queue "0B"`, "smaller than a packet"}},
		{"serve --rate 1mbit --queue 0s", []string{`--queue "0s"`, "out of range"}},
		{"serve --rate 1mbit --queue 65MiB", []string{`--queue "65MiB"`, "up to 64MiB"}},
		{"serve --rate 1mbit --queue 64", []string{`--queue "64"`, "such as 64kB"}},
		{"serve --rate 1mbit --queue 64kB,red", []string{`--queue "64kB,red"`, "64kB,codel"}},
		{"serve --queue 64kB", []string{"--queue 64kB", "without a limited rate", "--rate"}},
		{"serve --rate up:1mbit --queue down:64kB", []string{"--queue 64kB", "no effect down"}},
		{"serve --reorder 1%,0s", []string{`--reorder "1%,0s"`, "in order"}},
		{"serve --reorder 1%,soon", []string{`--reorder "1%,soon"`, "such as 40ms"}},
		{"serve --duplicate 200%", []string{`--duplicate "200%"`}},
		{"serve --max-packet 575", []string{`--max-packet "575"`, "576 to 65535"}},
		{"serve --corrupt x", []string{`--corrupt "x"`}},
		{"serve --burst-loss 1%", []string{`--burst-loss "1%"`, "p=1%,r=20%"}},
		{"serve --burst-loss p=1%", []string{`--burst-loss "p=1%"`, "r, with which it ends"}},
		{"serve --burst-loss p=1%,r=0%", []string{`--burst-loss "p=1%,r=0%"`, "must not be 0%"}},
		{"serve --burst-loss p=1%,p=1%,r=1%", []string{"given twice"}},
		{"serve --burst-loss p=1%,r=101%", []string{`r: not a share`}},
		{"serve --profile 5g", []string{`--profile "5g"`, "3g, lte, dsl, satellite, leo, lossy-wifi"}},
		{"serve --trace-file /does/not/exist", []string{`--trace-file "/does/not/exist"`, "no such file"}},
		{"serve --trace-file /dev/null", []string{`--trace-file "/dev/null"`, "the trace is empty"}},
		{"serve --trace-file /", []string{`--trace-file "/"`, "is a directory"}},
		{"serve --seed 1", []string{"--seed and --stats", "--loss"}},
		{"nc --stats 10.77.0.1 80", []string{"--seed and --stats", "--loss"}},
		{"serve --seed -1 --loss 1%", []string{"--seed", "-1"}},

		{"nc", []string{"HOST and PORT", "minitcp nc 10.77.0.1 8080"}},
		{"nc 10.77.0.1", []string{"HOST and PORT"}},
		{"nc 10.77.0.1 80 81", []string{"minitcp nc --help"}},
		{"nc localhost 80", []string{"localhost", "not an IP address", "10.77.0.1"}},
		{"nc fe80::1%eth0 80", []string{"not an IP address"}},
		{"nc 10.77.0.2 80", []string{"10.77.0.2", "own address", "10.77.0.1"}},
		{"nc 10.77.0.1 0", []string{`"0" is not a port`}},
		{"nc 10.77.0.1 no-such-service", []string{"no-such-service", "1 to 65535"}},
		{"nc -p 70000 10.77.0.1 80", []string{`-p "70000"`}},
		{"nc -w -1 10.77.0.1 80", []string{"-w -1"}},
		{"nc -w soon 10.77.0.1 80", []string{"soon"}},
		{"nc -w 9999999999999 10.77.0.1 80", []string{"-w 9999999999999", "out of range"}},
		{"nc 224.0.0.1 80", []string{"224.0.0.1", "unicast"}},
		{"nc :: 80", []string{"::", "unicast"}},
		{"nc --address 10.77.0.2/24 fd77::1 80", []string{"fd77::1", "different address families", "--address"}},
		{"nc -l 10.77.0.9 80", []string{"10.77.0.9", "not an address of minitcp", "10.77.0.2/24"}},
		{"nc -l -p 80 10.77.0.1", []string{"10.77.0.1", "not an address of minitcp"}},
		{"nc -l", []string{"-l", "minitcp nc -l -p 8080"}},
		{"nc -l -p 80 10.77.0.2 81", []string{"minitcp nc -l -p 8080"}},
		{"nc -l -p nowhere", []string{"nowhere"}},
		{"nc -l name 80", []string{"name", "not an IP address"}},
		{"nc --mtu 65536 10.77.0.1 80", []string{"65536"}},
	} {
		t.Run(test.args, func(t *testing.T) {
			r := call(strings.Fields(test.args)...)
			if r.status != exitUsage || r.out != "" {
				t.Errorf("status %d, output %q; want status 2 and none", r.status, r.out)
			}
			checkLine(t, r.errOut, test.want...)
		})
	}
}

func TestHelp(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "serve"},
		{"--help", "minitcp demo"},
		{"serve --help", "7=echo,9=discard,13=daytime,19=chargen,80=http"},
		{"serve --help", "curl -T"},
		{"nc --help", "--host-address"},
		{"demo --help", "handshake"},
		{"ss --help", "dport"},
		{"stats --help", "nstat"},
		{"help api", "/api/finished"},
		{"help", "minitcp demo"},
		{"help serve", "curl -T"},
		{"help completion bash", "bash"},
		{"completion bash", "minitcp"},
	} {
		if r := call(strings.Fields(test.args)...); r.status != 0 || r.errOut != "" || !strings.Contains(r.out, test.want) {
			t.Errorf("minitcp %s: %+v; want status 0 and help with %q", test.args, r, test.want)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, arg := range []string{"version", "--version"} {
		if r := call(arg); r.status != 0 || r.errOut != "" || !strings.HasPrefix(r.out, "minitcp ") || strings.Count(r.out, "\n") != 1 {
			t.Errorf("%s: %+v, want one line", arg, r)
		}
	}
	line := versionLine(&debug.BuildInfo{
		Main:     debug.Module{Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "then"}, {Key: "vcs.modified", Value: "true"}},
	})
	if !strings.HasPrefix(line, "minitcp v1.2.3 abc then modified go") {
		t.Error(line)
	}
	if line := versionLine(nil); !strings.HasPrefix(line, "minitcp (devel) go") {
		t.Error(line)
	}
}

// An error is one line. The status is 2 if another command line would have had none.
func TestReport(t *testing.T) {
	busy := &tun.Error{Subject: "mini0", Reason: tun.ErrBusy, Problem: "taken", Advice: "choose"}
	for _, test := range []struct {
		err    error
		status int
		line   string
	}{
		{nil, 0, ""},
		{exitStatus(7), 7, ""},
		{fmt.Errorf("inside: %w", exitStatus(3)), 3, ""},
		{errors.New("one\ntwo"), 1, "minitcp: one; two\n"},
		{usagef("bad %d", 1), 2, "minitcp: bad 1\n"},
		{busy, 1, "minitcp: mini0: taken; choose\n"},
		{errors.Join(busy, errors.New("and more")), 1, "minitcp: mini0: taken; choose; and more\n"},
		{errors.Join(busy, busy), 1, "minitcp: mini0: taken; choose\n"},
		{errors.Join(errors.Join(errors.New("one"), busy), errors.New("one")), 1, "minitcp: one; mini0: taken; choose\n"},
		{errors.Join(errors.New("tun: one"), errors.New("stack: two")), 1, "minitcp: one; two\n"},
		{errors.Join(busy, exitStatus(1)), 1, "minitcp: mini0: taken; choose\n"},
		{errors.Join(exitStatus(1), errors.Join(nil)), 1, ""},
		{&tun.Error{Reason: tun.ErrPermission, Problem: "p", Advice: "a"}, 1, "minitcp: p; a\n"},
		{&tun.Error{Reason: tun.ErrAddressInUse, Problem: "p"}, 1, "minitcp: p\n"},
		{&tun.Error{Reason: tun.ErrName, Problem: "p"}, 2, "minitcp: p\n"},
		{&tun.Error{Reason: tun.ErrMTU, Problem: "p"}, 2, "minitcp: p\n"},
		{&tun.Error{Reason: tun.ErrTxQueueLen, Problem: "p"}, 2, "minitcp: p\n"},
		{&tun.Error{Reason: tun.ErrQueues, Problem: "p"}, 2, "minitcp: p\n"},
		{&tun.Error{Reason: tun.ErrAddress, Problem: "p"}, 2, "minitcp: p\n"},
	} {
		var line bytes.Buffer
		if status := report(&line, test.err); status != test.status || line.String() != test.line {
			t.Errorf("%v: status %d, %q; want %d, %q", test.err, status, line.String(), test.status, test.line)
		}
	}
}

// TestHelpDefaults checks that every command accepts the defaults that its --help prints.
func TestHelpDefaults(t *testing.T) {
	printed := regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[\w-]+) .*\(default (?:"(.*)"|(.*))\)$`)
	count := 0
	for _, name := range []string{"", "run", "serve", "gateway", "nc", "demo", "ss", "stats", "version", "help"} {
		r := call(append(strings.Fields(name), "--help")...)
		if r.status != 0 {
			t.Fatalf("%s --help: %+v", name, r)
		}
		for _, m := range printed.FindAllStringSubmatch(r.out, -1) {
			flag, value := m[1], m[2]+m[3]
			cmd, _, err := newRootCommand().Find(strings.Fields(name))
			if err != nil {
				t.Fatal(err)
			}
			args := map[string][]string{"nc": {"10.77.0.1", "80"}}[name]
			if err := cmd.ParseFlags([]string{flag, value}); err != nil {
				t.Errorf("%s %s %s: %v", name, flag, value, err)
			} else if err := cmd.PreRunE(cmd, args); err != nil {
				t.Errorf("%s %s %s: %v", name, flag, value, err)
			} else if got := cmd.Flags().Lookup(flag[2:]).Value.String(); got != value {
				t.Errorf("%s %s %s sets %s", name, flag, value, got)
			}
			count++
		}
	}
	if count < 20 {
		t.Errorf("only %d defaults were found", count)
	}
}

// A flag whose value is empty, as that of a variable of the shell that is not set, is a mistake, and not a default.
func TestEmptyValues(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(config, []byte("serve:\n  netns: \"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"serve", "--netns", ""}, {"nc", "--netns=", "10.77.0.1", "80"}, {"gateway", "--interface", ""}, {"serve", "--pcap="},
		{"run", "--trace", "", "--", "true"}, {"demo", "--html", ""}, {"serve", "--config", ""}, {"serve", "--config", config},
	} {
		r := call(args...)
		if r.status != exitUsage || r.out != "" {
			t.Errorf("%q: status %d, output %q; want status 2 and none", args, r.status, r.out)
		}
		checkLine(t, r.errOut, "the value is empty", "omit the flag")
	}
}
