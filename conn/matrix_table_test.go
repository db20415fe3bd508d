package conn

import (
	"fmt"
	"io"
	"strings"
)

// row is a set of cells with one outcome: a set of indices for each of the four dimensions.
type row struct {
	in      [4][]int // nil: all
	outcome string
}

// tabulate calls f for every combination and returns the results in as few rows as possible. A row reads from left to
// right: for these flags, at this place, with that much data, acknowledging this.
func tabulate(flags, places, data, acks int, f func(flags, place, data, ack int) string) []row {
	return merge(flags, 0, func(a int) []row {
		return merge(places, 1, func(b int) []row {
			return merge(data, 2, func(c int) []row {
				return merge(acks, 3, func(d int) []row { return []row{{outcome: f(a, b, c, d)}} })
			})
		})
	})
}

// merge makes one table of n tables, one for each index of a dimension. Indices with the same table share its rows.
func merge(n, question int, table func(int) []row) []row {
	var keys []string
	var tables [][]row
	var answers [][]int
	for i := range n {
		rows := table(i)
		key := fmt.Sprint(rows)
		found := false
		for j := range keys {
			if keys[j] == key {
				answers[j] = append(answers[j], i)
				found = true
			}
		}
		if !found {
			keys, tables, answers = append(keys, key), append(tables, rows), append(answers, []int{i})
		}
	}
	var out []row
	for j, rows := range tables {
		for _, r := range rows {
			if len(answers[j]) < n {
				r.in[question] = answers[j]
			}
			out = append(out, r)
		}
	}
	return out
}

var matrixColumns = [4]int{24, 21, 4, 27}

// writeRows writes the rows without the entries that are the same as in the row above.
func writeRows(w io.Writer, rows []row, names [4]func(int) string) {
	fmt.Fprintf(w, "  %-*s %-*s %-*s %-*s   %-46s %-12s %-15s %s\n", matrixColumns[0], "flags", matrixColumns[1], "begins",
		matrixColumns[2], "data", matrixColumns[3], "acknowledges", "is answered by", "state", "verdict", "and")
	above := [4]string{}
	for _, r := range rows {
		var line strings.Builder
		line.WriteString(" ")
		same := true
		for q, answers := range r.in {
			text := "any"
			if answers != nil {
				parts := make([]string, len(answers))
				for i, a := range answers {
					parts[i] = names[q](a)
				}
				text = strings.Join(parts, " ")
				if q == 0 {
					text = strings.Join(parts, "  ")
				}
			}
			same = same && text == above[q]
			if same && q < 3 {
				text, above[q] = "", text
			} else {
				above[q] = text
			}
			fmt.Fprintf(&line, " %-*s", matrixColumns[q], text)
			if len(text) > matrixColumns[q] { // too long: continued on the next line
				fmt.Fprintf(&line, "\n%*s", 2+sum(matrixColumns[:q+1])+q, "")
			}
		}
		fmt.Fprintf(w, "%s %s\n", line.String(), r.outcome)
	}
}

func sum(n []int) (total int) {
	for _, x := range n {
		total += x
	}
	return total
}
