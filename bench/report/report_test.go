package report

import (
	"encoding/json"
	"strings"
	"testing"
)

var (
	bulk   = Workload{Name: "up", Unit: "Gbit/s", CPUUnit: "s/GB", Against: References}
	memory = Workload{Name: "idle", Unit: "bytes", Against: []string{Best}}
)

var samples = []Sample{
	{Workload: "up", Target: "ours", Round: 0, Value: 20, CPU: 0.3, BothCPU: 0.5, Latency: &Latency{P50: 100, P99: 900, Max: 5000}, Fairness: &Fairness{Jain: 0.5, Pause: 200}},
	{Workload: "up", Target: Floor, Round: 0, Value: 40, CPU: 0.1, BothCPU: 0.25},
	{Workload: "idle", Target: "ours", Round: 0, Value: 2000},
	{Workload: "up", Target: Best, Round: 0, Error: "nothing came"},
	{Workload: "up", Target: "ours", Round: 1, Value: 30, CPU: 0.2, BothCPU: 0.4, Latency: &Latency{P50: 50, P99: 1100, Max: 2e6}, Fairness: &Fairness{Jain: 1, Pause: 100}},
	{Workload: "up", Target: "ours", Round: 2, Error: "broken"},
	{Workload: "up", Target: Floor, Round: 1, Value: 50, CPU: 0.2, BothCPU: 0.35},
	{Workload: "idle", Target: Floor, Round: 0, Value: 50},
	{Workload: "idle", Target: Best, Round: 0, Value: 6000.4},
}

func rows() []Row {
	return Rows(samples, []Workload{bulk, memory, {Name: "down"}}, []string{"ours", Best, Floor, Kernel})
}

func TestRows(t *testing.T) {
	got := rows()
	var order []string
	for _, r := range got {
		order = append(order, r.Workload+" "+r.Target)
	}
	if s := strings.Join(order, ", "); s != "up ours, up gvisor-best, up floor, idle ours, idle gvisor-best, idle floor" {
		t.Fatalf("rows are %s", s)
	}
	ours := got[0]
	if ours.Value.Median != 25 || ours.Value.N != 2 || ours.CPU != 0.25 || ours.BothCPU != 0.45 || ours.Error != "broken" {
		t.Errorf("of two good samples and a bad one: %+v", ours)
	}
	if ours.Latency == nil || *ours.Latency != (Latency{P50: 75, P99: 1000, Max: 2e6}) {
		t.Errorf("latency of two rounds: %+v, want the medians of p50 and p99 and the largest max", ours.Latency)
	}
	if ours.Fairness == nil || *ours.Fairness != (Fairness{Jain: 0.75, Pause: 200}) {
		t.Errorf("fairness of two rounds: %+v, want the median of Jain's index and the longest pause", ours.Fairness)
	}
	if got[2].Latency != nil || got[2].Fairness != nil {
		t.Errorf("latency of a row without any: %+v", got[2].Latency)
	}
	if len(ours.Ratios) != 1 || ours.Ratios[Floor] != 25.0/45 {
		t.Errorf("ratios %v, want that to the floor: the best failed, the kernel was not measured", ours.Ratios)
	}
	if r := got[3].Ratios; len(r) != 1 || r[Best] != 2000/6000.4 {
		t.Errorf("memory compared with %v, want with the best alone", r)
	}
	if failed := got[1]; failed.Value.N != 0 || failed.Error != "nothing came" || len(failed.Ratios) != 0 {
		t.Errorf("a row without a good sample: %+v", failed)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
}

func TestWriteText(t *testing.T) {
	var b strings.Builder
	if err := NewTable(rows()).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `
workload  target       median    min–max  unit    ÷ floor  ÷ gvisor-shipped  ÷ gvisor-best  ÷ kernel         CPU   CPU, both      p50      p99     max

up        ours          25.0!  20.0–30.0  Gbit/s     0.56                 –              –         –  0.250 s/GB  0.450 s/GB  75.0 µs  1.00 ms  2.00 s
up        gvisor-best  failed
up        floor          45.0  40.0–50.0  Gbit/s     1.00                 –              –         –  0.150 s/GB  0.300 s/GB        –        –       –

idle      ours           2000  2000–2000  bytes         –                 –           0.33         –           –           –        –        –       –
idle      gvisor-best    6000  6000–6000  bytes         –                 –           1.00         –           –           –        –        –       –
idle      floor          50.0  50.0–50.0  bytes         –                 –           0.01         –           –           –        –        –       –
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("the table is%s\nwant%s", got, want)
	}
}

// A table whose lines differ in the first column has no empty lines.
func TestWriteTextUngrouped(t *testing.T) {
	var b strings.Builder
	table := Table{Lines: [][]string{{"after", "MB"}, {"start", "14"}, {"up", "9"}}, Words: []int{0}}
	if err := table.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "after  MB\nstart  14\nup      9\n"; got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestWriteMarkdown(t *testing.T) {
	var b strings.Builder
	if err := NewTable(rows()[:2]).WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	const want = `
| workload | target | median | min–max | unit | ÷ floor | ÷ gvisor-shipped | ÷ gvisor-best | ÷ kernel | CPU | CPU, both | p50 | p99 | max |
|---|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
| up | ours | 25.0! | 20.0–30.0 | Gbit/s | 0.56 | – | – | – | 0.250 s/GB | 0.450 s/GB | 75.0 µs | 1.00 ms | 2.00 s |
| up | gvisor-best | failed |  |  |  |  |  |  |  |  |  |  |  |
`
	if got := "\n" + b.String(); got != want {
		t.Errorf("the table is%s\nwant%s", got, want)
	}
}

func TestDigits(t *testing.T) {
	for _, test := range []struct {
		value float64
		want  string
	}{{0, "0"}, {0.00123456, "0.00123"}, {0.5, "0.500"}, {1, "1.00"}, {9.999, "10.00"}, {53.12, "53.1"}, {100, "100"}, {12345.6, "12346"}} {
		if got := Digits(test.value); got != test.want {
			t.Errorf("Digits(%v) = %q, want %q", test.value, got, test.want)
		}
	}
}

func TestFill(t *testing.T) {
	const begin, end = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"
	got, err := Fill([]byte("a\n"+begin+"old\n"+end+"z\n"), "bench", []byte("new\n"))
	if want := "a\n" + begin + "new\n" + end + "z\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, document := range []string{"", begin, end, end + begin, begin + begin + end} {
		if got, err := Fill([]byte(document), "bench", nil); err == nil {
			t.Errorf("Fill(%q) = %q, want an error", document, got)
		}
	}
}
