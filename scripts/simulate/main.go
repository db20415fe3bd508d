// Command simulate plays scenarios of conn/conntest in virtual time. Each is drawn from a seed: connections over links
// that delay, reorder, lose, duplicate and damage packets. Some have odd or hostile peers, a third party that injects
// segments, hundreds of holes in a window, a path MTU that shrinks, an application that closes early or aborts, or an
// end that reboots. Devices that fail are a test of package stack, TestFailingDevices.
//
//	go run ./scripts/simulate                  10,000 scenarios
//	go run ./scripts/simulate --seeds 1000000 --from 10000
//	go run ./scripts/simulate --cookies        listeners keep no handshakes: they reply with SYN cookies
//	go run ./scripts/simulate --gvisor         one end of every connection is gVisor's netstack
//	go run ./scripts/simulate --replay 42      one scenario as a ladder, seen from the end that dials
//
// For each scenario that breaks a rule it prints the rule, the scenario, and the command that replays it. It writes the
// ladders and the packets of the first ten to a new directory, or to that of --record. The exit status is 0 if no rule
// was broken, 1 if one was, 2 if the arguments are wrong.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"minitcp/conn/conntest"
	"minitcp/scripts/netstack"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := pflag.NewFlagSet("simulate", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	seeds := flags.Uint64("seeds", 10_000, "number of scenarios")
	from := flags.Uint64("from", 0, "seed of the first scenario")
	replay := flags.Uint64("replay", 0, "draw the ladder of this seed's scenario")
	cookies := flags.Bool("cookies", false, "listeners keep no handshakes: they reply with SYN cookies")
	gvisor := flags.Bool("gvisor", false, "one end of every connection is gVisor's netstack")
	dir := flags.String("record", "", "`DIRECTORY` for the ladders and packets of failed scenarios (default a new one)")
	for _, err := range []error{flags.Parse(args), noArguments(flags.Args())} {
		if err == pflag.ErrHelp {
			return 0
		}
		if err != nil {
			fmt.Fprintln(stderr, "simulate:", err)
			return 2
		}
	}
	var excuses excuses
	scenario := func(seed uint64) conntest.Scenario {
		s := conntest.Draw(seed)
		if *gvisor {
			s = netstack.Draw(seed)
			s.Peer.Excuse = excuses.count(s.Peer.Excuse)
		}
		s.Cookies = *cookies
		return s
	}
	if flags.Changed("replay") {
		return draw(scenario(*replay), stdout)
	}
	debug.SetGCPercent(gcPercent)
	began := time.Now()
	records := &recorder{dir: *dir, left: maxRecords}
	play := func(s conntest.Scenario) (int, error) { return s.Run(nil) }
	packets, failed := playAll(*from, *seeds, scenario, play, records, stdout)
	fmt.Fprintf(stdout, "%d scenarios, %d of them broke a rule, %d packets, in %v\n", *seeds, failed, packets, time.Since(began).Round(time.Second))
	excuses.print(stdout)
	return min(failed, 1)
}

// gcPercent is the growth of the heap between two collections, in percent. A scenario has a few megabytes, most of them
// garbage soon after.
const gcPercent = 800

func noArguments(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	return nil
}

// playFunc plays a scenario, and returns the number of packets sent and the broken rule.
type playFunc func(conntest.Scenario) (packets int, err error)

// playAll plays scenarios on all processors. It returns the number of packets sent, and that of the scenarios that
// broke a rule.
func playAll(from, n uint64, draw func(seed uint64) conntest.Scenario, play playFunc, r *recorder, w io.Writer) (packets int64, failed int) {
	var (
		taken atomic.Uint64
		sent  atomic.Int64
		mu    sync.Mutex
		all   sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := taken.Add(1); i <= n; i = taken.Add(1) {
				s := draw(from + i - 1)
				n, err := caught(play, s)
				sent.Add(int64(n))
				if err != nil {
					mu.Lock()
					failed++
					fmt.Fprintf(w, "%v\n%v\ngo run ./scripts/simulate%s --replay %d\n%s\n", err, s, mode(s), s.Seed, r.record(s))
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return sent.Load(), failed
}

// mode returns the flags of the scenario's command in addition to the seed.
func mode(s conntest.Scenario) (flags string) {
	if s.Peer.Of != "" {
		flags = " --gvisor"
	}
	if s.Cookies {
		flags += " --cookies"
	}
	return flags
}

// caught plays a scenario and returns a panic as an error, so that the results of the others are not lost.
func caught(play playFunc, s conntest.Scenario) (packets int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return play(s)
}

// excuses counts the known faults of the other implementation by which broken rules were excused.
type excuses struct {
	mu     sync.Mutex
	counts map[string]int
}

// count returns excuse with the results counted.
func (e *excuses) count(excuse func(*conntest.Pair, error) string) func(*conntest.Pair, error) string {
	return func(p *conntest.Pair, broken error) string {
		reason := excuse(p, broken)
		if reason != "" {
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.counts == nil {
				e.counts = make(map[string]int)
			}
			e.counts[reason]++
		}
		return reason
	}
}

// print writes the counts, in the order of the reasons.
func (e *excuses) print(w io.Writer) {
	for _, reason := range slices.Sorted(maps.Keys(e.counts)) {
		fmt.Fprintf(w, "%d excused: %s\n", e.counts[reason], reason)
	}
}
