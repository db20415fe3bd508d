//go:build linux

package subject

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"minitcp/bench/fairness"
	"minitcp/bench/pattern"
)

const (
	answerTime = 20 * time.Second // in which a target must start or reply
	endTime    = 5 * time.Second  // in which it must exit
)

// Process is a process under test, seen from its parent.
type Process struct {
	command  *exec.Cmd
	measured int           // its process ID, or that of its child
	Inside   int           // ID of a process in the namespace that takes the place of the client's; 0 for none
	Ready    time.Duration // from the start of its child to the first datagram that it has forwarded
	in       io.WriteCloser
	out      *bufio.Reader
	errors   Tail
}

// Start runs a target in a child of this program, which must call [Main] for it, and waits until it serves. The child
// is in the network namespace of the calling thread. Its sinks read 1 to MaxReads bytes at once and compare them with
// care. A forwarder needs one file, the client's network namespace.
func Start(target string, care pattern.Care, reads int, files ...*os.File) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.Command(program, Command, target, care.String(), strconv.Itoa(reads))}
	p.command.Stderr, p.command.ExtraFiles = &p.errors, files
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	var ready readiness
	if err := p.read(&ready); err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not start: %w", target, err), p.Stop())
	}
	p.Inside, p.Ready = ready.Inside, ready.Ready
	if p.measured = ready.Child; p.measured == 0 {
		p.measured = p.command.Process.Pid
	}
	return p, nil
}

// readiness is the first line of a process.
type readiness struct {
	Child  int // ID of the process that is measured in its place; 0 for none
	Inside int
	Ready  time.Duration
}

// RunTrue makes the target run a command that does nothing, and returns the time that it takes.
func (p *Process) RunTrue() (took time.Duration, err error) { return took, p.ask(sayRun, &took) }

// Usage returns the work of the process and its CPU time so far. A failure of the process is an error.
func (p *Process) Usage() (u Usage, err error) {
	if err := p.ask(sayUsage, &u); err != nil {
		return u, err
	}
	if u.Failure != "" {
		return u, errors.New(u.Failure)
	}
	return u, nil
}

// Memory makes the process collect its garbage, and returns its memory.
func (p *Process) Memory() (m Memory, err error) { return m, p.ask(sayMemory, &m) }

// Resident returns the resident memory of the process in bytes as it is, without a garbage collection.
func (p *Process) Resident() (int64, error) {
	m, err := childMemory(p.measured)
	return m.RSS, err
}

// StartProfile makes the process write a CPU profile to a file, until StopProfile.
func (p *Process) StartProfile(file string) error { return p.ask(sayProfile+" "+file, &struct{}{}) }

// StopProfile ends the CPU profile, and makes the process write a profile of all its allocations to a file.
func (p *Process) StopProfile(allocations string) error {
	return p.ask(sayProfiled+" "+allocations, &struct{}{})
}

// Watch makes the process observe how its sinks share the data, until Watched.
func (p *Process) Watch() error { return p.ask(sayWatch, &struct{}{}) }

// Watched ends the observation. The result has no flows if the target does not count the connections of its sinks.
func (p *Process) Watched() (r fairness.Result, err error) { return r, p.ask(sayWatched, &r) }

func (p *Process) ask(line string, answer any) error {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return p.explain(err)
	}
	return p.read(answer)
}

func (p *Process) read(answer any) error {
	late := time.AfterFunc(answerTime, func() { p.command.Process.Kill() })
	line, err := p.out.ReadBytes('\n')
	if !late.Stop() {
		return p.explain(fmt.Errorf("no reply within %v", answerTime))
	}
	if err != nil {
		return p.explain(err)
	}
	return json.Unmarshal(line, answer)
}

// explain adds the last output of a process that has ended or is about to end.
func (p *Process) explain(err error) error {
	p.in.Close()
	p.wait()
	if text := p.errors.String(); text != "" {
		return fmt.Errorf("the process under test ended: %s", text)
	}
	return fmt.Errorf("the process under test ended: %w", err)
}

// Wakeups returns how often threads of the process have waited so far: its voluntary context switches.
func (p *Process) Wakeups() (n int64, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.measured))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("the threads of process %d: %w", p.measured, errors.Join(err, os.ErrNotExist))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		switches, err := parseSwitches(string(text))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		n += switches
	}
	return n, nil
}

// parseSwitches returns the voluntary context switches in a /proc/PID/status (proc_pid_status(5)).
func parseSwitches(status string) (int64, error) {
	const name = "voluntary_ctxt_switches:"
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("there is no line %q", name)
}

// Kill ends the process at once. It may be called while another call waits for a reply. Stop must follow.
func (p *Process) Kill() { p.command.Process.Kill() }

// Stop ends the process and waits for its end. Another call does nothing.
func (p *Process) Stop() error {
	p.in.Close()
	return p.wait()
}

func (p *Process) wait() error {
	if p.command.ProcessState != nil {
		return nil
	}
	late := time.AfterFunc(endTime, func() { p.command.Process.Kill() })
	defer late.Stop()
	err := p.command.Wait()
	if text := p.errors.String(); err != nil && text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// Tail keeps the end of the output of a process.
type Tail struct {
	mu   sync.Mutex
	text []byte
}

const tailLength = 2000

// Write implements [io.Writer].
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-tailLength):]
	return len(b), nil
}

// String returns the output that is kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
