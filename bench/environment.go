//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/subject"
)

// environment describes the machine and the software, on which the figures depend.
type environment struct {
	Date              string `json:"date"` // UTC
	Kernel            string `json:"kernel"`
	CPU               string `json:"cpu"`
	CPUs              int    `json:"cpus"`
	Load              string `json:"load"` // averages of 1, 5 and 15 minutes, before the first measurement
	Go                string `json:"go"`
	Commit            string `json:"commit"`
	GVisor            string `json:"gvisor"`
	CongestionControl string `json:"congestionControl"` // of the kernel's sockets
	Awake             bool   `json:"awake"`             // whether idle CPUs were kept from sleeping
}

const unknown = "unknown"

func findEnvironment() environment {
	e := environment{
		Date: time.Now().UTC().Format("2006-01-02 15:04"), Kernel: unknown, CPU: cpuModel(), CPUs: runtime.NumCPU(), Load: unknown,
		Go: runtime.Version(), Commit: commit(), GVisor: moduleVersion("gvisor.dev/gvisor"), CongestionControl: subject.CongestionControl,
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		e.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		e.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return e
}

func (e environment) String() string {
	idle := "idle CPUs may sleep"
	if e.Awake {
		idle = "idle CPUs kept awake"
	}
	return fmt.Sprintf("%s UTC, commit %s, %s, gVisor %s, %s, %d × %s, load %s, %s, the kernel's sockets with %s",
		e.Date, e.Commit, e.Go, e.GVisor, e.Kernel, e.CPUs, e.CPU, e.Load, idle, e.CongestionControl)
}

// busy reports whether a quarter of a CPU or more was in use during the last minute.
func (e environment) busy() bool {
	var lastMinute float64
	_, err := fmt.Sscan(e.Load, &lastMinute)
	return err == nil && lastMinute > 0.25
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// commit returns the commit from git, because the build information has none under `go run`.
func commit() string {
	id, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return unknown
	}
	changes, err := exec.Command("git", "status", "--porcelain").Output()
	text := string(bytes.TrimSpace(id))
	if err != nil || len(changes) > 0 {
		text += " with changes"
	}
	return text
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return unknown
}
