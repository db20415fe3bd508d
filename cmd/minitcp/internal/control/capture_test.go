//go:build linux

package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"
)

// packet is a packet of a capture, with its comment.
type packet struct {
	bytes   []byte
	comment string
	dropped uint64 // packets missing before it
}

// readPackets reads a capture.
func readPackets(t *testing.T, from io.Reader) (list []packet, end []pcapgo.NgInterfaceStatistics) {
	t.Helper()
	r, err := pcapgo.NewNgReader(from, pcapgo.NgReaderOptions{
		StatisticsCallback: func(_ int, s pcapgo.NgInterfaceStatistics) { end = append(end, s) }})
	if err != nil {
		t.Fatal(err)
	}
	for {
		b, _, options, err := r.ReadPacketDataWithOptions()
		if err == io.EOF {
			return list, end
		}
		if err != nil {
			t.Fatalf("packet %d: %v", len(list), err)
		}
		p := packet{bytes: b, comment: strings.Join(options.Comments, "; ")}
		if options.DropCount != nil {
			p.dropped = *options.DropCount
		}
		list = append(list, p)
	}
}

// signalWriter is a buffer that closes began at its first Write.
type signalWriter struct {
	began chan struct{}
	once  sync.Once
	b     bytes.Buffer
}

func newSignalWriter() *signalWriter { return &signalWriter{began: make(chan struct{})} }

func (w *signalWriter) Write(b []byte) (int, error) {
	w.once.Do(func() { close(w.began) })
	return w.b.Write(b)
}

// listening returns a Monitor that serves the API, and its client.
func listening(t *testing.T) (*Monitor, *Client) {
	t.Helper()
	m := newMonitor(t, newStack(t))
	a, err := ParseAddress("unix:" + filepath.Join(t.TempDir(), "api"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Listen(a); err != nil {
		t.Fatal(err)
	}
	return m, NewClient(a)
}

// captured is a Client's Capture that runs.
type captured struct {
	out  *signalWriter
	stop context.CancelFunc
	lost uint64
	err  chan error
}

// capture begins a capture, and returns when it has begun.
func (c *Client) capture(t *testing.T, o CaptureOptions) *captured {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	d := &captured{out: newSignalWriter(), stop: stop, err: make(chan error, 1)}
	go func() {
		var err error
		d.lost, err = c.Capture(ctx, d.out, o)
		d.err <- err
	}()
	select {
	case <-d.out.began:
	case err := <-d.err:
		t.Fatal(err)
	}
	return d
}

// packets waits for the end of the capture.
func (d *captured) packets(t *testing.T) ([]packet, []pcapgo.NgInterfaceStatistics) {
	t.Helper()
	if err := <-d.err; err != nil {
		t.Fatal(err)
	}
	return readPackets(t, &d.out.b)
}

// TestCapture checks the packets of a connection: each is there once as it leaves and once as it arrives, because the
// stack talks to itself.
func TestCapture(t *testing.T) {
	m, c := listening(t)
	d := c.capture(t, CaptureOptions{})
	client, server := connect(t, m.stack)
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	d.stop()
	list, end := d.packets(t)
	comments, hello := make(map[string]int), 0
	for _, p := range list {
		comments[p.comment]++
		if bytes.HasSuffix(p.bytes, []byte("hello")) {
			hello++
		}
	}
	// A frame that leaves may be captured after the same frame has arrived, on another goroutine.
	if len(list) < 8 || hello != 2 || comments["no connection"] != 1 || comments["SYN-SENT"] != 2 || comments["SYN-RECEIVED"] != 2 {
		t.Errorf("%v, %d with the data; want the SYN without a connection, two packets each in SYN-SENT and SYN-RECEIVED, and 2 with data",
			comments, hello)
	}
	if len(end) != 1 || end[0].PacketsDropped != 0 || end[0].PacketsReceived < uint64(len(list)) || d.lost != 0 {
		t.Errorf("statistics %+v, %d lost", end, d.lost)
	}
}

// TestCaptureSelects checks the filter and the count.
func TestCaptureSelects(t *testing.T) {
	m, c := listening(t)
	filtered := c.capture(t, CaptureOptions{Filter: "state established sport = :80"})
	counted := c.capture(t, CaptureOptions{Count: 3})
	client, server := connect(t, m.stack)
	for range 5 {
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if list, end := counted.packets(t); len(list) != 3 || len(end) != 1 {
		t.Errorf("%d packets and %d statistics, want 3 and 1", len(list), len(end))
	}
	filtered.stop()
	list, _ := filtered.packets(t)
	data := 0
	for _, p := range list {
		if p.comment != "ESTABLISHED" {
			t.Errorf("a packet in %s", p.comment)
		}
		if bytes.HasSuffix(p.bytes, []byte("x")) {
			data++
		}
	}
	if data != 5 { // as they arrive at port 80; as they leave, 80 is the peer's port
		t.Errorf("%d packets with data, want 5", data)
	}
}

// TestCaptureDaemonEnds checks that a capture is completed when the daemon ends.
func TestCaptureDaemonEnds(t *testing.T) {
	m, c := listening(t)
	d := c.capture(t, CaptureOptions{})
	connect(t, m.stack)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if list, end := d.packets(t); len(list) < 6 || len(end) != 1 {
		t.Errorf("%d packets and %d statistics, want at least 6 and 1", len(list), len(end))
	}
}

// slowWriter takes nothing until it is released.
type slowWriter struct {
	*signalWriter
	release chan struct{}
}

func (w slowWriter) Write(b []byte) (int, error) {
	n, err := w.signalWriter.Write(b)
	<-w.release
	return n, err
}

// TestCaptureSlow checks that a client that takes nothing makes packets get lost, which are counted, and that the
// connection does not wait for it. The data exceeds the room of all queues between the stack and the client.
func TestCaptureSlow(t *testing.T) {
	m, c := listening(t)
	w := slowWriter{newSignalWriter(), make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	type result struct {
		lost uint64
		err  error
	}
	done := make(chan result, 1)
	go func() {
		lost, err := c.Capture(ctx, w, CaptureOptions{})
		done <- result{lost, err}
	}()
	<-w.began
	client, server := connect(t, m.stack)
	const size = 4 * captureQueue
	go func() {
		client.Write(make([]byte, size))
		client.CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, server); n != size || err != nil {
		t.Fatalf("%d bytes, %v; want %d", n, err, size)
	}
	stop()
	close(w.release)
	r := <-done
	_, end := readPackets(t, &w.b)
	if r.err != nil || r.lost == 0 || len(end) != 1 || end[0].PacketsDropped != r.lost {
		t.Errorf("%+v, statistics %+v; want lost packets, as many in both", r, end)
	}
}

// TestCaptureBlockedEnds checks that the daemon ends although a client takes nothing.
func TestCaptureBlockedEnds(t *testing.T) {
	m, c := listening(t)
	w := slowWriter{newSignalWriter(), make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := c.Capture(t.Context(), w, CaptureOptions{})
		done <- err
	}()
	<-w.began
	client, server := connect(t, m.stack)
	go func() {
		client.Write(make([]byte, captureQueue))
		client.CloseWrite()
	}()
	if _, err := io.Copy(io.Discard, server); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	close(w.release)
	if err := <-done; err == nil {
		t.Error("Capture returns no error for a capture that was cut off")
	}
}

func TestCaptureRefused(t *testing.T) {
	m, c := listening(t)
	for _, test := range []struct {
		handler http.Handler
		query   string
		want    int
		text    string
	}{
		{m.handler(true), "", http.StatusForbidden, "loopback"},
		{m.handler(false), "?filter=bogus", http.StatusBadRequest, `"bogus"`},
		{m.handler(false), "?count=0", http.StatusBadRequest, `count="0"`},
		{m.handler(false), "?count=-1", http.StatusBadRequest, `count="-1"`},
	} {
		if w := get(test.handler, "GET", "/api/capture"+test.query); w.Code != test.want || !strings.Contains(w.Body.String(), test.text) {
			t.Errorf("%q: status %d, %q; want %d with %s", test.query, w.Code, w.Body, test.want, test.text)
		}
	}
	if w := get(m.handler(false), "GET", "/api/capture", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"); w.Code != http.StatusForbidden {
		t.Errorf("a link of another origin: status %d, want %d", w.Code, http.StatusForbidden)
	}
	for range maxCaptures {
		c.capture(t, CaptureOptions{})
	}
	_, err := c.Capture(t.Context(), io.Discard, CaptureOptions{})
	if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != http.StatusServiceUnavailable {
		t.Errorf("one capture too many: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if w := get(m.handler(false), "GET", "/api/capture"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("after Close: status %d, want %d", w.Code, http.StatusServiceUnavailable)
	}
}
