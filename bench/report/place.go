package report

import (
	"bytes"
	"fmt"
)

// Fill returns the document with text in place of the lines between the marks of that name. Each mark must occur
// once, on a line of its own. Marks are invisible in rendered Markdown.
func Fill(document []byte, name string, text []byte) ([]byte, error) {
	begin, end := mark(name, "begin"), mark(name, "end")
	for _, m := range [][]byte{begin, end} {
		if n := bytes.Count(document, m); n != 1 {
			return nil, fmt.Errorf("the mark %q occurs %d times, not once", bytes.TrimSpace(m), n)
		}
	}
	before, rest, _ := bytes.Cut(document, begin)
	_, after, found := bytes.Cut(rest, end)
	if !found {
		return nil, fmt.Errorf("the mark %q is before %q", bytes.TrimSpace(end), bytes.TrimSpace(begin))
	}
	return bytes.Join([][]byte{before, begin, text, end, after}, nil), nil
}

func mark(name, what string) []byte { return fmt.Appendf(nil, "<!-- %s: %s -->\n", name, what) }
