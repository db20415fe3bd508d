//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"minitcp/bench/report"
)

func someResults(t *testing.T) *results {
	t.Helper()
	p := parsed(t, "-quick", "-workloads", "rr", "-targets", "minitcp,floor")
	samples := []report.Sample{{Workload: "rr", Target: "minitcp", Value: 30, CPU: 0.02, BothCPU: 0.03}, {Workload: "rr", Target: "floor", Value: 60, CPU: 0.01, BothCPU: 0.02}}
	return &results{what: comparison, Environment: environment{Commit: "c0ffee"}, Rows: p.results(samples), Samples: samples, plan: p}
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	if err := someResults(t).write(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"commit c0ffee", "3 rounds, 150ms each after 120ms", "\nrr        minitcp    30.0  30.0–30.0  k/s      0.50 "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

func TestWriteJSON(t *testing.T) {
	var b strings.Builder
	if err := someResults(t).write(&b, true); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Environment struct{ Commit string }
		Settings    struct{ Duration float64 }
		Rows        []struct {
			Target string
			Value  struct{ Median float64 }
			Ratios map[string]float64
		}
		Samples []struct{ CPU float64 }
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Environment.Commit != "c0ffee" || got.Settings.Duration != 0.15 || len(got.Rows) != 2 || len(got.Samples) != 2 ||
		got.Rows[0].Value.Median != 30 || got.Rows[0].Ratios["floor"] != 0.5 || got.Samples[1].CPU != 0.01 {
		t.Errorf("read back as %+v", got)
	}
}

// The README has a place for the table, and the rest does not change.
func TestFillReadme(t *testing.T) {
	document, err := os.ReadFile(filepath.Base(readme))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := fillReadme(tableName, nil); err == nil {
		t.Error("there is no README, and no error")
	}
	if err := os.MkdirAll(filepath.Dir(readme), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(readme, document, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := someResults(t).fill(); err != nil {
		t.Fatal(err)
	}
	filled, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(document), "<!-- bench: begin -->\n")
	if !strings.HasPrefix(string(filled), before) || !strings.Contains(string(filled), "\n| rr | minitcp | 30.0 |") {
		t.Errorf("filled to %s", filled)
	}
}
