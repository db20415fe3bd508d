//go:build linux

// Package daemon measures the memory of the program minitcp while it serves, as the operating system sees it.
package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"minitcp/bench/subject"
	"minitcp/tun"
)

const (
	discardPort = 9
	chargenPort = 19
	// startTime limits the time until the daemon serves.
	startTime = 10 * time.Second
	// endTime limits the time that the daemon takes to end.
	endTime = 10 * time.Second
)

// Step is the daemon's memory at the end of a phase, in bytes.
type Step struct {
	Name string `json:"name"`
	// Busy is resident memory at the end of the phase's traffic, and Resident after the rest that follows. They are the
	// same after the start.
	Busy     int64 `json:"busy"`
	Resident int64 `json:"resident"`
	// Anonymous is the part of Resident that is not mapped from a file, such as the program's text.
	Anonymous int64 `json:"anonymous"`
	// Limit is the aim for the maximum of Resident. 0 means none.
	Limit int64 `json:"limit,omitempty"`
}

const mb = 1_000_000

// phases are the daemon's traffic in their order: the number of connections that send to it, or receive.
var phases = []struct {
	name        string
	connections int
	port        int
}{
	{"up", 1, discardPort},
	{"up8", 8, discardPort},
	{"down", 1, chargenPort},
	{"down8", 8, chargenPort},
	{"up64", 64, discardPort},
	{"down64", 64, chargenPort},
}

// Limits of resident memory after the start, and after each phase with up to mostLimited connections.
const (
	startLimit  = 20 * mb
	bulkLimit   = 60 * mb
	mostLimited = 8
)

// Build builds the daemon of the module that the working directory is in, into a directory, and returns the program's
// name. It builds without cgo, as README.md has it: with cgo the daemon has 7 MB more of resident memory.
func Build(ctx context.Context, directory string) (string, error) {
	program := filepath.Join(directory, "minitcp")
	command := exec.CommandContext(ctx, "go", "build", "-o", program, "minitcp/cmd/minitcp")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build minitcp/cmd/minitcp: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return program, nil
}

// Measure runs the program in a network namespace of its own. Each phase of traffic lasts for duration, and rest
// follows.
func Measure(ctx context.Context, program string, duration, rest time.Duration, progress io.Writer) (steps []Step, err error) {
	where, err := tun.NewNamespace("")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, where.Close()) }()
	p, err := start(ctx, program, where)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	step := func(name string, busy, limit int64) error {
		if err := wait(ctx, rest); err != nil {
			return err
		}
		resident, anonymous, err := p.memory()
		if busy == 0 {
			busy = resident
		}
		steps = append(steps, Step{name, busy, resident, anonymous, limit})
		fmt.Fprintf(progress, "%s: %.1f MB, then %.1f MB\n", name, float64(busy)/mb, float64(resident)/mb)
		return err
	}
	if err := step("start", 0, startLimit); err != nil {
		return steps, err
	}
	for _, phase := range phases {
		busy, err := p.traffic(ctx, phase.port, phase.connections, duration)
		if err != nil {
			return steps, fmt.Errorf("%s: %w", phase.name, err)
		}
		limit := int64(0)
		if phase.connections <= mostLimited {
			limit = bulkLimit
		}
		if err := step(phase.name, busy, limit); err != nil {
			return steps, err
		}
	}
	return steps, nil
}

// process is a daemon that serves.
type process struct {
	command *exec.Cmd
	where   *tun.Namespace
	errors  subject.Tail
}

func start(ctx context.Context, program string, where *tun.Namespace) (*process, error) {
	p := &process{where: where, command: exec.CommandContext(ctx, program, "serve", "--log-level", "error",
		"--address", subject.ServerAddress.String(), "--host-address", subject.ClientAddress.String(),
		"--listen", fmt.Sprintf("%d=discard,%d=chargen", discardPort, chargenPort))}
	p.command.Stderr = &p.errors
	if err := where.Do(p.command.Start); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(startTime)
	for {
		c, err := p.dial(discardPort)
		if err == nil {
			return p, c.Close()
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			p.command.Process.Kill()
			return nil, errors.Join(fmt.Errorf("the daemon does not serve: %w", err), p.end())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *process) dial(port int) (c *net.TCPConn, err error) {
	address := &net.TCPAddr{IP: subject.ServerAddress.Addr().AsSlice(), Port: port}
	return c, p.where.Do(func() (err error) { c, err = net.DialTCP("tcp4", nil, address); return err })
}

// end stops the daemon and waits for its end.
func (p *process) end() error {
	p.command.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(endTime, func() { p.command.Process.Kill() })
	defer late.Stop()
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("the daemon: %w: %s", err, p.errors.String())
	}
	return nil
}

// traffic moves bulk data for a time, and returns the resident memory shortly before its end.
func (p *process) traffic(ctx context.Context, port, connections int, duration time.Duration) (resident int64, err error) {
	var all []*net.TCPConn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for range connections {
		c, err := p.dial(port)
		if err != nil {
			return 0, err
		}
		all = append(all, c)
		if err := c.SetDeadline(time.Now().Add(duration)); err != nil {
			return 0, err
		}
	}
	failed := make([]error, connections)
	var running sync.WaitGroup
	for i, c := range all {
		running.Go(func() { failed[i] = move(c, port) })
	}
	err = wait(ctx, duration*9/10)
	if err == nil {
		resident, _, err = p.memory()
	}
	running.Wait()
	return resident, errors.Join(append(failed, err)...)
}

// move writes to the discard service, or reads from the other one, until the connection's deadline.
func move(c *net.TCPConn, port int) error {
	buffer := make([]byte, 256<<10)
	for {
		var err error
		if port == discardPort {
			_, err = c.Write(buffer)
		} else {
			_, err = c.Read(buffer)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// memory returns the process's resident memory, and the anonymous part of it.
func (p *process) memory() (resident, anonymous int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return parseStatus(f)
}

// parseStatus reads a /proc/PID/status (proc_pid_status(5)), which has a line with a name and a number of KiB for each.
func parseStatus(r io.Reader) (resident, anonymous int64, err error) {
	values := map[string]*int64{"VmRSS:": &resident, "RssAnon:": &anonymous}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || values[fields[0]] == nil {
			continue
		}
		if _, err := fmt.Sscan(fields[1], values[fields[0]]); err != nil {
			return 0, 0, fmt.Errorf("%s %s: %w", fields[0], fields[1], err)
		}
	}
	if resident == 0 {
		return 0, 0, errors.New("the status of the process has no VmRSS")
	}
	return resident << 10, anonymous << 10, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
