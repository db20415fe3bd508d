//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestBusy(t *testing.T) {
	for load, want := range map[string]bool{"0.10 2.00 3.00": false, "0.26 0.00 0.00": true, "12.5 1 1": true, unknown: false} {
		if got := (environment{Load: load}).busy(); got != want {
			t.Errorf("load %s: %v, want %v", load, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	e := findEnvironment()
	if !strings.HasPrefix(e.Kernel, "Linux ") || e.CPUs < 1 || !strings.HasPrefix(e.Go, "go") || e.CPU == "" {
		t.Errorf("found %v", e)
	}
	e.Awake = true
	if s := e.String(); !strings.Contains(s, "kept awake") || !strings.Contains(s, e.Kernel) {
		t.Errorf("told as %s", s)
	}
}
