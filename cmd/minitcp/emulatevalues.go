//go:build linux

package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"minitcp/conn/netem"
)

// wayValue is the value of a flag for each way of a link. It is a pflag.Value.
type wayValue[T any] struct {
	kind   string
	parse  func(string) (T, error)
	values [2]T
	texts  [2]string // "": not given
	single [2]bool   // given for this way only
}

// Set parses a value for both ways, or for one of them after "up:" or "down:".
func (v *wayValue[T]) Set(s string) error {
	for way, name := range wayNames {
		if text, ok := strings.CutPrefix(s, name+":"); ok {
			return v.set(text, way)
		}
	}
	return v.set(s, wayUp, wayDown)
}

func (v *wayValue[T]) set(text string, ways ...int) error {
	value, err := v.parse(text)
	if err != nil {
		return err
	}
	for _, way := range ways {
		v.values[way], v.texts[way], v.single[way] = value, text, len(ways) == 1
	}
	return nil
}

// setDefault sets the ways that are not given, except some.
func (v *wayValue[T]) setDefault(text string, except [2]bool) error {
	given := *v
	if err := v.Set(text); err != nil {
		return err
	}
	for way := range wayNames {
		if given.texts[way] != "" || except[way] {
			v.values[way], v.texts[way], v.single[way] = given.values[way], given.texts[way], given.single[way]
		}
	}
	return nil
}

// String returns the value in the form of Set, or "" without one.
func (v *wayValue[T]) String() string {
	if v.texts[wayUp] == v.texts[wayDown] {
		return v.texts[wayUp]
	}
	var parts []string
	for way, text := range v.texts {
		if text != "" {
			parts = append(parts, wayNames[way]+":"+text)
		}
	}
	return strings.Join(parts, " ")
}

// Type returns the word for the value in the help text.
func (v *wayValue[T]) Type() string { return v.kind }

// parsePercent parses a share such as 1%.
func parsePercent(s string) (float64, error) {
	number, ok := strings.CutSuffix(s, "%")
	p, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(p >= 0 && p <= 100) {
		return 0, usagef("not a share; give 0%% to 100%%, such as 1.5%%")
	}
	return p / 100, nil
}

// maxLinkTime is the limit of the times of a link.
const maxLinkTime = time.Hour

// parseTime parses a time that is not negative.
func parseTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxLinkTime {
		return 0, usagef("not a time from 0 to 1h; give one such as 40ms")
	}
	return d, nil
}

// delaySpec is the value of --delay.
type delaySpec struct{ delay, jitter time.Duration }

// parseDelay parses a time with or without jitter.
func parseDelay(s string) (d delaySpec, err error) {
	for _, sign := range []string{"±", "+-", "+/-", "~"} {
		text, jitter, ok := strings.Cut(s, sign)
		if !ok {
			continue
		}
		if d.delay, err = parseTime(text); err == nil {
			d.jitter, err = parseTime(jitter)
		}
		if err == nil && d.jitter > d.delay {
			err = usagef("the jitter is larger than the delay; a packet would arrive before it is sent")
		}
		return d, err
	}
	d.delay, err = parseTime(s)
	return d, err
}

// rateUnits are those of tc, in bits per second.
var rateUnits = []struct {
	name string
	bits int64
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

const minRate, maxRate = 1e3, 100e9

// parseRate parses a rate such as 10mbit.
func parseRate(s string) (int64, error) {
	lower := strings.ToLower(s)
	for _, u := range rateUnits {
		number, ok := strings.CutSuffix(lower, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if rate := n * float64(u.bits); err == nil && rate >= minRate && rate <= maxRate {
			return int64(rate), nil
		}
		if err == nil {
			return 0, usagef("out of range; give 1kbit to 100gbit, or leave the flag out for no limit")
		}
		break
	}
	return 0, usagef("not a rate; give one such as 10mbit, with bit, kbit, mbit or gbit")
}

// queueSpec is the value of --queue.
type queueSpec struct {
	bytes, packets int
	time           time.Duration
	discipline     netem.Discipline
}

// limit returns the one of the limits that is set, or 0.
func (q *queueSpec) limit() int { return max(q.bytes, q.packets, int(q.time)) }

var byteUnits = []struct {
	name  string
	bytes float64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"kb", 1e3}, {"mb", 1e6}, {"b", 1}}

const maxQueue = 64 << 20

// parseQueue parses a size in bytes, packets or time, and codel alone or after a comma.
func parseQueue(s string) (q queueSpec, err error) {
	size := strings.ToLower(s)
	if size == "codel" {
		q.discipline = netem.CoDel
		return q, nil
	}
	if rest, ok := strings.CutSuffix(size, ",codel"); ok {
		q.discipline, size = netem.CoDel, rest
	}
	bad := usagef("not a size of a queue up to 64MiB; give one such as 64kB, 100packets or 200ms, or with CoDel 64kB,codel")
	if d, err := time.ParseDuration(size); err == nil && size != "0" {
		if d <= 0 || d > maxLinkTime {
			return q, usagef("out of range; a time is from 1ns to 1h")
		}
		q.time = d
		return q, nil
	}
	for _, unit := range []string{"packets", "packet", "p"} {
		if number, ok := strings.CutSuffix(size, unit); ok {
			n, err := strconv.Atoi(number)
			if err != nil || n > maxQueue {
				return q, bad
			}
			if n < 1 {
				return q, usagef("smaller than a packet; give at least 1packet")
			}
			q.packets = n
			return q, nil
		}
	}
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(size, u.name); ok {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil || !(n*u.bytes <= maxQueue) {
				return q, bad
			}
			if n*u.bytes < 1 {
				return q, usagef("smaller than a packet; give at least 1500B")
			}
			q.bytes = int(n * u.bytes)
			return q, nil
		}
	}
	return q, bad
}

// reorderSpec is the value of --reorder.
type reorderSpec struct {
	share float64
	by    time.Duration
}

const defaultReorderTime = 10 * time.Millisecond

// parseReorder parses a share and the time by which packets are late.
func parseReorder(s string) (r reorderSpec, err error) {
	share, by, ok := strings.Cut(s, ",")
	if r.share, err = parsePercent(share); err != nil || !ok {
		r.by = defaultReorderTime
		return r, err
	}
	if r.by, err = parseTime(by); err == nil && r.by == 0 {
		err = usagef("packets that are late by no time are in order; give a time such as 10ms")
	}
	return r, err
}

// parseBurst parses the parameters of the Gilbert-Elliott model.
func parseBurst(s string) (netem.Burst, error) {
	b := netem.Burst{Loss: 1}
	given := make(map[string]bool)
	for part := range strings.SplitSeq(s, ",") {
		name, text, _ := strings.Cut(part, "=")
		field, ok := map[string]*float64{"p": &b.Begin, "r": &b.End, "1-h": &b.Loss, "1-k": &b.Between}[name]
		if !ok || given[name] {
			return b, usagef("%q is not a parameter, or is given twice; give p=1%%,r=20%%, or also 1-h=100%%,1-k=0%%", name)
		}
		given[name] = true
		var err error
		if *field, err = parsePercent(text); err != nil {
			return b, usagef("%s: %v", name, err)
		}
	}
	if !given["p"] || !given["r"] || b.End == 0 {
		return b, usagef("p, with which a burst begins, and r, with which it ends, are necessary, and r must not be 0%%; give p=1%%,r=20%%")
	}
	return b, nil
}

// maxTraceFile is the limit of the size of a trace in bytes: hours of a fast network.
const maxTraceFile = 64 << 20

// readTraceFile reads the file of --trace-file.
func readTraceFile(name string) (netem.Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("%v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTraceFile+1))
	if err != nil {
		return nil, usagef("%v", err)
	}
	if len(text) > maxTraceFile {
		return nil, usagef("larger than %d MiB", maxTraceFile>>20)
	}
	t, err := netem.ParseTrace(string(text))
	if err != nil {
		return nil, usagef("%v; each line must be a number of milliseconds, not smaller than the one before", err)
	}
	if r := t.Rate(); r < minRate || r > maxRate {
		return nil, usagef("a mean rate of %s; it must be from 1kbit to 100gbit", formatRate(r))
	}
	return t, nil
}

// parsePacketSize parses the size of an IP packet.
func parsePacketSize(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 576 || n > 65535 {
		return 0, usagef("not the size of a packet; give 576 to 65535 bytes, such as 1400")
	}
	return n, nil
}
