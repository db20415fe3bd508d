//go:build linux

package main

import (
	"slices"

	"minitcp/bench/report"
	"minitcp/bench/subject"
)

// observed is the catalogue for the cost of watching minitcp gateway.
var observed = &catalogue{
	command: "observed",
	workloads: slices.DeleteFunc(slices.Clone(programWorkloads), func(w workload) bool {
		return !slices.Contains(bulkRows, w.name) && w.name != "rr"
	}),
	all:      subject.Observed,
	reads:    subject.MaxReads,
	idle:     1000,
	defaults: programDefaults,
	table: func(rows []report.Row) *report.Table {
		return programTable(rows, subject.Unobserved, func(string) string { return subject.Unobserved })
	},
	aim:     func(rows []report.Row, _ []*workload) { aimAt(rows, observedAims) },
	place:   "observed",
	prepare: buildPrograms("minitcp"),
}

var observedAims = []wish{
	{bulkRows, subject.Viewed, subject.Unobserved, 0.95, true},
	{bulkRows, subject.Traced, subject.Unobserved, 0.9, true},
}
