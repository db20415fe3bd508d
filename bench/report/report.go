// Package report turns measurements into medians, ratios and tables. It measures nothing.
//
//	statistics   medians and quartiles
//	report       from samples to rows
//	table        rows as aligned text, as Markdown, as JSON;  place: a table inside a document
package report

import "slices"

// Sample is one measurement.
type Sample struct {
	Workload string  `json:"workload"`
	Target   string  `json:"target"`
	Round    int     `json:"round"`
	Value    float64 `json:"value"`           // in the workload's unit
	CPU      float64 `json:"cpu"`             // of the process under test, in the workload's CPU unit
	BothCPU  float64 `json:"bothCPU"`         // of the client as well
	Error    string  `json:"error,omitempty"` // what went wrong; then the others are 0
}

// Workload is what a row's figures mean.
type Workload struct {
	Name    string
	Unit    string
	CPUUnit string // "": CPU time means nothing here
	// Against are those of the References it makes sense to compare with.
	Against []string
}

// References are the targets that others are compared with: the columns of ratios.
var References = []string{Floor, Shipped, Best, Kernel}

// The names of the References.
const Floor, Shipped, Best, Kernel = "floor", "gvisor-shipped", "gvisor-best", "kernel"

// Row is a target's result in a workload.
type Row struct {
	Workload string  `json:"workload"`
	Target   string  `json:"target"`
	Unit     string  `json:"unit"`
	Value    Summary `json:"value"`
	CPUUnit  string  `json:"cpuUnit,omitempty"`
	CPU      float64 `json:"cpu"`     // median
	BothCPU  float64 `json:"bothCPU"` // median
	// Ratios are the median by that of each of the References; those that were not measured are not there.
	Ratios map[string]float64 `json:"ratios"`
	Error  string             `json:"error,omitempty"` // the first
}

// Rows summarizes samples, by workload and target in the given orders. What has no sample has no row.
func Rows(samples []Sample, workloads []Workload, targets []string) (rows []Row) {
	for _, w := range workloads {
		first := len(rows)
		for _, t := range targets {
			if r, ok := row(samples, w, t); ok {
				rows = append(rows, r)
			}
		}
		compare(rows[first:], w.Against)
	}
	return rows
}

func row(samples []Sample, w Workload, target string) (r Row, ok bool) {
	var value, cpu, both []float64
	r = Row{Workload: w.Name, Target: target, Unit: w.Unit, CPUUnit: w.CPUUnit, Ratios: make(map[string]float64)}
	for _, s := range samples {
		if s.Workload != w.Name || s.Target != target {
			continue
		}
		ok = true
		if s.Error != "" {
			if r.Error == "" {
				r.Error = s.Error
			}
			continue
		}
		value, cpu, both = append(value, s.Value), append(cpu, s.CPU), append(both, s.BothCPU)
	}
	r.Value = Summarize(value)
	if w.CPUUnit != "" {
		r.CPU, r.BothCPU = Summarize(cpu).Median, Summarize(both).Median
	}
	return r, ok
}

// compare fills in the ratios of one workload's rows.
func compare(rows []Row, against []string) {
	for _, name := range against {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Target == name && r.Value.N > 0 })
		if i < 0 {
			continue
		}
		for j := range rows {
			if ratio := Ratio(rows[j].Value.Median, rows[i].Value.Median); ratio > 0 {
				rows[j].Ratios[name] = ratio
			}
		}
	}
}
