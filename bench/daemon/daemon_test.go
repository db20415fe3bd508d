//go:build linux

package daemon

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseStatus(t *testing.T) {
	resident, anonymous, err := parseStatus(strings.NewReader("Name:\tminitcp\nVmRSS:\t   13872 kB\nRssAnon:\t    3012 kB\n"))
	if err != nil || resident != 13872<<10 || anonymous != 3012<<10 {
		t.Errorf("%d and %d bytes, %v", resident, anonymous, err)
	}
	for _, text := range []string{"", "VmRSS:\tmuch kB\n"} {
		if _, _, err := parseStatus(strings.NewReader(text)); err == nil {
			t.Errorf("%q is no error", text)
		}
	}
}

// A daemon moves data in each phase, and its memory is known after the start and after each of them.
func TestMeasure(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT TESTED: this test needs root")
		}
		t.Skip("NOT TESTED: this test needs root")
	}
	program, err := Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	steps, err := Measure(t.Context(), program, 50*time.Millisecond, time.Millisecond, t.Output())
	if err != nil || len(steps) != 1+len(phases) {
		t.Fatalf("%d steps, %v", len(steps), err)
	}
	for _, s := range steps {
		if s.Busy <= 0 || s.Resident <= 0 || s.Anonymous <= 0 || s.Anonymous > s.Resident {
			t.Errorf("%+v", s)
		}
	}
}

func TestBrokenDaemon(t *testing.T) {
	if _, err := Build(t.Context(), "/dev/null"); err == nil || !strings.Contains(err.Error(), "go build") {
		t.Errorf("a directory that does not exist: %v", err)
	}
}
