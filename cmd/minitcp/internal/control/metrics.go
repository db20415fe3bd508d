//go:build linux

package control

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"minitcp/conn"
	"minitcp/stack"
)

// histogram counts values in buckets. Count i is that of values up to bounds[i], and above bounds[i-1].
type histogram struct {
	bounds []float64
	counts [16]uint64
	count  uint64
	sum    float64
}

func (h *histogram) add(v float64) {
	i, _ := slices.BinarySearch(h.bounds, v)
	h.counts[i]++
	h.count++
	h.sum += v
}

// metricsInput holds the figures of a scrape.
type metricsInput struct {
	stats  stack.Stats
	states stateCounts
	ended  lifeTotals
}

// metric is a counter or gauge of a stack. Samples maps the labels to a name in Stats.
type metric struct {
	name, kind, help string
	samples          [][2]string // labels, and the name in Stats
}

const counterKind, gaugeKind = "counter", "gauge"

func one(name string) [][2]string { return [][2]string{{"", name}} }

var metrics = []metric{
	{"minitcp_tcp_active_opens_total", counterKind, "Connections dialed.", one("connections-dialed")},
	{"minitcp_tcp_passive_opens_total", counterKind, "Connections accepted.", one("connections-accepted")},
	{"minitcp_tcp_segments_total", counterKind, "TCP segments.", [][2]string{{`direction="receive"`, "segments-received"}, {`direction="transmit"`, "segments-sent"}}},
	{"minitcp_tcp_bytes_total", counterKind, "Bytes of TCP data.", [][2]string{{`direction="receive"`, "octets-received"}, {`direction="transmit"`, "octets-sent"}}},
	{"minitcp_tcp_retransmitted_segments_total", counterKind, "TCP segments sent again.", one("retransmissions")},
	{"minitcp_tcp_resets_total", counterKind, "RST segments sent, and those received that ended a connection.", [][2]string{{`direction="receive"`, "verdict-reset"}, {`direction="transmit"`, "resets-sent"}}},
	{"minitcp_listen_overflows_total", counterKind, "Handshakes dropped because a listener's queue was full.", [][2]string{{`queue="syn"`, "listen-syn-queue-full"}, {`queue="accept"`, "listen-accept-queue-full"}}},
	{"minitcp_syncookies_total", counterKind, "SYN cookies.", [][2]string{{`result="sent"`, "syn-cookies-sent"}, {`result="received"`, "syn-cookies-received"}, {`result="failed"`, "syn-cookies-failed"}}},
	{"minitcp_time_wait_total", counterKind, "Connections that left TIME-WAIT early.", [][2]string{{`event="evicted"`, "time-wait-evicted"}, {`event="reopened"`, "time-wait-reopened"}}},
	{"minitcp_tcp_mtu_probes_total", counterKind, "Probes for the path MTU.", [][2]string{{`event="sent"`, "mtu-probes"}, {`event="lost"`, "mtu-probes-failed"}}},
	{"minitcp_tcp_mtu_black_holes_total", counterKind, "Times that a link seemed to discard large packets.", one("mtu-black-holes")},
	{"minitcp_device_frames_total", counterKind, "Frames of the device.", [][2]string{{`direction="receive"`, "frames-received"}, {`direction="transmit"`, "frames-sent"}}},
	{"minitcp_device_superframes_total", counterKind, "Frames of the device that hold several packets.", [][2]string{{`direction="receive"`, "superframes-received"}, {`direction="transmit"`, "superframes-sent"}}},
	{"minitcp_wakeups_total", counterKind, "Batches of frames read from the device, and runs of the timers.", [][2]string{{`by="device"`, "device-wakeups"}, {`by="timer"`, "timer-wakeups"}}},
	{"minitcp_memory_out_of_order_bytes", gaugeKind, "Part of minitcp_memory_used_bytes that holds data beyond a gap.", one("out-of-order-memory")},
	{"minitcp_memory_limit_bytes", gaugeKind, "Budget for the memory of all connections.", one("memory-limit")},
	{"minitcp_device_write_errors_total", counterKind, "Frames that the device refused.", one("frame-write-errors")},
	{"minitcp_udp_datagrams_total", counterKind, "UDP datagrams.", [][2]string{{`direction="receive"`, "udp-received"}, {`direction="transmit"`, "udp-sent"}}},
	{"minitcp_icmp_messages_total", counterKind, "ICMP messages.", [][2]string{{`direction="receive"`, "icmp-received"}, {`direction="transmit"`, "icmp-sent"}}},
	{"minitcp_gateway_flow_results_total", counterKind, "Forwarded connections by result.", [][2]string{{`result="connected"`, "forward-accepted"}, {`result="refused"`, "forward-reset"},
		{`result="unreachable"`, "forward-unreachable"}, {`result="dropped"`, "forward-dropped"}, {`result="abandoned"`, "forward-abandoned"}, {`result="limit"`, "forward-limited"}}},
	{"minitcp_gateway_flows", gaugeKind, "Forwarded UDP flows, and forwarded connections that wait for a result.", [][2]string{{`protocol="udp"`, "udp-flows"}, {`protocol="tcp"`, "forward-pending"}}},
	{"minitcp_memory_used_bytes", gaugeKind, "Memory in use of the budget.", one("memory-used")},
	{"minitcp_tcp_stalled_connections", gaugeKind, "Connections whose peer lets data wait.", one("connections-stalled")},
	{"minitcp_tcp_memory_aborts_total", counterKind, "Connections ended to bound memory.", [][2]string{{`reason="orphan"`, "orphans-reset"}, {`reason="stalled"`, "stalled-reset"}}},
	{"minitcp_tcp_refused_connections_total", counterKind, "SYNs and final ACKs dropped because of a limit.", [][2]string{{`limit="connections"`, "connections-limited"}, {`limit="memory"`, "connections-no-memory"}}},
}

// writeMetrics writes the metrics in Prometheus' text format 0.0.4.
func writeMetrics(w io.Writer, in *metricsInput) {
	for _, m := range metrics {
		header(w, m.name, m.kind, m.help)
		for _, s := range m.samples {
			sample(w, m.name, s[0], float64(in.stats[s[1]]))
		}
	}
	for _, prefix := range []string{"dropped", "verdict"} {
		name := "minitcp_" + prefix + "_total"
		header(w, name, counterKind, map[string]string{"dropped": "Packets dropped, by reason.", "verdict": "TCP segments received, by result."}[prefix])
		for _, s := range sortedNames(in.stats) {
			if reason, ok := strings.CutPrefix(s, prefix+"-"); ok {
				sample(w, name, `reason="`+reason+`"`, float64(in.stats[s]))
			}
		}
	}
	header(w, "minitcp_tcp_connections", gaugeKind, "Connections by state.")
	for s := conn.Listen + 1; s <= conn.TimeWait; s++ {
		sample(w, "minitcp_tcp_connections", `state="`+strings.ReplaceAll(strings.ToLower(s.String()), "-", "_")+`"`, float64(in.states[s]))
	}
	header(w, "minitcp_tcp_attempt_fails_total", counterKind, "Dialed connections that ended before ESTABLISHED.")
	sample(w, "minitcp_tcp_attempt_fails_total", "", float64(in.ended.failed))
	header(w, "minitcp_tcp_estab_resets_total", counterKind, "Connections that a RST or a timeout ended after ESTABLISHED.")
	sample(w, "minitcp_tcp_estab_resets_total", "", float64(in.ended.reset))
	header(w, "minitcp_tcp_recoveries_total", counterKind, "Retransmission timeouts and spurious recoveries of connections that have ended.")
	sample(w, "minitcp_tcp_recoveries_total", `kind="rto"`, float64(in.ended.timeouts))
	sample(w, "minitcp_tcp_recoveries_total", `kind="spurious"`, float64(in.ended.spurious))
	writeHistogram(w, "minitcp_tcp_rtt_seconds", "Smoothed round-trip time of connections that have ended.", &in.ended.rtt)
	writeHistogram(w, "minitcp_tcp_open_seconds", "Time from the SYN until ESTABLISHED, without connections that began with a SYN cookie.", &in.ended.open)
	writeHistogram(w, "minitcp_tcp_life_seconds", "Duration of connections that have ended.", &in.ended.life)
	writeHistogram(w, "minitcp_tcp_life_bytes", "Bytes in both directions of connections that have ended.", &in.ended.bytes)
	writeHistogram(w, "minitcp_gateway_dial_seconds", "Time in which the gateway has connected to the destinations of its clients, a proxy's part included.", &in.ended.dial)
	header(w, "minitcp_build_info", gaugeKind, "Version of the program.")
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	sample(w, "minitcp_build_info", fmt.Sprintf("version=%q,goversion=%q", version, runtime.Version()), 1)
}

func header(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind)
}

func sample(w io.Writer, name, labels string, value float64) {
	if labels != "" {
		labels = "{" + labels + "}"
	}
	fmt.Fprintf(w, "%s%s %s\n", name, labels, strconv.FormatFloat(value, 'g', -1, 64))
}

func writeHistogram(w io.Writer, name, help string, h *histogram) {
	header(w, name, "histogram", help)
	total := uint64(0)
	for i, bound := range h.bounds {
		total += h.counts[i]
		sample(w, name+"_bucket", fmt.Sprintf("le=%q", strconv.FormatFloat(bound, 'g', -1, 64)), float64(total))
	}
	sample(w, name+"_bucket", `le="+Inf"`, float64(h.count))
	sample(w, name+"_sum", "", h.sum)
	sample(w, name+"_count", "", float64(h.count))
}

// sortedNames returns the names of counters in their order.
func sortedNames(s stack.Stats) []string { return slices.Sorted(maps.Keys(s)) }
