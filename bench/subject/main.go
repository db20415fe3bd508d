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

// Command is the first argument of a process under test. It is not for people.
const Command = "subject"

// What the parent says, one line each. Every line is answered with one line of JSON.
const (
	sayUsage    = "usage"
	sayMemory   = "memory"
	sayProfile  = "profile"  // and a file's name
	sayProfiled = "profiled" // and another's
	sayWatch    = "watch"    // how sinks share, until
	sayWatched  = "watched"  // this
	done        = "{}"
)

// MaxReads is the most octets a target's sink reads at once.
const MaxReads = pattern.Period

// Main is the process under test, given the name of its target, a [pattern.Care], and how many octets its sinks read at
// once. It returns the exit status.
func Main(arguments []string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP) // the terminal's; the parent closes the pipe when it is time
	if len(arguments) != 3 {
		fmt.Fprintln(os.Stderr, "the name of a target, a care and a number of octets are wanted")
		return 2
	}
	target, ok := Find(arguments[0])
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
		fmt.Fprintf(os.Stderr, "%q is no number of octets from 1 to %d\n", arguments[2], MaxReads)
		return 2
	}
	s := &services{care: care, reads: reads}
	if err := target.start(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(done) // ready
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := s.answer(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(answer)
	}
	return 0 // and the device is gone with the process
}

func (s *services) answer(line string) (string, error) {
	verb, argument, _ := strings.Cut(line, " ")
	switch verb {
	case sayUsage:
		return marshal(s.usage())
	case sayMemory:
		m, err := OwnMemory()
		if err != nil {
			return "", err
		}
		return marshal(m)
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
	return "", fmt.Errorf("%q is nothing one can ask a target", line)
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
