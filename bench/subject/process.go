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
	"strconv"
	"strings"
	"sync"
	"time"

	"minitcp/bench/fairness"
	"minitcp/bench/pattern"
)

const (
	answerTime = 20 * time.Second // that a target may take to begin or to answer
	endTime    = 5 * time.Second  // that it may take to exit
)

// Process is a process under test, seen from its parent.
type Process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errors  Tail
}

// Start runs a target in a child of this program, which must call [Main] for it, and waits until it serves. It is in
// the network namespace of the calling thread. What its sinks get, of 1 to MaxReads octets at once, is compared with care.
func Start(target string, care pattern.Care, reads int) (*Process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.Command(program, Command, target, care.String(), strconv.Itoa(reads))}
	p.command.Stderr = &p.errors
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
	if err := p.read(&struct{}{}); err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not start: %w", target, err), p.Stop())
	}
	return p, nil
}

// Usage asks for what the process has done and used so far. It is an error if something went wrong there.
func (p *Process) Usage() (u Usage, err error) {
	if err := p.ask(sayUsage, &u); err != nil {
		return u, err
	}
	if u.Failure != "" {
		return u, errors.New(u.Failure)
	}
	return u, nil
}

// Memory makes the process collect its garbage and asks what is left.
func (p *Process) Memory() (m Memory, err error) { return m, p.ask(sayMemory, &m) }

// StartProfile makes the process write a CPU profile to a file, until StopProfile.
func (p *Process) StartProfile(file string) error { return p.ask(sayProfile+" "+file, &struct{}{}) }

// StopProfile ends what StartProfile began, and writes to a file what the process has allocated since it began.
func (p *Process) StopProfile(allocations string) error {
	return p.ask(sayProfiled+" "+allocations, &struct{}{})
}

// Watch makes the process observe how its sinks share what they receive, until Watched.
func (p *Process) Watch() error { return p.ask(sayWatch, &struct{}{}) }

// Watched ends what Watch began. Of a target that does not count its sinks' connections, the result has no flows.
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
		return p.explain(fmt.Errorf("no answer within %v", answerTime))
	}
	if err != nil {
		return p.explain(err)
	}
	return json.Unmarshal(line, answer)
}

// explain adds what a process that has ended, or is about to, said last.
func (p *Process) explain(err error) error {
	p.in.Close()
	p.wait()
	if text := p.errors.String(); text != "" {
		return fmt.Errorf("the process under test ended: %s", text)
	}
	return fmt.Errorf("the process under test ended: %w", err)
}

// Kill ends the process at once; it may be called while others wait for an answer. Stop must follow.
func (p *Process) Kill() { p.command.Process.Kill() }

// Stop ends the process, and waits for its end. Stopping again does nothing.
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

// Tail keeps the last of what a process says.
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

// String is that.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
