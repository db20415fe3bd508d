//go:build linux

package links

import (
	"strings"
	"time"

	"minitcp/bench/emulator"
	"minitcp/bench/subject"
	"minitcp/conn/conntest"
	"minitcp/conn/netem"
)

// path is the link of a row. Rates and delays are the same in both directions; faults are in that of the data.
type path struct {
	rate         int64 // bits per second
	rtt          time.Duration
	queueTime    time.Duration // longest wait; 0 for a round trip
	queuePackets int           // takes the place of queueTime if it is not 0
	loss         float64
	maxPacket    int     // largest IP packet in bytes; larger ones are lost; 0 for no limit
	reorder      float64 // part of the packets that come a quarter of a round trip late
	// trace returns the trace that takes the place of rate in the direction of the data; nil for none.
	trace func(seed uint64) netem.Trace
}

// ways returns the two directions of the link. The data flows there.
func (p *path) ways(seed uint64) (there, back netem.Config) {
	there = netem.Config{Rate: p.rate, Delay: p.rtt / 2, QueuePackets: p.queuePackets, QueueTime: p.queueTime}
	if p.queueTime == 0 && p.queuePackets == 0 {
		there.QueueTime = p.rtt
	}
	back = there
	back.QueuePackets, back.QueueTime = 0, time.Second // faults are in the direction of the data only
	if p.trace != nil {
		there.Trace = p.trace(seed)
	}
	there.MaxPacket = p.maxPacket
	there.Loss, there.Reordering, there.ReorderingDelay = p.loss, p.reorder, p.rtt/4
	return there, back
}

// measure is the kind of figure of a row.
type measure uint8

const (
	goodput       measure = iota // Mbit/s of data that reaches the receiving application
	retransmitted                // segments that were sent again until the end
	fairness                     // Jain's index of the flows' goodput
	share                        // percent of the goodput that goes to the first flow
	floorRate                    // Mbit/s of datagrams, IP headers included: no TCP
	use                          // percent of the capacity of the line that reaches the receiving application as data
	late                         // 95th percentile of the response times in milliseconds
)

var units = [...]string{use: "%", late: "ms", goodput: "Mbit/s", retransmitted: "segments", fairness: "Jain", share: "%", floorRate: "Mbit/s"}

// row is a measurement that is taken of several entries.
type row struct {
	name, summary string
	path          path
	measure       measure
	upload        bool // the kernel sends, the target receives
	clients       int  // number of clients that fetch responses; 0 for bulk
	// warmup is the time before the measurement, and duration that of the measurement.
	warmup, duration time.Duration
	entries          []entry
	weight           int // part of the machine that a measurement takes, of maxWeight
	most             int // limit of rounds for a long measurement; 0 for none
}

// entry is a line of a row: simultaneous flows, one to each of the targets.
type entry struct {
	name  string
	flows []string
}

const maxWeight, mostLong = 6, 3

const (
	fast = 100e6
	base = 40 * time.Millisecond
)

// rows returns all rows in the order of the table.
func rows() []row {
	alone := func(name, summary string, p path) row {
		return row{name: name, summary: summary, path: p, warmup: 2 * time.Second, duration: 5 * time.Second, entries: each(1, ""), weight: 2}
	}
	long := alone("rtt200", "100 Mbit/s, 200 ms", path{rate: fast, rtt: 200 * time.Millisecond})
	long.warmup, long.duration, long.most = 4*time.Second, 6*time.Second, mostLong
	bloat := alone("bloat", "100 Mbit/s, 40 ms, a queue of 1 s", path{rate: fast, rtt: base, queueTime: time.Second})
	bloat.warmup, bloat.duration, bloat.most = 4*time.Second, 6*time.Second, mostLong
	slow := alone("slowstart", "100 Mbit/s, 40 ms, a queue of 100 packets: segments sent again in the first 2.5 s",
		path{rate: fast, rtt: base, queuePackets: 100})
	slow.measure, slow.warmup, slow.duration = retransmitted, 0, 2500*time.Millisecond

	hole := alone("blackhole", "packets of more than 1400 bytes lost, without an ICMP message", path{rate: fast, rtt: base, maxPacket: 1400})
	hole.warmup, hole.duration, hole.most = 3*time.Second, 2*time.Second, 2
	hole.entries = pick(1, "minitcp-cubic", "gvisor-cubic", "kernel-cubic")

	flows := func(name, summary string, m measure, entries []entry) row {
		return row{name: name, summary: summary, path: path{rate: fast, rtt: base}, measure: m,
			warmup: 5 * time.Second, duration: 20 * time.Second, entries: entries, weight: 2, most: mostLong}
	}
	receiver := func(name, summary string, rtt, warmup time.Duration) row {
		return row{name: name, summary: summary, path: path{rate: 500e6, rtt: rtt}, upload: true, warmup: warmup, duration: 5 * time.Second,
			entries: pick(1, "minitcp-cubic", "gvisor-cubic", "kernel-cubic"), weight: maxWeight, most: mostLong}
	}
	floor := func(name, summary string, rate int64, weight int) row {
		return row{name: name, summary: summary, path: path{rate: rate, rtt: base}, measure: floorRate, warmup: time.Second, duration: time.Second,
			entries: []entry{{name: "datagrams"}}, weight: weight}
	}
	cellular := row{name: "cellular", summary: "a rate that varies as a cellular network's, 8 Mbit/s in the mean, 50 ms, a queue of 4 s at that rate: use of the line, and delays",
		path:    path{rtt: 50 * time.Millisecond, queuePackets: 4 * cellularMean / emulator.MTU, trace: cellularTrace},
		measure: use, warmup: 3 * time.Second, duration: cellularTime - 3*time.Second, weight: 2, most: mostLong,
		entries: pick(1, "minitcp-bbr", "kernel-bbr", "minitcp-cubic", "kernel-cubic")}
	responses := row{name: "responses", summary: "responses of 50 KB to 8 clients, each on a new connection, 100 Mbit/s, 60 ms, 1 % lost: time of 95 of 100",
		path:    path{rate: fast, rtt: 60 * time.Millisecond, loss: 0.01},
		measure: late, clients: 8, warmup: time.Second, duration: 10 * time.Second, weight: 2,
		entries: pick(1, "minitcp-cubic", "gvisor-cubic", "kernel-cubic")}
	return []row{
		floor("floor100", "100 Mbit/s, 40 ms: datagrams, sent faster than that", fast, 2),
		floor("floor500", "500 Mbit/s, 40 ms: datagrams, sent faster than that", 500e6, maxWeight),
		alone("loss0", "100 Mbit/s, 40 ms", path{rate: fast, rtt: base}),
		alone("loss0.1", "the same with 0.1 % of the packets lost", path{rate: fast, rtt: base, loss: 0.001}),
		alone("loss1", "1 % lost", path{rate: fast, rtt: base, loss: 0.01}),
		alone("loss3", "3 % lost", path{rate: fast, rtt: base, loss: 0.03}),
		alone("reorder", "none lost, 5 % of the packets 10 ms late", path{rate: fast, rtt: base, reorder: 0.05}),
		alone("rtt10", "100 Mbit/s, 10 ms", path{rate: fast, rtt: 10 * time.Millisecond}),
		long, bloat, slow, hole,
		flows("share2", "two flows of the same target over 100 Mbit/s, 40 ms", fairness, append(each(2, "minitcp"), each(2, "kernel")...)),
		flows("share8", "eight flows", fairness, pick(8, "minitcp-cubic", "kernel-cubic")),
		flows("against", "the first flow's part beside one of the kernel's", share, []entry{
			{"minitcp-cubic", []string{"minitcp-cubic", "kernel-cubic"}},
			{"gvisor-cubic", []string{"gvisor-cubic", "kernel-cubic"}},
		}),
		cellular, responses,
		receiver("receive10", "from a kernel with CUBIC, 500 Mbit/s, 10 ms", 10*time.Millisecond, 2*time.Second),
		receiver("receive200", "from a kernel with CUBIC, 500 Mbit/s, 200 ms", 200*time.Millisecond, 8*time.Second),
	}
}

const (
	cellularMean = 1_000_000 // bytes per second
	cellularTime = 20 * time.Second
)

func cellularTrace(seed uint64) netem.Trace {
	return netem.TraceOf(conntest.Cellular(seed, cellularMean, cellularTime))
}

// each returns an entry with a number of flows for each target with a prefix in its name.
func each(flows int, prefix string) (entries []entry) {
	for _, t := range subject.Paths {
		if strings.HasPrefix(t.Name, prefix) {
			entries = append(entries, pick(flows, t.Name)...)
		}
	}
	return entries
}

// pick returns an entry with a number of flows for each of the targets.
func pick(flows int, targets ...string) (entries []entry) {
	for _, t := range targets {
		e := entry{name: t}
		for range flows {
			e.flows = append(e.flows, t)
		}
		entries = append(entries, e)
	}
	return entries
}
