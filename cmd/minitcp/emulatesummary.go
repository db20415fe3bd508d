//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"minitcp/conn/netem"
	"minitcp/stack/emulate"
)

// summary writes the settings of the link beside its measurements, if --stats is set and there was a link.
func (f *linkFlags) summary(w io.Writer) {
	if !f.stats || f.link == nil {
		return
	}
	var reports [2]emulate.Report
	reports[wayUp], reports[wayDown] = f.link.Report()
	if f.upIsIn {
		reports[wayUp], reports[wayDown] = reports[wayDown], reports[wayUp]
	}
	fmt.Fprintf(w, "emulated link, --seed %d\n", f.seed)
	for way := range f.ways {
		f.summarize(w, way, &reports[way])
	}
}

// summarize writes the lines of one way.
func (f *linkFlags) summarize(w io.Writer, way int, r *emulate.Report) {
	c := &f.ways[way]
	if !c.Active() {
		return
	}
	result := func(what, asked, text string) {
		fmt.Fprintf(w, "  %-4s  %-10s  asked %-18s  %s\n", wayNames[way], what, asked, text)
	}
	line := func(what, asked, format string, measured ...any) {
		result(what, asked, "measured "+fmt.Sprintf(format, measured...))
	}
	line("packets", "-", "%d, %d bytes; %d delivered", r.Counts.Packets, r.Counts.Bytes, r.Meter.Packets)
	if c.MaxPacket > 0 {
		line("max-packet", f.maxPacket.texts[way], "%d discarded", r.TooLarge)
	}
	if c.Rate > 0 || len(c.Trace) > 0 {
		measured := fmt.Sprintf("not measured: fewer than %d packets have waited", netem.LeastForRate)
		if rate := r.Rate(); rate > 0 {
			measured = "measured " + formatRate(rate)
		}
		result("rate", cmp.Or(f.rate.texts[way], f.trace.texts[way]), measured)
		line("queue", cmp.Or(f.queue.texts[way], "default"), "%v on average, %d dropped", round(r.Waited()), r.QueueFull+r.CoDel)
	}
	if mean, largest := r.Delay(); c.Delay+c.Jitter > 0 && r.Meter.Packets > 0 {
		line("delay", f.delay.texts[way], "%v on average, at most %v", round(mean), round(largest))
	}
	if c.Loss > 0 || c.Burst.Begin > 0 || c.Burst.Between > 0 {
		asked := strings.TrimSpace(f.loss.texts[way] + " " + f.burst.texts[way])
		line("loss", asked, "%.3g%%: %d of %d", 100*r.LossShare(), r.Lost, r.Counts.Packets-r.TooLarge-r.QueueFull-r.CoDel)
	}
	for _, fault := range []struct {
		name, asked string
		share       float64
		n           int64
	}{
		{"reorder", f.reorder.texts[way], c.Reordering, r.Reordered},
		{"duplicate", f.duplicate.texts[way], c.Duplication, r.Duplicated},
		{"corrupt", f.corrupt.texts[way], c.Corruption, r.Damaged},
	} {
		if arrived := r.Counts.Packets - r.TooLarge - r.QueueFull - r.CoDel - r.Lost; fault.share > 0 {
			line(fault.name, fault.asked, "%.3g%%: %d of %d", 100*float64(fault.n)/float64(max(arrived, 1)), fault.n, arrived)
		}
	}
	if r.Overflowed > 0 {
		line("memory", "-", "%d packets dropped: those on their way exceeded 64 MiB", r.Overflowed)
	}
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// formatRate returns a rate in the form of --rate, with four digits.
func formatRate(rate int64) string {
	for _, u := range rateUnits {
		if rate >= u.bits {
			return fmt.Sprintf("%.4g%s", float64(rate)/float64(u.bits), u.name)
		}
	}
	return fmt.Sprintf("%dbit", rate)
}
