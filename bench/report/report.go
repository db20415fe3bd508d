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
	Value    float64 `json:"value"`   // in the unit of the workload
	CPU      float64 `json:"cpu"`     // of the process under test, in the CPU unit of the workload
	BothCPU  float64 `json:"bothCPU"` // of the process under test and the client
	// Latency is the distribution of the time of a transaction, nil for bulk and memory.
	Latency *Latency `json:"latency,omitempty"`
	// Fairness is nil if it was not observed.
	Fairness *Fairness `json:"fairness,omitempty"`
	Error    string    `json:"error,omitempty"` // reason of a failure; all figures are 0 then
}

// Fairness describes how connections shared the data that they received together.
type Fairness struct {
	Jain  float64 `json:"jain"`  // index of windows of 100 ms
	Pause float64 `json:"pause"` // microseconds in which one of them received nothing, at the longest
}

// Latency is the distribution of the time of a transaction, in microseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Workload describes the figures of a row.
type Workload struct {
	Name    string
	Unit    string
	CPUUnit string // "" if CPU time has no meaning
	// Against are the References that a comparison makes sense with.
	Against []string
}

// References are the targets that others are compared with, each in a column of ratios.
var References = []string{Floor, Shipped, Best, Kernel}

// Ours is the target that has aims, and the others are the References.
const Ours, Floor, Shipped, Best, Kernel = "minitcp", "floor", "gvisor-shipped", "gvisor-best", "kernel"

// Row is a target's result in a workload.
type Row struct {
	Workload string  `json:"workload"`
	Target   string  `json:"target"`
	Unit     string  `json:"unit"`
	Value    Summary `json:"value"`
	CPUUnit  string  `json:"cpuUnit,omitempty"`
	CPU      float64 `json:"cpu"`     // median
	BothCPU  float64 `json:"bothCPU"` // median
	// Latency has the median of the rounds' P50 and P99, and the largest Max.
	Latency *Latency `json:"latency,omitempty"`
	// Fairness has the median of the rounds' Jain, and the longest Pause.
	Fairness *Fairness `json:"fairness,omitempty"`
	Aims     []Aim     `json:"aims,omitempty"`
	// Ratios are the median divided by that of each of the References, without those that were not measured.
	Ratios map[string]float64 `json:"ratios"`
	Error  string             `json:"error,omitempty"` // first error
}

// Rows summarizes samples by workload and target, in the given orders. There is no row without a sample.
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
	var latencies []Latency
	var fairness []Fairness
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
		if s.Latency != nil {
			latencies = append(latencies, *s.Latency)
		}
		if s.Fairness != nil {
			fairness = append(fairness, *s.Fairness)
		}
	}
	r.Latency, r.Fairness = summarizeLatency(latencies), summarizeFairness(fairness)
	r.Value = Summarize(value)
	if w.CPUUnit != "" {
		r.CPU, r.BothCPU = Summarize(cpu).Median, Summarize(both).Median
	}
	return r, ok
}

// summarizeLatency returns the median of P50 and of P99, and the largest Max; nil if there are none.
func summarizeLatency(all []Latency) *Latency {
	if len(all) == 0 {
		return nil
	}
	var p50, p99 []float64
	l := new(Latency)
	for _, a := range all {
		p50, p99, l.Max = append(p50, a.P50), append(p99, a.P99), max(l.Max, a.Max)
	}
	l.P50, l.P99 = Summarize(p50).Median, Summarize(p99).Median
	return l
}

// summarizeFairness returns the median of Jain's index, and the longest pause; nil if there are none.
func summarizeFairness(all []Fairness) *Fairness {
	if len(all) == 0 {
		return nil
	}
	var jain []float64
	f := new(Fairness)
	for _, a := range all {
		jain, f.Pause = append(jain, a.Jain), max(f.Pause, a.Pause)
	}
	f.Jain = Summarize(jain).Median
	return f
}

// compare sets the ratios of the rows of one workload.
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
