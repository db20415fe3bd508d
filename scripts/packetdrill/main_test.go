package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun checks the output, the totals and the exit status for each outcome.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good/a.pkt", "0 < R 1:1(0)\n0 < . 5:5(0) ack 7 win 1\n+0 > R 7:7(0)\n")
	foreign := write("good/deeper/b.pkt", "// sets a sysctl\n`sysctl -q x=1`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n")
	write("good/deeper/README", "no script")
	bad := write("bad.pkt", "0 < . 5:5(0) ack 7 win 1\n+0 > R 8:8(0)\n")
	list := write("expected.txt", "# comment\n\nbad.pkt  a wrong number\n")
	passes := write("passes.txt", "good/a.pkt  it passes by now\n")
	foreseen := write("foreseen.txt", "deeper/b.pkt  it fails\n")
	unexplained := write("unexplained.txt", "bad.pkt\n")
	garbage := write("garbage.pkt", "\x00\xff%{`")

	var stderr strings.Builder
	if status := run([]string{"-expected", unexplained, good}, &stderr, &stderr); status != 2 || !strings.Contains(stderr.String(), "bad.pkt has no reason") {
		t.Errorf("a list without a reason: status %d, %s", status, stderr.String())
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   []string // in this order
	}{
		{"a folder", []string{filepath.Join(dir, "good")}, 0, []string{
			"passed       " + good + "\n", "unsupported  " + foreign + ":2: a shell command: `sysctl -q x=1`\n",
			"1 passed, 0 failed, 1 unsupported\n",
		}},
		{"a failure", []string{good, bad}, 1, []string{
			"passed       " + good, "failed       " + bad + ":2: the sequence number differs\n", "expected  R 8:8(0)\n", "seen      R 7:7(0)",
			"| 0.000000 < . 5:5(0) ack 7", "1 passed, 1 failed, 0 unsupported\n",
		}},
		{"no script at all", []string{garbage}, 0, []string{"unsupported  " + garbage + ":1: ", "0 passed, 0 failed, 1 unsupported\n"}},
		{"an expected failure", []string{"-expected", list, good, bad}, 0, []string{
			"expected     " + bad + ": a wrong number\n", "1 passed, 0 failed, 0 unsupported, 1 failed as expected\n"}},
		{"an unexpected pass", []string{"-expected", passes, good}, 1, []string{
			"failed       " + good + ":1: it passes, but is expected to fail: it passes by now\n", "0 passed, 1 failed, 0 unsupported\n"}},
		{"an unsupported script on the list", []string{"-expected", foreseen, foreign}, 0, []string{
			"unsupported  " + foreign + ":2: ", "0 passed, 0 failed, 1 unsupported\n"}},
		{"no file", []string{filepath.Join(dir, "nowhere"), good}, 1, []string{"passed", "1 passed"}},
		{"no arguments", nil, 2, nil},
		{"a flag", []string{"-v"}, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if status := run(c.args, &stdout, &stderr); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			rest := stdout.String()
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%q is missing in\n%s", want, stdout.String())
				}
				rest = after
			}
			if c.want == nil && (stdout.Len() > 0 || !strings.Contains(stderr.String(), "usage")) {
				t.Errorf("printed %q and %q", stdout.String(), stderr.String())
			}
		})
	}
}
