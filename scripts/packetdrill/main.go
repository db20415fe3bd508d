// Command packetdrill runs scripts in packetdrill's language against minitcp's TCP, in process and without waiting.
//
//	go run ./scripts/packetdrill [-expected FILE] [-linux] [-anypsh] DIR|FILE...
//
// It prints for every file whether it passed, failed, or needs an unsupported feature, with the line number.
// For a directory it runs all files below it whose names end in .pkt. The exit status is 0 if no script failed, 1 if
// a script failed or could not be read, 2 if the arguments are wrong.
//
// The file after -expected lists scripts that are expected to fail, one a line, each with its reason; expected.txt is
// that for the public scripts that this repository does not contain. Such a failure does not count, and a script that
// passes although it is listed counts as failed.
//
// With -linux, every script begins with the defaults of scripts for Linux, as if it called defaults.sh. Some scripts
// rely on an earlier one for that. With -anypsh, the flag PSH of sent segments is not compared.
//
// The documentation of package minitcp/conn/script lists the supported part of the language.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"minitcp/conn/script"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(names []string, stdout, stderr io.Writer) int {
	var expected expectations
	var host script.Host
	flags := flag.NewFlagSet("packetdrill", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintln(stderr, "usage: packetdrill [-expected FILE] [-linux] [-anypsh] DIR|FILE...") }
	flags.Func("expected", "", func(name string) (err error) {
		expected, err = readExpectations(name)
		return err
	})
	flags.BoolVar(&host.Linux, "linux", false, "")
	flags.BoolVar(&host.AnyPush, "anypsh", false, "")
	if flags.Parse(names) != nil {
		return 2
	}
	if names = flags.Args(); len(names) == 0 {
		flags.Usage()
		return 2
	}
	var totals [3]int
	status, foreseen := 0, 0
	for _, name := range names {
		files, err := scriptsIn(name)
		if err != nil {
			fmt.Fprintln(stderr, "packetdrill:", err)
			status = 1
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				fmt.Fprintln(stderr, "packetdrill:", err)
				status = 1
				continue
			}
			result := runScript(string(text), host)
			switch reason := expected.reason(file); {
			case reason == "":
			case result.Outcome == script.Failed:
				fmt.Fprintf(stdout, "%-12s %s: %s\n", "expected", file, reason)
				foreseen++
				continue
			case result.Outcome == script.Passed:
				result = script.Result{Outcome: script.Failed, Line: 1, Reason: "it passes, but is expected to fail: " + reason}
			}
			report(stdout, file, &result)
			totals[result.Outcome]++
		}
	}
	fmt.Fprintf(stdout, "%d passed, %d failed, %d unsupported", totals[script.Passed], totals[script.Failed], totals[script.Unsupported])
	if foreseen > 0 {
		fmt.Fprintf(stdout, ", %d failed as expected", foreseen)
	}
	fmt.Fprintln(stdout)
	if totals[script.Failed] > 0 {
		status = 1
	}
	return status
}

// scriptsIn returns the file itself, or the scripts below a directory.
func scriptsIn(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".pkt") {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// runScript runs a script. A panic, which is a fault of minitcp, counts as a failure of the script.
func runScript(text string, host script.Host) (result script.Result) {
	defer func() {
		if p := recover(); p != nil {
			result = script.Result{Outcome: script.Failed, Line: 1, Reason: fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return script.RunOn(text, host)
}

// report prints a line such as "failed       FILE:12: no segment was sent", and below it the segments concerned.
func report(w io.Writer, file string, r *script.Result) {
	fmt.Fprintf(w, "%-12s %s", r.Outcome, file)
	if r.Outcome != script.Passed {
		fmt.Fprintf(w, ":%d: %s", r.Line, r.Reason)
	}
	fmt.Fprintln(w)
	if r.Expected != "" || r.Seen != "" {
		fmt.Fprintf(w, "\texpected  %s\n\tseen      %s\n", r.Expected, r.Seen)
	}
	for _, line := range r.Tail {
		fmt.Fprintf(w, "\t| %s\n", line)
	}
}
