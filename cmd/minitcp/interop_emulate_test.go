//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// linkReport is the summary of --stats.
type linkReport struct {
	t    *testing.T
	text string
}

// stopped ends serve and returns its summary.
func stopped(t *testing.T, p *process) linkReport {
	t.Helper()
	if status := p.signal(syscall.SIGINT); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	return linkReport{t, p.err.String()}
}

// find returns the numbers in the measured part of a line.
func (r linkReport) find(way, what string, values ...any) {
	r.t.Helper()
	for line := range strings.Lines(r.text) {
		_, measured, ok := strings.Cut(line, "measured")
		f := strings.Fields(line)
		if !ok || f[0] != way || f[1] != what {
			continue
		}
		numbers := regexp.MustCompile(`[0-9.]+(µs|ms|s|[kmg]?bit|%)?`).FindAllString(measured, -1)
		if len(numbers) < len(values) {
			r.t.Fatalf("%q has %d numbers", line, len(numbers))
		}
		for i, v := range values {
			var err error
			text := strings.TrimRight(numbers[i], ".")
			switch v := v.(type) {
			case *time.Duration:
				*v, err = time.ParseDuration(text)
			case *int64:
				if *v, err = parseRate(text); err != nil {
					*v, err = strconv.ParseInt(text, 10, 64)
				}
			case nil:
			}
			if err != nil {
				r.t.Fatalf("%q: %v", line, err)
			}
		}
		return
	}
	r.t.Fatalf("the summary has no line %q %q:\n%s", way, what, r.text)
}

// binomial checks that n of total packets are a share, within four standard errors.
func binomial(t *testing.T, what string, n, total int64, share float64) {
	t.Helper()
	if limit := 4 * math.Sqrt(float64(total)*share*(1-share)); math.Abs(float64(n)-float64(total)*share) > limit {
		t.Errorf("%s: %d of %d packets, want %.1f ± %.1f", what, n, total, float64(total)*share, limit)
	}
}

// Ping measures the delay of both directions, and the link the same.
func TestEmulatedDelay(t *testing.T) {
	p, namespace := serve(t, "--address", "10.77.0.2/24", "--delay", "40ms", "--stats")
	r := finish(t, tool(t, namespace, "ping", "-c", "5", "-i", "0.02", "10.77.0.2"))
	found := regexp.MustCompile(`= ([0-9.]+)/([0-9.]+)/`).FindStringSubmatch(r.out)
	if found == nil {
		t.Fatalf("%+v", r)
	}
	least, _ := strconv.ParseFloat(found[1], 64)
	var upMean, upMost, downMean, downMost time.Duration
	report := stopped(t, p)
	report.find("up", "delay", &upMean, &upMost)
	report.find("down", "delay", &downMean, &downMost)
	if least < 80 || upMean < 40*time.Millisecond || downMean < 40*time.Millisecond {
		t.Errorf("ping measures at least %v ms, the link %v and %v; want at least 80 ms, 40 ms and 40 ms", least, upMean, downMean)
	}
	// The kernel and minitcp take the rest of the time of the fastest ping, and it is not known how long.
	t.Logf("ping: %s ms; link: up %v, at most %v; down %v, at most %v", found[0], upMean, upMost, downMean, downMost)
}

// A transfer over a link of 10 Mbit/s has this rate within 1 %, by the bytes that the kernel counts on its side of the
// device and the clock of the link. A packet that was delivered late, on a busy machine, makes the measurement of a
// period without idle time wrong by at most its lateness, which the link measures as well.
func TestEmulatedRate(t *testing.T) {
	const rate, delay, size = 10e6, 5 * time.Millisecond, 3_000_000
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), noiseBytes(t, 1, size), 0o644); err != nil {
		t.Fatal(err)
	}
	p, namespace := serve(t, "--address", "10.77.0.2/24", "--listen", "80=files:"+dir, "--rate", "up:10mbit", "--delay", "up:5ms", "--stats")
	r := finish(t, tool(t, namespace, "curl", "-sS", "-o", filepath.Join(dir, "copy"), "-w", "%{http_code}", "http://10.77.0.2/data"))
	if r.status != 0 || r.out != "200" || readFile(t, filepath.Join(dir, "copy")) != readFile(t, filepath.Join(dir, "data")) {
		t.Fatalf("%+v, or other data", r)
	}
	counted := finish(t, tool(t, namespace, "cat", "/sys/class/net/mini0/statistics/rx_bytes"))
	kernel, err := strconv.ParseInt(strings.TrimSpace(counted.out), 10, 64)
	if err != nil {
		t.Fatalf("%+v", counted)
	}
	report := stopped(t, p)
	var measured, packets, bytes int64
	var mean, most time.Duration
	report.find("up", "rate", &measured)
	report.find("up", "packets", &packets, &bytes)
	report.find("up", "delay", &mean, &most)
	took := size * 8 / rate * float64(time.Second)
	const periods = 4 // slow start leaves the line idle a few times
	if limit := rate * (0.01 + periods*float64(most-delay)/took); math.Abs(float64(measured)-rate) > limit {
		t.Errorf("%d bit/s, want %.0f ± %.0f", measured, rate, limit)
	}
	t.Logf("%d bit/s; a delay of %v, at most %v", measured, mean, most)
	var wait time.Duration
	var dropped int64
	report.find("up", "queue", &wait, &dropped)
	// The kernel counts the headers of a superframe once.
	if missing := dropped*1500 + packets*60; kernel < size || kernel > bytes || kernel < bytes-missing {
		t.Errorf("the kernel has received %d bytes; minitcp has sent %d in %d packets, of which %d were dropped", kernel, bytes, packets, dropped)
	}
}

// The link loses packets with the probability asked for, and ping misses the packets that the link has lost.
func TestEmulatedLoss(t *testing.T) {
	const sent = 1000
	p, namespace := serve(t, "--address", "10.77.0.2/24", "--loss", "up:2%", "--loss", "down:5%", "--seed", "7", "--stats")
	r := finish(t, tool(t, namespace, "ping", "-c", strconv.Itoa(sent), "-i", "0.002", "-W", "1", "-q", "10.77.0.2"))
	found := regexp.MustCompile(`([0-9]+) received`).FindStringSubmatch(r.out)
	if found == nil {
		t.Fatalf("%+v", r)
	}
	received, _ := strconv.ParseInt(found[1], 10, 64)
	report := stopped(t, p)
	var upLost, upTotal, downLost, downTotal int64
	report.find("up", "loss", nil, &upLost, &upTotal)
	report.find("down", "loss", nil, &downLost, &downTotal)
	binomial(t, "up", upLost, upTotal, 0.02)
	binomial(t, "down", downLost, downTotal, 0.05)
	binomial(t, "ping", sent-received, sent, 1-0.98*0.95)
	if upTotal < sent-downLost || downTotal < sent || sent-received > upLost+downLost {
		t.Errorf("ping misses %d of %d; the link has lost %d of %d and %d of %d", sent-received, sent, upLost, upTotal, downLost, downTotal)
	}
}

// TCP delivers everything over a link with every fault at once, in both directions, to serve and from nc.
func TestEmulatedFaults(t *testing.T) {
	dir := t.TempDir()
	data := noiseBytes(t, 2, 400_000)
	if err := os.WriteFile(filepath.Join(dir, "data"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	faults := []string{"--profile", "lossy-wifi", "--loss", "1%", "--delay", "5ms±2ms", "--rate", "50mbit", "--queue", "100packets",
		"--reorder", "1%,8ms", "--duplicate", "1%", "--corrupt", "1%", "--seed", "5", "--stats"}
	p, namespace := serve(t, append([]string{"--listen", "80=files:" + dir + ",9=discard"}, faults...)...)
	for _, host := range []string{"10.77.0.2", "[fd77::2]"} {
		r := finish(t, tool(t, namespace, "curl", "-sS", "--max-time", fmt.Sprint(int(patience.Seconds())), "-o", filepath.Join(dir, "copy"), "http://"+host+"/data"))
		if r.status != 0 || readFile(t, filepath.Join(dir, "copy")) != string(data) {
			t.Errorf("%s: %+v, or other data", host, r)
		}
	}
	report := stopped(t, p)
	for _, way := range []string{"up", "down"} {
		for _, what := range []string{"packets", "rate", "queue", "delay", "loss", "reorder", "duplicate", "corrupt"} {
			report.find(way, what)
		}
	}
	var duplicated int64
	if report.find("up", "duplicate", nil, &duplicated); duplicated == 0 {
		t.Errorf("no packet was duplicated:\n%s", report.text)
	}
}

// Run and gateway have the same flags. Up is the direction from the command, which sends less than it receives.
func TestEmulatedRun(t *testing.T) {
	h := newRunHost(t)
	r := finish(t, h.run(t, "", "--delay", "up:20ms", "--delay", "down:30ms", "--stats", "--", "curl", "-sS", "http://10.77.0.2/"))
	if r.status != 0 || !strings.Contains(r.out, "10.77.0.1") {
		t.Fatalf("%+v", r)
	}
	report := linkReport{t, r.errOut}
	var packets, upBytes, downBytes int64
	var upMean, downMean time.Duration
	report.find("up", "packets", &packets, &upBytes)
	report.find("down", "packets", &packets, &downBytes)
	report.find("up", "delay", &upMean)
	report.find("down", "delay", &downMean)
	if upBytes == 0 || upBytes >= downBytes || upMean < 20*time.Millisecond || downMean < 30*time.Millisecond {
		t.Errorf("%d bytes up, %v; %d bytes down, %v; want fewer up than down, 20 ms and 30 ms", upBytes, upMean, downBytes, downMean)
	}
	r = finish(t, h.run(t, "", "--loss", "100%", "--stats", "--", "curl", "-sS", "--connect-timeout", "1", "http://10.77.0.2/"))
	const timeout = 28 // exit status of curl
	if r.status != timeout || !strings.Contains(r.errOut, "down  loss") {
		t.Errorf("%+v, want the status %d of curl, and a summary", r, timeout)
	}
}

// The flags of gateway emulate the link of its clients, whose packets go up. All data arrives, although the link has
// lost some.
func TestEmulatedGateway(t *testing.T) {
	const share = 0.05
	g, p := startGateway(t, "--delay", "up:20ms", "--rate", "down:20mbit", "--loss", "5%", "--seed", "3", "--stats")
	for i := range forwardFamilies {
		forwardHalfClose(t, g, i)
	}
	report := stopped(t, p)
	var upMean, wait time.Duration
	var rate, lost, total int64
	report.find("up", "delay", &upMean)
	report.find("down", "rate", &rate)
	report.find("down", "queue", &wait)
	if rate == 0 || wait == 0 { // TestEmulatedRate shows how exact it is
		t.Errorf("a rate of %d bit/s down, a wait of %v; want both", rate, wait)
	}
	for _, way := range []string{"up", "down"} {
		report.find(way, "loss", nil, &lost, &total)
		if lost == 0 || total < 400 { // 300,000 bytes in each family
			t.Errorf("%s: %d of %d packets are lost, want some of at least 400", way, lost, total)
		}
		binomial(t, way, lost, total, share)
	}
	if upMean < 20*time.Millisecond || strings.Contains(report.text, "up    rate") || strings.Contains(report.text, "down  delay") {
		t.Errorf("summary:\n%s\nwant a delay up of 20 ms and a rate down", report.text)
	}
}

// With --trace-file, packets leave at the instants of the trace, over and over. 1500 bytes each 4 ms are 3 Mbit/s.
func TestEmulatedTrace(t *testing.T) {
	const rate, size = 3_000_000, 500_000 // bit/s and bytes
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	if err := os.WriteFile(trace, []byte("4\n8\n12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := noiseBytes(t, 6, size)
	if err := os.WriteFile(filepath.Join(dir, "data"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	p, namespace := serve(t, "--address", "10.77.0.2/24", "--listen", "80=files:"+dir, "--trace-file", "up:"+trace, "--stats")
	began := time.Now()
	r := finish(t, tool(t, namespace, "curl", "-sS", "-o", filepath.Join(dir, "copy"), "http://10.77.0.2/data"))
	took := time.Since(began)
	if r.status != 0 || readFile(t, filepath.Join(dir, "copy")) != string(data) {
		t.Fatalf("%+v, or other data", r)
	}
	// The trace allows no more in this time, however fast the machine is. The last instant may be that before began.
	if least := size * 8 * time.Second / rate; took < least-4*time.Millisecond {
		t.Errorf("%d bytes in %v, want at least %v", size, took, least)
	}
	report := stopped(t, p)
	var measured int64
	report.find("up", "rate", &measured)
	if measured == 0 {
		t.Error("no rate was measured")
	}
	t.Logf("%d bit/s in %v", measured, took)
	if !strings.Contains(report.text, "asked "+trace) || strings.Contains(report.text, "down") {
		t.Errorf("summary:\n%s\nwant the name of the trace, and nothing of the other direction", report.text)
	}
}

// Curl downloads a file although packets of more than 1,400 bytes are discarded on the way to it, without an ICMP
// message. A second download loses no packet.
func TestEmulatedBlackHole(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "data"), noiseBytes(t, 1, 3_000_000), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"auto", "always"} {
		p, namespace := serve(t, "--address", "10.77.0.2/24", "--listen", "80=files:"+dir, "--max-packet", "up:1400", "--delay", "up:5ms", "--mtu-probing", mode, "--stats")
		for range 2 {
			r := finish(t, tool(t, namespace, "curl", "-sS", "-o", filepath.Join(dir, "copy"), "-w", "%{http_code}", "http://10.77.0.2/data"))
			if r.status != 0 || r.out != "200" || readFile(t, filepath.Join(dir, "copy")) != readFile(t, filepath.Join(dir, "data")) {
				t.Fatalf("%s: %+v, or other data", mode, r)
			}
		}
		var discarded int64
		stopped(t, p).find("up", "max-packet", &discarded)
		if discarded == 0 || discarded > 60 {
			t.Errorf("%s: %d packets were discarded", mode, discarded)
		}
	}
}
