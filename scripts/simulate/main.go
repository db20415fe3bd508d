// Command simulate plays scenarios of conn/conntest: connections over links that do all that links do, in virtual time,
// each drawn from a seed.
//
//	go run ./scripts/simulate                  10,000 of them
//	go run ./scripts/simulate --seeds 1000000 --from 10000
//	go run ./scripts/simulate --replay 42      one of them as a ladder, seen from the end that dials
//
// For each that breaks a rule it prints the rule, the scenario, and how to see it again. The exit status is 0 if none did,
// 1 if one did, 2 if it was called wrongly.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"minitcp/conn/conntest"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := pflag.NewFlagSet("simulate", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	seeds := flags.Uint64("seeds", 10_000, "how many scenarios")
	from := flags.Uint64("from", 0, "the first one's seed")
	replay := flags.Uint64("replay", 0, "draw the ladder of one seed")
	for _, err := range []error{flags.Parse(args), noArguments(flags.Args())} {
		if err == pflag.ErrHelp {
			return 0
		}
		if err != nil {
			fmt.Fprintln(stderr, "simulate:", err)
			return 2
		}
	}
	if flags.Changed("replay") {
		return draw(*replay, stdout)
	}
	began := time.Now()
	failed := playAll(*from, *seeds, func(s conntest.Scenario) error { return s.Run(nil) }, stdout)
	fmt.Fprintf(stdout, "%d scenarios, %d of them broke a rule, in %v\n", *seeds, failed, time.Since(began).Round(time.Second))
	return min(failed, 1)
}

func noArguments(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("%q is no flag", rest[0])
	}
	return nil
}

// playAll plays scenarios on all processors, and returns how many broke a rule.
func playAll(from, n uint64, play func(conntest.Scenario) error, w io.Writer) int {
	var (
		taken  atomic.Uint64
		mu     sync.Mutex
		failed int
		all    sync.WaitGroup
	)
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := taken.Add(1); i <= n; i = taken.Add(1) {
				s := conntest.Draw(from + i - 1)
				if err := caught(play, s); err != nil {
					mu.Lock()
					failed++
					fmt.Fprintf(w, "%v\n%v\ngo run ./scripts/simulate --replay %d\n\n", err, s, s.Seed)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return failed
}

// caught plays one. What the others come to is not to be lost when it panics.
func caught(play func(conntest.Scenario) error, s conntest.Scenario) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return play(s)
}
