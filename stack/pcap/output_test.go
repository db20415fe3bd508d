package pcap

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// written returns the bytes that a capture has written to its Output.
func written(t *testing.T, b []byte) reading {
	t.Helper()
	path := filepath.Join(t.TempDir(), "capture")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return readFile(t, path)
}

// TestOutput checks that Output gets the packets that Select takes, up to Limit, and that Full is called once.
func TestOutput(t *testing.T) {
	var b bytes.Buffer
	full := 0
	c, err := Create(Config{
		Output: &b,
		Select: func(f *stack.Frame) bool { return f.State == conn.Established },
		Limit:  2,
		Full:   func() { full++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, state := range []conn.State{conn.Closed, conn.Established, conn.TimeWait, conn.Established, conn.Established} {
		c.Tap(&stack.Frame{State: state, Parts: [][]byte{segmentSpec{flags: wire.ACK, data: i}.frame()}})
		if want := max(0, i-2); i < 4 && full != want {
			t.Errorf("after frame %d Full has been called %d times, want %d", i, full, want)
		}
	}
	closeCapture(t, c)
	got := written(t, b.Bytes())
	if full != 1 || len(got.packets) != 2 || len(got.statistics) != 1 {
		t.Fatalf("Full was called %d times, %d packets, %d statistics; want 1, 2 and 1", full, len(got.packets), len(got.statistics))
	}
	for i, size := range []int{1, 3} {
		if _, _, data := got.packets[i].segment(t); len(data) != size {
			t.Errorf("packet %d has %d bytes of data, want %d", i, len(data), size)
		}
	}
	if n := c.Counts(); n != (Counts{Seen: 5, Captured: 2}) || got.statistics[0].PacketsReceived != 5 {
		t.Errorf("%+v, %+v", n, got.statistics[0])
	}
}

// TestOutputSlow checks that a reader who takes nothing makes packets get lost, and Tap never wait.
func TestOutputSlow(t *testing.T) {
	r, w := io.Pipe()
	c, err := Create(Config{Output: &lateWriter{w, 1}, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	const frames = 400
	for range frames {
		c.Tap(&stack.Frame{Parts: [][]byte{segmentSpec{flags: wire.ACK, data: 1000}.frame()}})
	}
	lost := c.Counts().Lost
	if lost < frames/2 { // the queue has room for 32, and the buffer before Output for about 60
		t.Errorf("%d packets were lost of %d", lost, frames)
	}
	var b bytes.Buffer
	done := make(chan error)
	go func() {
		_, err := io.Copy(&b, r)
		done <- err
	}()
	if err := c.Close(); err == nil {
		t.Error("Close returns no LostError")
	}
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	section := written(t, append(header(t), b.Bytes()...))
	if s := section.statistics; len(s) != 1 || s[0].PacketsDropped != lost || len(section.packets) != frames-int(lost) {
		t.Errorf("%+v, %d packets; want %d lost", s, len(section.packets), lost)
	}
}

// lateWriter discards the first n writes, then writes to a pipe.
type lateWriter struct {
	w io.Writer
	n int
}

func (l *lateWriter) Write(b []byte) (int, error) {
	if l.n > 0 {
		l.n--
		return len(b), nil
	}
	return l.w.Write(b)
}

// header returns the beginning of a capture: its section header and its interface.
func header(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := newWriter(&Config{Output: &b}, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// errWriter returns its error.
type errWriter struct{ err error }

func (w errWriter) Write([]byte) (int, error) { return 0, w.err }

func TestOutputErrors(t *testing.T) {
	if c, err := Create(Config{Output: errWriter{syscall.EPIPE}}); c != nil || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("an Output that fails: %v", err)
	}
	for _, cfg := range []Config{{Output: io.Discard, Path: "x"}, {Output: io.Discard, MaxSize: 1}} {
		if c, err := Create(cfg); c != nil || err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	failed := make(chan error, 1)
	c, err := Create(Config{Output: &failsLater{}, Failed: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	c.Tap(&stack.Frame{Parts: [][]byte{segmentSpec{flags: wire.ACK}.frame()}})
	for deadline := time.Now().Add(10 * time.Second); len(failed) == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("Failed is not called")
		}
	}
	if err := c.Close(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Close: %v, want EPIPE", err)
	}
}

// failsLater fails from its second Write on.
type failsLater struct{ n int }

func (w *failsLater) Write(b []byte) (int, error) {
	if w.n++; w.n > 1 {
		return 0, syscall.EPIPE
	}
	return len(b), nil
}

func TestEnds(t *testing.T) {
	tcp := segmentSpec{flags: wire.ACK, data: 9}.frame()
	fragment := bytes.Clone(tcp)
	fragment[wire.VirtioHeaderLen+7] = 100
	for _, test := range []struct {
		name          string
		outgoing      bool
		frame         []byte
		local, remote string
	}{
		{"in", false, tcp, "10.77.0.2:80", "10.77.0.1:40000"},
		{"out", true, segmentSpec{src: ours6, dst: theirs6, srcPort: 80, dstPort: 5, flags: wire.ACK}.frame(), "[fd77::2]:80", "[fd77::1]:5"},
		{"UDP", false, packetFrame(theirs4, ours4, wire.ProtocolUDP, []byte{0, 9, 0, 53, 0, 8, 0, 0}), "10.77.0.2:53", "10.77.0.1:9"},
		{"ping", false, packetFrame(theirs4, ours4, wire.ProtocolICMP, []byte{8, 0, 0, 0, 1, 2, 3, 4}), "10.77.0.2:0", "10.77.0.1:0"},
		{"later fragment", false, fragment, "10.77.0.2:0", "10.77.0.1:0"},
		{"no packet", false, make([]byte, 12), "", ""},
		{"empty", false, nil, "", ""},
	} {
		for _, at := range []int{0, 15, len(test.frame)} {
			at = min(at, len(test.frame))
			local, remote, ok := Ends(&stack.Frame{Outgoing: test.outgoing, Parts: [][]byte{test.frame[:at], test.frame[at:]}})
			if test.local == "" {
				if ok {
					t.Errorf("%s: %v, %v", test.name, local, remote)
				}
				continue
			}
			if !ok || local != netip.MustParseAddrPort(test.local) || remote != netip.MustParseAddrPort(test.remote) {
				t.Errorf("%s: %v, %v, %v; want %s, %s", test.name, local, remote, ok, test.local, test.remote)
			}
		}
	}
}
