package main

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

const preface = `# RFC 9293, requirement by requirement

Written by ` + "`go run ./scripts/rfc9293`" + ` from scripts/rfc9293/labels.txt and from the tests, which name in a comment
("Shows: MUST-4.") the requirements they show. Do not edit. CI fails if a MUST or SHLD has neither a test nor a reason,
if a test names a requirement that does not exist, and if this file is out of date.

The numbers are those of RFC 9293's appendix B; the texts are paraphrases. A test counts for a requirement only if breaking
the behaviour makes the test fail. For those in the last table this has been tried.

`

var headings = map[string]string{
	"MUST": "MUST and MUST NOT", "SHLD": "SHOULD and SHOULD NOT", "MAY": "MAY", "REC": "RECOMMENDED",
}

// write returns the table of requirements after connect.
func write(labels []*label) []byte {
	var b bytes.Buffer
	b.WriteString(preface)
	b.WriteString("| | shown | waived, with the reason | neither |\n|---|--:|--:|--:|\n")
	for _, k := range kinds {
		shown, waived, neither := 0, 0, 0
		for _, l := range labels {
			switch {
			case l.kind() != k.name:
			case len(l.tests) > 0:
				shown++
			case l.waived != "":
				waived++
			default:
				neither++
			}
		}
		fmt.Fprintf(&b, "| %s (%d) | %d | %d | %d |\n", k.name, k.last, shown, waived, neither)
	}
	for _, k := range kinds {
		fmt.Fprintf(&b, "\n## %s\n\n| | section | requirement | shown by |\n|---|---|---|---|\n", headings[k.name])
		for _, l := range labels {
			if l.kind() == k.name {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", l.name, l.section, l.meaning, l.shownBy())
			}
		}
	}
	b.WriteString(decisions)
	b.WriteString("\n## Proven\n\nEach of these behaviours was broken on purpose, and the test failed.\n\n| | test | change that made it fail |\n|---|---|---|\n")
	for _, l := range labels {
		for _, p := range l.proofs {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", l.name, p.test, p.broken)
		}
	}
	return b.Bytes()
}

// shownBy returns the last column: links to the tests, or the reason for having none.
func (l *label) shownBy() string {
	if len(l.tests) == 0 {
		if l.waived == "" {
			return "–"
		}
		return "*" + l.waived + "*"
	}
	var links []string
	for _, t := range l.tests {
		target, _ := filepath.Rel(path.Dir(tableFile), t.file)
		name := t.name
		if path.Ext(name) == ".pkt" {
			name = strings.TrimSuffix(path.Base(path.Dir(name))+"/"+path.Base(name), ".pkt")
		}
		links = append(links, fmt.Sprintf("[%s](%s)", name, filepath.ToSlash(target)))
	}
	return strings.Join(links, ", ")
}
