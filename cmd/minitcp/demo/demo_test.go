//go:build linux

package demo

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/cmd/minitcp/ladder"
	"minitcp/stack"
)

// arrow returns a pattern for a line of the ladder, with any number, time and window.
func arrow(ours, segment, theirs string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^#\d+ +[\d.]+ +` + ours + ` ?\|` + segment + `.*\|` + theirs + `$`)
}

// demoLines match the lines of the two textbook diagrams, handshake and release, and the notes on faults, in order.
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
	regexp.MustCompile(`(?m)^#1 +[\d.]+ +CLOSED \| +the TIME-WAIT timer has expired +\|$`),
	arrow("CLOSE-WAIT", "<-- FIN,ACK ", " FIN-WAIT-1"),
	arrow("", "--- ACK ", " FIN-WAIT-2"),
	arrow("LAST-ACK", "--- FIN,ACK ", " TIME-WAIT"),
	arrow("CLOSED", "<-- ACK ", ""),
	regexp.MustCompile(`(?m)^seen     half-close: `),
	regexp.MustCompile(`(?m)^All \d+ events seen, in `),
}

// TestDemo checks the output of a complete demo, its duration, and that it closes its descriptors.
func TestDemo(t *testing.T) {
	testenv.RequireDevice(t)
	before := namespaceFiles(t)
	var out bytes.Buffer
	start := time.Now()
	err := Run(t.Context(), &out, ladder.Options{PeerName: "kernel"}, nil)
	if err != nil {
		t.Errorf("the demo failed: %v", err)
	}
	if took := time.Since(start); took > Limit+time.Second {
		t.Errorf("the demo took %v, want at most %v", took, Limit)
	}
	text := out.String()
	rest := text
	for _, want := range demoLines { // in this order
		at := want.FindStringIndex(rest)
		if at == nil {
			t.Errorf("no line matches %v after the one before it", want)
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
		t.Error("the output has a NOT SEEN line")
	}
	if t.Failed() {
		t.Log(text)
	}
	if after := namespaceFiles(t); after > before {
		t.Errorf("%d namespace, device and socket descriptors are open, want at most %d as before", after, before)
	}
}

// namespaceFiles counts this process's open descriptors of namespaces, of the TUN driver and of sockets, which the demo
// must close.
func namespaceFiles(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && (target == testenv.Driver || strings.HasPrefix(target, "net:[") || strings.HasPrefix(target, "socket:")) {
			n++
		}
	}
	return n
}

// performChanged runs the demo after change has modified the lab.
func performChanged(t *testing.T, ctx context.Context, change func(*lab)) (string, error) {
	t.Helper()
	testenv.RequireDevice(t)
	var out bytes.Buffer
	d := ladder.New(&out, ladder.Options{})
	l, err := newLab(ctx, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(l)
	err = l.perform()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err == nil {
		err = l.summary(0)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), err
}

// TestDemoIsHonest checks that the summary does not report events that did not happen: here nothing is damaged, lost or
// refused.
func TestDemoIsHonest(t *testing.T) {
	var listener *stack.Listener // must be in use to the end: the stack closes one that is forgotten
	text, err := performChanged(t, t.Context(), func(l *lab) {
		l.link.faultless = true
		var err error
		if listener, err = l.stack.ListenTCP("tcp", closedPort.String()); err != nil {
			t.Error(err)
		}
	})
	runtime.KeepAlive(listener)
	if err == nil || !strings.Contains(err.Error(), "not seen") {
		t.Errorf("error %v, want one with \"not seen\"", err)
	}
	for _, event := range []string{
		"a damaged segment: the kernel counted",
		"a damaged segment: minitcp retransmitted it",
		"a damaged segment: the data arrived",
		"a lost segment: minitcp retransmitted it",
		"a lost segment: the data arrived",
		"a damaged segment from the kernel: minitcp counted",
		"a damaged segment from the kernel: it was retransmitted",
		"a lost segment from the kernel: it was retransmitted",
		"a refused connection: connect in the kernel failed with",
		"a refused connection: SYN, answered with RST",
		"a refused connection: the kernel went from",
	} {
		if !strings.Contains(text, "\nNOT SEEN "+event) {
			t.Errorf("not reported as not seen: %s", event)
		}
	}
	if n := strings.Count(text, "\nNOT SEEN "); n != 11 {
		t.Errorf("%d events were not seen, want 11", n)
	}
	if strings.Contains(text, "All") {
		t.Error("the summary reports that all events were seen")
	}
}

// TestDemoThatStops checks that a demo that ends early reports every scene it did not reach.
func TestDemoThatStops(t *testing.T) {
	text, err := performChanged(t, t.Context(), func(l *lab) { l.listener.Close() })
	if err == nil {
		t.Error("no error without a listener")
	}
	for _, scene := range scenes {
		if !strings.Contains(text, "\nNOT SEEN "+scene.name+": ") {
			t.Errorf("not reported as not seen: %s", scene.name)
		}
	}
}

// TestDemoInterrupted checks the error of a demo whose context is cancelled.
func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := performChanged(t, ctx, func(l *lab) { cancel() })
	if err == nil || err.Error() != "demo: interrupted" {
		t.Errorf("error %v, want interrupted", err)
	}
}
