//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"minitcp/cmd/minitcp/ladder"
)

// requireDevice ends a test where it cannot make namespaces and devices.
func requireDevice(t *testing.T) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	} else if !mayOpenDriver() {
		missing = tunDriver
	}
	if missing != "" {
		notTested(t, missing)
	}
}

// notTested ends a test that needs what this machine has not: as a failure in CI, where a skip would hide that nothing was
// tested, and as a skip that says so elsewhere.
func notTested(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("NOT TESTED: this test needs", missing)
	}
	t.Skip("NOT TESTED: this test needs", missing)
}

// arrow matches a line of the ladder: what it says, with whatever number, time and window.
func arrow(ours, segment, theirs string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^#\d+ +[\d.]+ +` + ours + ` ?\|` + segment + `.*\|` + theirs + `$`)
}

// The two diagrams that every lesson draws, line by line, and what else is remarkable.
var demoLines = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^#1 +ms +LISTEN \| +\| CLOSED$`),
	arrow("SYN-RECEIVED", `<-- SYN seq 0 win \d+ mss 1460`, " SYN-SENT"),
	arrow("", "--- SYN,ACK seq 0 ack 1 ", " ESTABLISHED"),
	arrow("ESTABLISHED", "<-- ACK seq 1 ack 1 ", ""),
	arrow("", `--- PSH,ACK seq \d+ ack \d+ len 200 .*X`, ""),
	regexp.MustCompile(`(?m)^#1 .*damaged on the way`),
	regexp.MustCompile(`(?m)^#1 .*lost on the way`),
	regexp.MustCompile(`(?m)^#1 .*damaged: tcp-checksum`),
	regexp.MustCompile(`(?m)^#1 .*retransmission`),
	arrow("", "--- RST,ACK seq 0 ack 1 ", " CLOSED"),
	arrow("CLOSED", "--- RST,ACK seq 1 ack 1 ", " CLOSED"),
	regexp.MustCompile(`(?m)^#1 +ms +ESTABLISHED \| +\| ESTABLISHED$`),
	arrow("FIN-WAIT-1", "--- FIN,ACK ", " CLOSE-WAIT"),
	arrow("FIN-WAIT-2", "<-- ACK ", ""),
	arrow("TIME-WAIT", "<-- FIN,ACK ", " LAST-ACK"),
	arrow("", "--- ACK ", " CLOSED"),
	regexp.MustCompile(`(?m)^#1 +[\d.]+ +CLOSED \| +TIME-WAIT's timer has run out +\|$`),
	arrow("CLOSE-WAIT", "<-- FIN,ACK ", " FIN-WAIT-1"),
	arrow("", "--- ACK ", " FIN-WAIT-2"),
	arrow("LAST-ACK", "--- FIN,ACK ", " TIME-WAIT"),
	arrow("CLOSED", "<-- ACK ", ""),
	regexp.MustCompile(`(?m)^seen     half-close: `),
	regexp.MustCompile(`(?m)^All \d+ seen, in `),
}

func TestDemo(t *testing.T) {
	requireDevice(t)
	before := namespaceFiles(t)
	var out bytes.Buffer
	start := time.Now()
	err := runDemo(t.Context(), &out, ladder.Options{PeerName: "kernel"}, nil)
	if err != nil {
		t.Errorf("the demo failed: %v", err)
	}
	if took := time.Since(start); took > demoLimit+time.Second {
		t.Errorf("it took %v", took)
	}
	text := out.String()
	rest := text
	for _, want := range demoLines { // in this order
		at := want.FindStringIndex(rest)
		if at == nil {
			t.Errorf("no line, here, like %v", want)
			continue
		}
		rest = rest[at[1]:]
	}
	for line := range strings.Lines(text) {
		if len(line) > 101 && !strings.HasPrefix(line, "seen") {
			t.Errorf("a line of %d columns: %s", len(line)-1, line)
		}
	}
	if strings.Contains(text, "NOT SEEN") {
		t.Error("something was not seen")
	}
	if t.Failed() {
		t.Log(text)
	}
	if after := namespaceFiles(t); after > before {
		t.Errorf("%d files of namespaces and devices are open, before it were %d", after, before)
	}
}

// namespaceFiles counts what the demo opens and must close.
func namespaceFiles(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && (target == tunDriver || strings.HasPrefix(target, "net:[") || strings.HasPrefix(target, "socket:")) {
			n++
		}
	}
	return n
}

// perform runs the demo with a change made to the stage first.
func performChanged(t *testing.T, ctx context.Context, change func(*stage)) (string, error) {
	t.Helper()
	requireDevice(t)
	var out bytes.Buffer
	l := ladder.New(&out, ladder.Options{})
	s, err := newStage(ctx, l, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	err = s.perform()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		err = s.summary(&out, 0)
	}
	return out.String(), err
}

// What does not happen is not said to have been seen: here nothing is damaged, lost or refused.
func TestDemoIsHonest(t *testing.T) {
	text, err := performChanged(t, t.Context(), func(s *stage) {
		s.link.harmless = true
		if _, err := s.stack.ListenTCP("tcp", closedPort.String()); err != nil {
			t.Error(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "not seen") {
		t.Errorf("error %v, want one that says that something was not seen", err)
	}
	for _, what := range []string{
		"a damaged segment: the kernel counted",
		"a damaged segment: we sent it again",
		"a damaged segment: the octets",
		"a lost segment: we sent it again",
		"a lost segment: the octets",
		"a damaged segment of the kernel's: we counted",
		"a damaged segment of the kernel's: it was sent again",
		"a lost segment of the kernel's: it was sent again",
		"a refused connection: the kernel's connect gave",
		"a refused connection: SYN, and RST",
		"a refused connection: the kernel went from",
	} {
		if !strings.Contains(text, "\nNOT SEEN "+what) {
			t.Errorf("not reported as not seen: %s", what)
		}
	}
	if n := strings.Count(text, "\nNOT SEEN "); n != 11 {
		t.Errorf("%d things were not seen, want 11", n)
	}
	if strings.Contains(text, "All") {
		t.Error("it says that all was seen")
	}
}

// A demo that cannot go on reports everything that it did not reach.
func TestDemoThatStops(t *testing.T) {
	text, err := performChanged(t, t.Context(), func(s *stage) { s.listener.Close() })
	if err == nil {
		t.Error("no error without a listener")
	}
	for _, scene := range scenes {
		if !strings.Contains(text, "\nNOT SEEN "+scene.name+": ") {
			t.Errorf("not reported as not seen: %s", scene.name)
		}
	}
}

func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := performChanged(t, ctx, func(s *stage) { cancel() })
	if err == nil || err.Error() != "demo: interrupted" {
		t.Errorf("error %v, want interrupted", err)
	}
}
