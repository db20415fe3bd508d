package main

import (
	"fmt"
	"regexp"
	"strings"
)

// label is a requirement of RFC 9293.
type label struct {
	name    string // MUST-4
	section string
	meaning string // paraphrase
	waived  string // reason for having no test
	proofs  []proof
	tests   []*test
}

// proof is a record that a test failed when the behaviour was broken on purpose.
type proof struct {
	test   string // as in test.name
	broken string // the change that made it fail
}

// kinds lists the kinds of requirements and their numbers [RFC 9293 appendix B].
var kinds = []struct {
	name    string
	last    int
	demands bool // must be shown, or waived
}{{"MUST", 69, true}, {"SHLD", 31, true}, {"MAY", 18, false}, {"REC", 1, false}}

// labelName is a requirement's name.
const labelName = `(?:MUST|SHLD|MAY|REC)-[0-9]+`

var (
	labelLine = regexp.MustCompile(`^(` + labelName + `) +([0-9.]+(?:, [0-9.]+)*) +(.+)$`)
	proofLine = regexp.MustCompile(`^(\S+): (.+)$`)
)

// parseLabels reads labels.txt:
//
//	MUST-4 3.1  The requirement.
//		waived: reason for having no test
//		proven: conn.TestX: change that made it fail
//
// Empty lines and those that begin with # are skipped. Every requirement of kinds must be present, in their order.
func parseLabels(text string) ([]*label, error) {
	var labels []*label
	for i, line := range strings.Split(text, "\n") {
		fail := func(why string) error { return fmt.Errorf("%s:%d: %s: %q", labelsFile, i+1, why, line) }
		if line == "" || line[0] == '#' {
			continue
		}
		if m := labelLine.FindStringSubmatch(line); m != nil {
			labels = append(labels, &label{name: m[1], section: m[2], meaning: m[3]})
			continue
		}
		rest, indented := strings.CutPrefix(line, "\t")
		if !indented || len(labels) == 0 {
			return nil, fail("neither a requirement nor a line about one")
		}
		l := labels[len(labels)-1]
		if why, ok := strings.CutPrefix(rest, "waived: "); ok {
			if l.waived != "" {
				return nil, fail("waived twice")
			}
			l.waived = why
			continue
		}
		proven, ok := strings.CutPrefix(rest, "proven: ")
		m := proofLine.FindStringSubmatch(proven)
		if !ok || m == nil {
			return nil, fail("neither waived nor proven")
		}
		l.proofs = append(l.proofs, proof{test: m[1], broken: m[2]})
	}
	i := 0
	for _, k := range kinds {
		for n := 1; n <= k.last; n++ {
			want := fmt.Sprintf("%s-%d", k.name, n)
			if i >= len(labels) || labels[i].name != want {
				return nil, fmt.Errorf("%s: %s is missing, or not in its place", labelsFile, want)
			}
			i++
		}
	}
	if i < len(labels) {
		return nil, fmt.Errorf("%s: RFC 9293 has no %s", labelsFile, labels[i].name)
	}
	return labels, nil
}

// connect assigns to every requirement the tests that show it. It fails if a test names a requirement that does not
// exist, if a proof names a test that does not show the requirement, and if a requirement is both shown and waived.
func connect(labels []*label, tests []*test) error {
	byName := make(map[string]*label)
	for _, l := range labels {
		byName[l.name] = l
	}
	for _, t := range tests {
		for _, name := range t.shows {
			l := byName[name]
			if l == nil {
				return fmt.Errorf("%s: %s shows %s, and RFC 9293 has no such requirement", t.file, t.name, name)
			}
			l.tests = append(l.tests, t)
		}
	}
	for _, l := range labels {
		if l.waived != "" && len(l.tests) > 0 {
			return fmt.Errorf("%s: %s is waived, and %s shows it", labelsFile, l.name, l.tests[0].name)
		}
		for _, p := range l.proofs {
			shown := false
			for _, t := range l.tests {
				shown = shown || t.name == p.test
			}
			if !shown {
				return fmt.Errorf("%s: %s is proven by %s, which does not exist or does not name it in a Shows comment",
					labelsFile, l.name, p.test)
			}
		}
	}
	return nil
}

// missing returns an error that names every demanded requirement with neither test nor reason.
func missing(labels []*label) error {
	var names []string
	for _, l := range labels {
		if l.demanded() && len(l.tests) == 0 && l.waived == "" {
			names = append(names, l.name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("neither shown by a test nor waived with a reason: %s", strings.Join(names, ", "))
	}
	return nil
}

func (l *label) kind() string {
	kind, _, _ := strings.Cut(l.name, "-")
	return kind
}

func (l *label) demanded() bool {
	for _, k := range kinds {
		if k.name == l.kind() {
			return k.demands
		}
	}
	return false
}
