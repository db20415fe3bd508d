package script

import "fmt"

// Outcome is the outcome of a script.
type Outcome uint8

const (
	Passed Outcome = iota
	Failed
	Unsupported
)

func (o Outcome) String() string {
	switch o {
	case Passed:
		return "passed"
	case Failed:
		return "failed"
	}
	return "unsupported"
}

// Result is the outcome of a script with its reason.
type Result struct {
	Outcome Outcome
	Line    int    // line of the failure, from 1
	Reason  string // "" for a script that passed
	// Expected and Seen describe the expected and the actual event. They are "" if the failure is of another kind.
	Expected, Seen string
	// Tail is the log of the last events before a failure.
	Tail []string
}

// Run parses and runs a script.
func Run(text string) Result { return RunOn(text, Host{}) }

// RunOn parses and runs a script for a host.
func RunOn(text string, host Host) Result {
	s, err := ParseFor(text, host)
	if err != nil {
		return Result{Outcome: Unsupported, Line: err.Line, Reason: err.Reason}
	}
	return s.Run()
}

func (r *Result) String() string {
	if r.Outcome == Passed {
		return "passed"
	}
	s := fmt.Sprintf("%v: line %d: %s", r.Outcome, r.Line, r.Reason)
	if r.Expected != "" || r.Seen != "" {
		s += fmt.Sprintf("\n\texpected  %s\n\tseen      %s", r.Expected, r.Seen)
	}
	if len(r.Tail) > 0 {
		s += "\n\tthe last events:"
		for _, line := range r.Tail {
			s += "\n\t| " + line
		}
	}
	return s
}
