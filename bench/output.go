//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"minitcp/bench/report"
)

// readme is the file, from the top of the repository, that -markdown puts tables into: each between marks with its
// name.
const (
	readme        = "bench/README.md"
	tableName     = "bench"
	growthName    = "growth"
	linksName     = "links"
	memoryName    = "memory"
	daemonName    = "daemon"
	wireguardName = "wireguard"
	forwardName   = "forward"
	floodName     = "flood"
	greedyName    = "greedy"
	emulatedName  = "emulated"
)

// results are the outcome of a run.
type results struct {
	Environment environment     `json:"environment"`
	Settings    settings        `json:"settings"`
	Rows        []report.Row    `json:"rows"`
	Samples     []report.Sample `json:"samples"`
	Notes       []string        `json:"notes,omitempty"` // targets that are left out
	plan        *plan
	what        *catalogue
}

type settings struct {
	Rounds      int     `json:"rounds"`
	Duration    float64 `json:"duration"` // seconds
	Warmup      float64 `json:"warmup"`   // seconds
	Connections int     `json:"connections"`
}

// write writes the results as a table or as JSON.
func (r *results) write(w io.Writer, asJSON bool) error {
	if asJSON {
		p := r.plan
		r.Settings = settings{p.rounds, p.duration.Seconds(), p.warmup.Seconds(), p.connections}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	if _, err := fmt.Fprintf(w, "%s\n%s\n\n", r.Environment, r.how()); err != nil {
		return err
	}
	return r.what.table(r.Rows).WriteText(w)
}

// fill puts the table into the README.
func (r *results) fill() error {
	return fillTable(r.what.place, r.Environment, r.how(), r.what.table(r.Rows))
}

// how describes the measurements, and names the targets that are left out.
func (r *results) how() string {
	return strings.Join(append([]string{r.plan.String()}, r.Notes...), ". ")
}

func (p *plan) String() string {
	return fmt.Sprintf("%d rounds, %v each after %v, reads of up to %d bytes, %d idle connections", p.rounds, p.duration, p.warmup, p.reads, p.connections)
}

// fillReadme puts text into the place of that name; nil only checks that the place exists.
func fillReadme(name string, text []byte) error {
	document, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("-markdown must be run in the top directory of the repository: %w", err)
	}
	filled, err := report.Fill(document, name, text)
	if err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	if text == nil {
		return nil
	}
	return os.WriteFile(readme, filled, 0o644)
}
