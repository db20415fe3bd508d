//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
)

// TestDemoPage writes the lesson as a page, and checks that it has every statement and a picture for each.
func TestDemoPage(t *testing.T) {
	testenv.RequireDevice(t)
	file := filepath.Join(t.TempDir(), "lesson.html")
	r := finish(t, program(t, nil, "demo", "--html", file))
	if r.status != 0 || r.errOut != "" || r.out != "All events seen. The lesson is in "+file+".\n" {
		t.Fatalf("%+v", r)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	if n := strings.Count(page, "<h2>"); n != 10 || strings.Count(page, "<svg") < n || !strings.HasSuffix(page, "</html>\n") {
		t.Errorf("%d statements, %d pictures; want 10 and at least as many", n, strings.Count(page, "<svg"))
	}
	for _, want := range []string{"Three-way handshake", "SYN,ACK seq 0 ack 1", "lost on the way", "(retransmission)", "FIN-WAIT-2", "the TIME-WAIT timer has expired", "seen     half-close: "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(page, "http") || strings.Contains(page, "NOT SEEN") || strings.Contains(page, "\x1b") {
		t.Error("the page names another place, a missing event or an escape code")
	}
	if r := finish(t, program(t, nil, "demo", "--html", filepath.Join(file, "x"))); r.status != exitFailure || !strings.Contains(r.errOut, "--html") {
		t.Errorf("a file that cannot be made: %+v", r)
	}
}
