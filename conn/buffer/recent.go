package buffer

import "minitcp/conn/seq"

// Recent holds the starts of the out-of-order ranges that have changed last, most recent first; 0 for none. It gives
// the order of SACK blocks (RFC 2018 4).
type Recent [4]seq.Offset

// Add records that the range r has changed.
func (last *Recent) Add(r Range) {
	// Remove the entries inside the range, then put it in front.
	kept := Recent{r.Start}
	n := 1
	for _, o := range last {
		if o != 0 && (o < r.Start || o >= r.End) && n < len(kept) {
			kept[n] = o
			n++
		}
	}
	*last = kept
}
