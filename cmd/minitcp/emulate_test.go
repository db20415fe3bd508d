//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/pflag"

	"minitcp/conn/netem"
	"minitcp/conn/wire"
	"minitcp/stack/emulate"
	"minitcp/stack/stacktest"
)

// linkOf returns the flags of a link after parsing and check.
func linkOf(t testing.TB, args ...string) *linkFlags {
	t.Helper()
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f := addLinkFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := f.check(1500); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return f
}

func TestLinkFlags(t *testing.T) {
	const ms = time.Millisecond
	trace := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(trace, []byte("0\n12\n24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	played := netem.Config{Trace: netem.Trace{0, 12 * ms, 24 * ms}, QueueTime: 100 * ms}
	for _, test := range []struct {
		args     string
		up, down netem.Config
	}{
		{"", netem.Config{}, netem.Config{}},
		{"--loss 1.5%", netem.Config{Loss: 0.015}, netem.Config{Loss: 0.015}},
		{"--loss up:1% --corrupt down:2%", netem.Config{Loss: 0.01}, netem.Config{Corruption: 0.02}},
		{"--loss 1% --loss down:0%", netem.Config{Loss: 0.01}, netem.Config{}},
		{"--loss down:2% --loss 1%", netem.Config{Loss: 0.01}, netem.Config{Loss: 0.01}},
		{"--delay 40ms±5ms", netem.Config{Delay: 35 * ms, Jitter: 10 * ms}, netem.Config{Delay: 35 * ms, Jitter: 10 * ms}},
		{"--delay up:40ms+-5ms --delay down:3ms~3ms", netem.Config{Delay: 35 * ms, Jitter: 10 * ms}, netem.Config{Jitter: 6 * ms}},
		{"--max-packet up:1400", netem.Config{MaxPacket: 1400}, netem.Config{}},
		{"--delay 0s", netem.Config{}, netem.Config{}},
		{"--rate up:1.5mbit", netem.Config{Rate: 1_500_000, QueueTime: 100 * ms}, netem.Config{}},
		{"--rate up:120kbit", netem.Config{Rate: 120_000, QueueTime: time.Second}, netem.Config{}}, // ten packets
		{"--rate 1Gbit --queue 1500B --queue up:10packets",
			netem.Config{Rate: 1e9, QueuePackets: 10}, netem.Config{Rate: 1e9, QueueBytes: 1500}},
		{"--rate up:1mbit --queue 1.5kB", netem.Config{Rate: 1e6, QueueBytes: 1500}, netem.Config{}},
		{"--rate up:1mbit --rate down:2mbit --queue up:1s,codel --queue down:codel",
			netem.Config{Rate: 1e6, QueueTime: time.Second, Discipline: netem.CoDel},
			netem.Config{Rate: 2e6, QueueTime: 100 * ms, Discipline: netem.CoDel}},
		{"--reorder up:1% --reorder down:2%,30ms --duplicate up:3%",
			netem.Config{Reordering: 0.01, ReorderingDelay: 10 * ms, Duplication: 0.03}, netem.Config{Reordering: 0.02, ReorderingDelay: 30 * ms}},
		{"--burst-loss up:p=1%,r=20% --burst-loss down:r=50%,p=2%,1-h=90%,1-k=0.5%",
			netem.Config{Burst: netem.Burst{Begin: 0.01, End: 0.2, Loss: 1}}, netem.Config{Burst: netem.Burst{Begin: 0.02, End: 0.5, Loss: 0.9, Between: 0.005}}},
		{"--trace-file " + trace, played, played},
		{"--profile dsl", netem.Config{Rate: 384_000, Delay: 25 * ms, QueueTime: 312500 * time.Microsecond}, netem.Config{Rate: 1_500_000, Delay: 25 * ms, QueueTime: 100 * ms}},
		{"--delay up:1ms --profile dsl --rate 10mbit --queue 64kB",
			netem.Config{Rate: 10e6, Delay: ms, QueueBytes: 64000}, netem.Config{Rate: 10e6, Delay: 25 * ms, QueueBytes: 64000}},
		{"--profile dsl --trace-file up:" + trace,
			netem.Config{Trace: played.Trace, QueueTime: 100 * ms, Delay: 25 * ms}, netem.Config{Rate: 1_500_000, Delay: 25 * ms, QueueTime: 100 * ms}},
	} {
		f := linkOf(t, strings.Fields(test.args)...)
		for way, want := range []netem.Config{test.up, test.down} {
			if got := f.ways[way]; !sameConfig(got, want) {
				t.Errorf("%q: %s %+v, want %+v", test.args, wayNames[way], got, want)
			}
		}
		if (f.seed != 0) != f.active() {
			t.Errorf("%q: seed %d, active %v", test.args, f.seed, f.active())
		}
	}
}

// sameConfig reports whether two configurations are the same, except for rounding.
func sameConfig(a, b netem.Config) bool {
	close := func(x, y float64) bool { return x-y < 1e-9 && y-x < 1e-9 }
	return a.Rate == b.Rate && len(a.Trace) == len(b.Trace) && a.QueueBytes == b.QueueBytes && a.QueuePackets == b.QueuePackets &&
		a.QueueTime == b.QueueTime && a.Discipline == b.Discipline && a.Delay == b.Delay && a.Jitter == b.Jitter && a.Order == b.Order &&
		close(a.Loss, b.Loss) && close(a.Duplication, b.Duplication) && close(a.Corruption, b.Corruption) &&
		close(a.Reordering, b.Reordering) && a.ReorderingDelay == b.ReorderingDelay &&
		close(a.Burst.Begin, b.Burst.Begin) && close(a.Burst.End, b.Burst.End) && close(a.Burst.Loss*a.Burst.Begin, b.Burst.Loss*b.Burst.Begin) && close(a.Burst.Between, b.Burst.Between)
}

// The errors of flags that contradict each other name both, and a bad trace file names the line.
func TestLinkFlagErrors(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": "1\n2\n", "garbage": "1\n2\nx\n", "back": "5\n4\n", "zeros": "0\n0\n", "slow": "4000000000\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ args, want string }{
		{"--trace-file garbage", `line 3: "x" is not a number of milliseconds`},
		{"--trace-file back", "line 2: 4 ms is earlier"},
		{"--trace-file zeros", "no length"},
		{"--trace-file slow", "a mean rate of 0bit"},
		{"--rate 1mbit --trace-file good", "--rate 1mbit and --trace-file good"},
		{"--trace-file good --queue 100B", "--queue 100B"},
	} {
		t.Chdir(dir)
		r := call(append([]string{"serve"}, strings.Fields(test.args)...)...)
		if r.status != exitUsage || !strings.Contains(r.errOut, test.want) || strings.Count(r.errOut, "\n") != 1 {
			t.Errorf("%q: %+v, want %q", test.args, r, test.want)
		}
	}
}

// Every profile is made of valid flags, and has a source.
func TestProfiles(t *testing.T) {
	help := call("help", "links")
	for _, p := range linkProfiles {
		f := linkOf(t, "--profile", p.name)
		if !f.ways[wayUp].Active() || !f.ways[wayDown].Active() {
			t.Errorf("%s: %+v", p.name, f.ways)
		}
		if help.status != 0 || p.source == "" || !strings.Contains(help.out, p.about+"\n") || !strings.Contains(help.out, p.source) {
			t.Errorf("%s: the help has no figures or no source", p.name)
		}
	}
}

// The summary has the settings and the measurements of the directions that are emulated. Up is the direction of
// the frames that the stack writes, or reads.
func TestLinkSummary(t *testing.T) {
	const packets = 1 + netem.LeastForRate
	frame := make([]byte, wire.VirtioHeaderLen+1000)
	frame[wire.VirtioHeaderLen] = 0x45
	for _, upIsIn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			near, far := stacktest.Pipe(1500)
			f := linkOf(t, "--rate", "up:8mbit", "--delay", "20ms", "--loss", "down:100%", "--seed", "7", "--stats")
			f.upIsIn = upIsIn
			f.sleep = time.Sleep
			d, err := f.wrap(near)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				frames, sizes := [][]byte{make([]byte, 65545)}, []int{0}
				for {
					if _, err := d.ReadBatch(frames, sizes); err != nil {
						return
					}
				}
			}()
			for range packets {
				d.WriteFrame([][]byte{frame})
				far.WriteFrame([][]byte{frame})
			}
			time.Sleep(time.Second)
			d.Close()
			var out strings.Builder
			f.summary(&out)
			want := `emulated link, --seed 7
  up    packets     asked -                   measured 51, 51000 bytes; 51 delivered
  up    rate        asked 8mbit               measured 8mbit
  up    queue       asked default             measured 25ms on average, 0 dropped
  up    delay       asked 20ms                measured 20ms on average, at most 20ms
  down  packets     asked -                   measured 51, 51000 bytes; 0 delivered
  down  loss        asked 100%                measured 100%: 51 of 51
`
			if out.String() != want {
				t.Errorf("up is in: %v\n%s\nwant\n%s", upIsIn, &out, want)
			}
		})
	}
}

// Without flags, the device is not wrapped, and there is no summary.
func TestNoLink(t *testing.T) {
	near, _ := stacktest.Pipe(1500)
	f := linkOf(t)
	d, err := f.wrap(near)
	if _, wrapped := d.(*emulate.Device); err != nil || wrapped || d != near {
		t.Errorf("%v, %v, want the device itself", d, err)
	}
	var out strings.Builder
	if f.summary(&out); out.Len() > 0 {
		t.Errorf("a summary: %s", &out)
	}
}

// Every value that a flag of a link takes makes a configuration that can be emulated, or an error that names a flag.
func FuzzLinkFlags(f *testing.F) {
	for _, seed := range []string{
		"loss up:1%", "delay 40ms±5ms", "delay 1ns~1ns", "rate 10mbit", "queue 64kB,codel", "queue 3packets", "queue 9e99kb", "reorder 1%,20ms",
		"duplicate 100%", "corrupt 0%", "burst-loss p=1%,r=20%,1-h=100%,1-k=0%", "rate 1e309bit", "loss 1e-400%", "queue 1ns", "profile dsl", "max-packet 1400",
	} {
		f.Add(seed, "rate 1mbit")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		link := addLinkFlags(flags)
		for _, arg := range []string{first, second} {
			name, value, _ := strings.Cut(arg, " ")
			if name == "trace-file" || flags.Lookup(name) == nil || flags.Set(name, value) != nil {
				return
			}
		}
		if err := link.check(1500); err != nil {
			if !strings.HasPrefix(err.Error(), "--") {
				t.Errorf("%q, %q: error %q names no flag", first, second, err)
			}
			return
		}
		for way, c := range link.ways {
			if err := c.Check(); err != nil {
				t.Errorf("%q, %q: %s: %v", first, second, wayNames[way], err)
			}
			if c.Rate > 0 && (c.Rate < minRate || c.QueueBytes+c.QueuePackets+int(c.QueueTime) <= 0) {
				t.Errorf("%q, %q: a rate of %d, queue %+v", first, second, c.Rate, c)
			}
		}
	})
}
