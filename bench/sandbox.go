//go:build linux

package main

import (
	"slices"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// sandboxes is the catalogue for programs that connect a namespace with the one that they run in.
var sandboxes = &catalogue{
	command: "run",
	workloads: append(slices.Clone(programWorkloads),
		workload{name: trueName, summary: "from the start of the program with the command true to its end", starts: commandStart, connections: 1}),
	all:      subject.Sandboxes,
	reads:    subject.MaxReads,
	idle:     1000,
	defaults: programDefaults,
	table: func(rows []report.Row) *report.Table {
		return programTable(rows, subject.Pasta, func(string) string { return subject.Pasta })
	},
	aim:     func(rows []report.Row, _ []*workload) { aimAt(rows, sandboxAims) },
	place:   "run",
	prepare: buildPrograms("minitcp"),
}

var sandboxAims = []wish{
	{bulkRows, "minitcp-run", subject.Pasta, 1, true},
	{bulkRows, "minitcp-run", subject.Slirp, 3, true},
	{[]string{trueName}, "minitcp-run", "", 60, false}, // ms
}
