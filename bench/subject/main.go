//go:build linux

package subject

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"

	"minitcp/bench/pattern"
)

// Command is the first argument of a process under test. It is internal to this program.
const Command = "subject"

// The requests of the parent, one line each. The reply to each is one line of JSON.
const (
	sayUsage    = "usage"
	sayMemory   = "memory"
	sayProfile  = "profile"  // and the name of a file
	sayProfiled = "profiled" // and the name of a file
	sayWatch    = "watch"    // begins to observe how sinks share
	sayWatched  = "watched"  // ends that
	sayRun      = "run"      // runs a command that does nothing
	done        = "{}"
)

// MaxReads is the maximum number of bytes that a sink reads at once.
const MaxReads = pattern.Period

// Main is the main function of the process under test, given the name of its target, a [pattern.Care], and the number
// of bytes that its sinks read at once. It returns the exit status.
func Main(arguments []string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP) // sent by the terminal; the parent closes the pipe instead
	if len(arguments) != 3 {
		fmt.Fprintln(os.Stderr, "the arguments must be the name of a target, a care and a number of bytes")
		return 2
	}
	name, mtu := cutMTU(arguments[0])
	target, ok := Find(name)
	if !ok {
		fmt.Fprintf(os.Stderr, "there is no target %q\n", arguments[0])
		return 2
	}
	care, err := pattern.ParseCare(arguments[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	reads, err := strconv.Atoi(arguments[2])
	if err != nil || reads < 1 || reads > MaxReads {
		fmt.Fprintf(os.Stderr, "%q is no number of bytes from 1 to %d\n", arguments[2], MaxReads)
		return 2
	}
	s := &services{care: care, reads: reads, mtu: mtu}
	if err := target.start(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ready, err := marshal(readiness{s.child, s.inside, s.ready})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(ready)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := s.answer(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(answer)
	}
	return 0 // the kernel removes the device with the process
}

func (s *services) answer(line string) (string, error) {
	verb, argument, _ := strings.Cut(line, " ")
	switch verb {
	case sayUsage:
		return marshal(s.usage())
	case sayMemory:
		m, err := OwnMemory()
		if s.child != 0 {
			m, err = childMemory(s.child)
		}
		if err != nil {
			return "", err
		}
		if s.counted != nil {
			m.Counted = s.counted()
		}
		return marshal(m)
	case sayRun:
		took, err := s.runTrue()
		if err != nil {
			return "", err
		}
		return marshal(took)
	case sayWatch:
		s.watch = s.flows.Watch()
		return done, nil
	case sayWatched:
		if s.watch == nil {
			return "", fmt.Errorf("%q comes before %q", line, sayWatch)
		}
		return marshal(s.watch.Stop())
	case sayProfile:
		f, err := os.Create(argument)
		if err != nil {
			return "", err
		}
		return done, pprof.StartCPUProfile(f)
	case sayProfiled:
		pprof.StopCPUProfile()
		return done, writeAllocations(argument)
	}
	return "", fmt.Errorf("%q is no request to a target", line)
}

// writeAllocations writes the profile of all allocations so far.
func writeAllocations(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
