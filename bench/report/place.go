package report

import (
	"bytes"
	"fmt"
)

// The marks between which a document has its table. They do not show in Markdown.
var (
	placeBegin = []byte("<!-- bench: begin -->\n")
	placeEnd   = []byte("<!-- bench: end -->\n")
)

// Fill returns the document with text between its marks, in place of what was there. Each mark is there once, on a line
// of its own.
func Fill(document, text []byte) ([]byte, error) {
	for _, mark := range [][]byte{placeBegin, placeEnd} {
		if n := bytes.Count(document, mark); n != 1 {
			return nil, fmt.Errorf("the mark %q is there %d times, not once", bytes.TrimSpace(mark), n)
		}
	}
	before, rest, _ := bytes.Cut(document, placeBegin)
	_, after, found := bytes.Cut(rest, placeEnd)
	if !found {
		return nil, fmt.Errorf("the mark %q is before %q", bytes.TrimSpace(placeEnd), bytes.TrimSpace(placeBegin))
	}
	return bytes.Join([][]byte{before, placeBegin, text, placeEnd, after}, nil), nil
}
