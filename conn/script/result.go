package script

import "fmt"

// Outcome is how a script ended.
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

// Result is how a script ended, and why.
type Result struct {
	Outcome Outcome
	Line    int    // where it did not pass
	Reason  string // "" when it passed
	// Expected and Seen are what the script says and what happened instead, where that can be put like this.
	Expected, Seen string
	// Tail is the last of what happened before a failure, a line each.
	Tail []string
}

// Run reads and runs a script.
func Run(text string) Result {
	s, err := Parse(text)
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
		s += "\n\tThe end of the exchange:"
		for _, line := range r.Tail {
			s += "\n\t| " + line
		}
	}
	return s
}
