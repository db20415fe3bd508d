//go:build linux

package control

import (
	"bytes"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/accecn"
	"minitcp/stack"
)

func row(local, remote string, i conn.Info) Row {
	c := stack.ConnInfo{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote), State: i.State, Info: i}
	return Row{describe(&c), Daemon{Command: "serve", PID: 7}}
}

// The expected texts are the output of "ss -tan" and "ss -tn state established" of iproute2 6.1.0 for such connections,
// without the spaces at the ends of lines.
func TestPrintSS(t *testing.T) {
	rows := []Row{
		ListenerRow(Listener{netip.MustParseAddrPort("0.0.0.0:2024"), 0, 128}, Daemon{}),
		ListenerRow(Listener{netip.MustParseAddrPort("[::]:45679"), 0, 128}, Daemon{}),
		row("127.0.0.1:45678", "127.0.0.1:49402", conn.Info{State: conn.Established, Unread: 100000}),
		row("127.0.0.1:36182", "127.0.0.1:45019", conn.Info{State: conn.TimeWait}),
		row("[::1]:45679", "[::1]:35806", conn.Info{State: conn.Established}),
	}
	for _, test := range []struct {
		rows    []Row
		options SSOptions
		want    string
	}{
		{rows, SSOptions{}, `
State     Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
LISTEN    0      128          0.0.0.0:2024       0.0.0.0:*
LISTEN    0      128             [::]:45679         [::]:*
ESTAB     100000 0          127.0.0.1:45678    127.0.0.1:49402
TIME-WAIT 0      0          127.0.0.1:36182    127.0.0.1:45019
ESTAB     0      0              [::1]:45679        [::1]:35806
`},
		{rows[2:3], SSOptions{NoState: true}, `
Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
100000 0          127.0.0.1:45678    127.0.0.1:49402
`},
		{rows[4:], SSOptions{NoHeader: true, Processes: true}, `
ESTAB 0 0 [::1]:45679 [::1]:35806 users:(("serve",pid=7))
`},
		{nil, SSOptions{Info: true}, `
State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
`},
	} {
		var b bytes.Buffer
		if err := PrintSS(&b, test.rows, test.options); err != nil || b.String() != test.want[1:] {
			t.Errorf("%+v:\n%swant\n%s", test.options, b.String(), test.want[1:])
		}
	}
}

// The texts of another user's daemon cannot control the terminal.
func TestPrintable(t *testing.T) {
	r := row("[fe80::1%a\x1b]0;x\a]:1", "10.77.0.1:1", conn.Info{MSS: 1})
	r.State, r.CongestionControl, r.Daemon.Command = "\x1b[2J", "\x1b[31m", "\x1b"
	var b bytes.Buffer
	if err := PrintSS(&b, []Row{r}, SSOptions{Info: true, Processes: true}); err != nil {
		t.Fatal(err)
	}
	if err := PrintNstat(&b, &Daemon{Command: "\x1b"}, []Counter{{"\x1b\u009b", 1}}, nil, time.Time{}, NstatOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\a\u009b") || !strings.Contains(b.String(), "?[2J") {
		t.Errorf("%q", b.String())
	}
}

// TestPrintInfo checks the words of ss -i against the order of tcp_stats_print in iproute2's ss.c.
func TestPrintInfo(t *testing.T) {
	ms := time.Millisecond
	full := conn.Info{
		State: conn.Established, RTT: 23 * time.Microsecond, RTTVar: 11 * time.Microsecond, MinRTT: 23 * time.Microsecond, RTO: 200 * ms,
		ReceiveRTT: 1500 * time.Microsecond, Backoff: 1, MSS: 1448, AdvertisedMSS: 1460, PathMTU: 1500, CongestionWindow: 14480, SlowStartThreshold: 28960,
		InFlight: 3000, Unacked: 3, SACKed: 1, Lost: 1, Resending: 1, Reordering: 3, ReorderSeen: 1, SendWindow: 65536, ReceiveWindow: 32768, Unsent: 17, ReadPerRoundTrip: 9000,
		Timestamps: true, SACK: true, ECN: true, AccECN: accecn.Info{Agreed: true, DeliveredCE: 4}, SendScale: 10, ReceiveScale: 7, Acknowledged: 100000, Delivered: 100001, DeliveryRate: 1000, DeliveryLimited: true,
		PacingRate: 2000, SinceSent: 208 * ms, SinceReceived: 4 * ms, SinceACK: 160 * ms, Busy: 48 * ms, WindowLimited: 24 * ms, BufferLimited: 12 * ms,
		Counts: conn.Counts{Sent: 100000, Resent: 34518, Received: 5, SegmentsSent: 6, SegmentsReceived: 3, DataSegmentsSent: 4, DataSegmentsReceived: 1,
			Retransmitted: 2, Duplicates: 1, OutOfOrder: 9},
	}
	const want = "ts sack ecn cubic wscale:10,7 rto:200 backoff:1 rtt:0.023/0.011 mss:1448 pmtu:1500 advmss:1460 cwnd:10 ssthresh:20 " +
		"bytes_sent:134518 bytes_retrans:34518 bytes_acked:100000 bytes_received:5 segs_out:6 segs_in:3 data_segs_out:4 data_segs_in:1 " +
		"send 5036521739bps lastsnd:208 lastrcv:4 lastack:160 pacing_rate 16000bps delivery_rate 8000bps delivered:70 delivered_ce:4 app_limited " +
		"busy:48ms rwnd_limited:24ms(50.0%) sndbuf_limited:12ms(25.0%) unacked:3 retrans:1/2 lost:1 sacked:1 dsack_dups:1 reord_seen:1 rcv_rtt:1.5 " +
		"rcv_space:9000 notsent:17 minrtt:0.023 rcv_ooopack:9 snd_wnd:65536 rcv_wnd:32768"
	var b bytes.Buffer
	rows := []Row{row("10.77.0.2:80", "10.77.0.1:1", full), row("10.77.0.2:80", "10.77.0.1:2", conn.Info{State: conn.TimeWait})}
	if err := PrintSS(&b, rows, SSOptions{Info: true, NoHeader: true}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 4 || lines[1] != "\t "+want || !strings.HasPrefix(lines[2], "TIME-WAIT") {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	PrintSS(&b, rows[:1], SSOptions{Info: true, NoHeader: true, OneLine: true})
	if !strings.HasSuffix(b.String(), ":1 "+want+"\n") || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("on one line: %s", b.String())
	}
}

func TestPrintNstat(t *testing.T) {
	d := Daemon{Command: "serve", PID: 7, Device: "mini0", Began: time.Unix(1000, 0)}
	list := []Counter{{"TcpActiveOpens", 15938}, {"TcpPassiveOpens", 0}, {"TcpExtTCPTimeWaitOverflow", 3}}
	then := time.Unix(2000, 0)
	history := make(History)
	history.Set(&d, []Counter{{"TcpActiveOpens", 15918}, {"TcpExtTCPTimeWaitOverflow", 3}}, then)
	for _, test := range []struct {
		since   *Reading
		options NstatOptions
		want    string
	}{
		// The columns are those of nstat of iproute2 6.1.0.
		{nil, NstatOptions{Absolute: true}, "#minitcp serve pid 7 mini0\nTcpActiveOpens                  15938              0.0\nTcpExtTCPTimeWaitOverflow       3                  0.0\n"},
		{history.Of(&d), NstatOptions{}, "#minitcp serve pid 7 mini0\nTcpActiveOpens                  20                 2.0\n"},
		{history.Of(&d), NstatOptions{Zeros: true}, "#minitcp serve pid 7 mini0\nTcpActiveOpens                  20                 2.0\n" +
			"TcpPassiveOpens                 0                  0.0\nTcpExtTCPTimeWaitOverflow       0                  0.0\n"},
		{nil, NstatOptions{JSON: true}, `{"minitcp":{"TcpActiveOpens":15938,"TcpExtTCPTimeWaitOverflow":3}}` + "\n"},
	} {
		var b bytes.Buffer
		if err := PrintNstat(&b, &d, list, test.since, then.Add(10*time.Second), test.options); err != nil || b.String() != test.want {
			t.Errorf("%+v:\n%swant\n%s", test.options, b.String(), test.want)
		}
	}
	d.Began = d.Began.Add(time.Second)
	if history.Of(&d) != nil {
		t.Error("another process has the history of one with the same number")
	}
}

// TestCounters checks that each counter of a stack has exactly one name of the kernel or one of its own, except those
// that are part of a sum.
func TestCounters(t *testing.T) {
	s := newStack(t)
	stats := s.Stats()
	seen := make(map[string]bool)
	for _, c := range kernelNames(stats, stateCounts{}) {
		if seen[c.Name] {
			t.Errorf("%s appears twice", c.Name)
		}
		seen[c.Name] = true
	}
	for _, k := range kernelCounters {
		for _, name := range k.of {
			if _, ok := stats[name]; !ok {
				t.Errorf("%s: a stack has no counter %s", k.name, name)
			}
			if seen[ownName(name)] {
				t.Errorf("%s has a name of the kernel, and %s", name, ownName(name))
			}
		}
	}
	if !seen["MinitcpVerdictAccepted"] || !seen["TcpCurrEstab"] {
		t.Errorf("%v", seen)
	}
	connect(t, s)
	for _, c := range kernelNames(s.Stats(), newMonitor(t, s).states()) {
		if c.Name == "TcpCurrEstab" && c.Value != 2 || c.Name == "TcpActiveOpens" && c.Value != 1 {
			t.Errorf("%s is %d", c.Name, c.Value)
		}
	}
}

// metricLine is the grammar of Prometheus' text format, as far as it is used.
var metricLine = regexp.MustCompile(`^([a-z_]+)(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? [0-9.e+-]+$`)

func TestMetrics(t *testing.T) {
	s := newStack(t)
	m := newMonitor(t, s)
	client, server := connect(t, s)
	other, _ := connect(t, s)
	client.SetLinger(0)
	client.Close()
	server.Read(make([]byte, 1))
	if _, err := s.Dial("tcp", "10.77.0.2:1"); err == nil {
		t.Fatal("Dial to a closed port has succeeded")
	}
	m.Dialed(5 * time.Millisecond)
	m.Dialed(20 * time.Second)
	w := get(m.handler(false), "GET", "/metrics")
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Error(got)
	}
	kinds, samples := make(map[string]string), make(map[string]string)
	for _, line := range strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if kinds[name] != "" {
				t.Errorf("%s appears twice", name)
			}
			kinds[name] = kind
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		match := metricLine.FindStringSubmatch(line)
		if match == nil {
			t.Errorf("%q is not a sample", line)
			continue
		}
		base := match[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if s := strings.TrimSuffix(base, suffix); kinds[s] == "histogram" {
				base = s
			}
		}
		if kinds[base] == "" || (kinds[base] == "counter") != strings.HasSuffix(base, "_total") || !strings.HasPrefix(base, "minitcp_") {
			t.Errorf("%q has the type %q", line, kinds[base])
		}
		key, value, _ := strings.Cut(line, " ")
		if samples[key] != "" {
			t.Errorf("%s appears twice", key)
		}
		samples[key] = value
	}
	for key, want := range map[string]string{
		"minitcp_tcp_active_opens_total":                        "3",
		`minitcp_tcp_connections{state="established"}`:          "2",
		`minitcp_tcp_connections{state="syn_received"}`:         "0",
		`minitcp_tcp_resets_total{direction="transmit"}`:        "2",
		`minitcp_tcp_life_seconds_bucket{le="+Inf"}`:            "3",
		"minitcp_tcp_life_seconds_count":                        "3",
		"minitcp_tcp_open_seconds_count":                        "4",
		`minitcp_tcp_open_seconds_bucket{le="10"}`:              "4",
		"minitcp_gateway_dial_seconds_count":                    "2",
		"minitcp_gateway_dial_seconds_sum":                      "20.005",
		`minitcp_gateway_dial_seconds_bucket{le="0.01"}`:        "1",
		`minitcp_gateway_dial_seconds_bucket{le="10"}`:          "1",
		"minitcp_memory_used_bytes":                             strconv.FormatUint(s.Stats()["memory-used"], 10),
		"minitcp_memory_out_of_order_bytes":                     "0",
		"minitcp_memory_limit_bytes":                            "5.36870912e+08",
		`minitcp_device_superframes_total{direction="receive"}`: "0",
		`minitcp_tcp_life_bytes_bucket{le="100"}`:               "3",
		"minitcp_tcp_attempt_fails_total":                       "1",
		"minitcp_tcp_estab_resets_total":                        "2",
		`minitcp_tcp_recoveries_total{kind="rto"}`:              "0",
		`minitcp_dropped_total{reason="tcp-checksum"}`:          "0",
		`minitcp_verdict_total{reason="old-timestamp"}`:         "0",
		`minitcp_listen_overflows_total{queue="accept"}`:        "0",
	} {
		if samples[key] != want {
			t.Errorf("%s is %q, want %s", key, samples[key], want)
		}
	}
	for _, key := range []string{"minitcp_memory_used_bytes", `minitcp_wakeups_total{by="device"}`, `minitcp_device_frames_total{direction="transmit"}`} {
		if n, err := strconv.Atoi(samples[key]); err != nil || n == 0 {
			t.Errorf("%s is %q, want more than 0", key, samples[key])
		}
	}
	if strings.Contains(w.Body.String(), other.LocalAddr().String()) {
		t.Error("an address is in a label")
	}
}

func TestHistogram(t *testing.T) {
	h := histogram{bounds: []float64{1, 10}}
	for _, v := range []float64{0.5, 1, 2, 10, 11} {
		h.add(v)
	}
	var b bytes.Buffer
	writeHistogram(&b, "x", "h", &h)
	const want = "# HELP x h\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"10\"} 4\nx_bucket{le=\"+Inf\"} 5\nx_sum 24.5\nx_count 5\n"
	if b.String() != want {
		t.Errorf("%s, want\n%s", b.String(), want)
	}
}
