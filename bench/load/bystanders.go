//go:build linux

package load

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/subject"
)

// Bystanders are idle connections beside those that are measured. Processes of their own hold them, several if the
// limit of open files requires it.
type Bystanders struct{ processes []*bystander }

type bystander struct {
	command *exec.Cmd
	in      io.Closer
	out     *bufio.Reader
	errors  subject.Tail
}

// BystandersCommand is the first argument of such a process. It is internal to this program.
const BystandersCommand = "bystanders"

// otherFiles is the maximum number of open files of a process in addition to its connections.
const otherFiles = 100

// StartBystanders opens a number of connections to the server from the kernel's sockets in a namespace, and returns
// when all are established. They end with ctx.
func StartBystanders(ctx context.Context, where subject.Place, server netip.Addr, connections int) (*Bystanders, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	return startBystanders(ctx, where, server, connections, max(1, int(min(limit.Cur, 1<<20))-otherFiles))
}

// startBystanders starts bystanders as StartBystanders does, with the given limit of connections per process.
func startBystanders(ctx context.Context, where subject.Place, server netip.Addr, connections, each int) (*Bystanders, error) {
	b := &Bystanders{}
	for left := connections; left > 0; left -= each {
		p, err := startBystander(ctx, where, server, min(left, each))
		if err == nil {
			b.processes = append(b.processes, p)
			_, err = p.next() // written when it is ready
		}
		if err != nil {
			b.Stop()
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return nil, err
		}
	}
	return b, nil
}

func startBystander(ctx context.Context, where subject.Place, server netip.Addr, connections int) (*bystander, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &bystander{command: exec.CommandContext(ctx, program, BystandersCommand, server.String(), strconv.Itoa(connections))}
	p.command.Stderr = &p.errors
	return p, where.Do(func() error {
		if p.in, err = p.command.StdinPipe(); err != nil {
			return err
		}
		out, err := p.command.StdoutPipe()
		if err != nil {
			return err
		}
		p.out = bufio.NewReader(out)
		return p.command.Start()
	})
}

// next returns the next line that the process writes.
func (p *bystander) next() (t Total, err error) {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.wait() // so that all of its errors have been read
		return t, fmt.Errorf("idle connections: their process ended: %s", p.errors.String())
	}
	return t, json.Unmarshal(line, &t)
}

// wait waits for the end of the process, and makes it end.
func (p *bystander) wait() error {
	p.in.Close()
	if p.command.ProcessState != nil {
		return nil
	}
	return p.command.Wait()
}

// Stop ends the connections and waits for their end.
func (b *Bystanders) Stop() (total Total, err error) {
	for _, p := range b.processes {
		p.in.Close()
	}
	for _, p := range b.processes {
		t, sayErr := p.next()
		total = total.Add(t)
		err = errors.Join(err, sayErr, p.wait())
	}
	b.processes = nil
	return total, err
}

// BystandersMain is the main function of a process with idle connections, given an address and a number. It returns
// the exit status.
func BystandersMain(arguments []string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP) // sent by the terminal; the parent closes the pipe instead
	if err := bystanders(arguments); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func bystanders(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("the arguments must be an address and a number of connections")
	}
	server, err := netip.ParseAddr(arguments[0])
	if err != nil {
		return err
	}
	connections, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	crew := Start(Idle, subject.Here{}, server, connections, pattern.Sampled)
	out := json.NewEncoder(os.Stdout)
	if err := crew.Ready(); err == nil {
		out.Encode(Total{})
		io.Copy(io.Discard, os.Stdin) // until the parent closes its end of the pipe, or exits
	}
	total, err := crew.Stop()
	if err == nil {
		err = out.Encode(total)
	}
	return err
}
