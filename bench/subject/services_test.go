//go:build linux

package subject

import (
	"encoding/json"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"minitcp/bench/pattern"
)

// halfPipe is an in-memory connection whose stream can be ended; the other direction goes on.
type halfPipe struct {
	net.Conn
	out *io.PipeWriter
}

func (h halfPipe) Write(b []byte) (int, error) { return h.out.Write(b) }
func (h halfPipe) CloseWrite() error           { return h.out.Close() }

// serveOne serves one connection with a function as its client, and returns the counts when both are done.
func serveOne(t *testing.T, port uint16, client func(to net.Conn, from io.Reader)) Usage {
	t.Helper()
	s := &services{reads: MaxReads}
	ours, theirs := net.Pipe()
	from, out := io.Pipe()
	done := make(chan struct{})
	go func() {
		s.serve(halfPipe{ours, out}, port)
		close(done)
	}()
	client(theirs, from)
	theirs.Close()
	<-done
	return s.usage()
}

func TestSink(t *testing.T) {
	wrong := slices.Clone(pattern.At(0))
	wrong[1000] ^= 1
	for _, test := range []struct {
		name    string
		data    []byte
		failure string // part of its text; "" for none
	}{
		{"the pattern", slices.Concat(pattern.At(0), pattern.At(0)[:77]), ""},
		{"a wrong byte", wrong, "sink: byte 1000 of the stream"},
		{"data that is missing", pattern.At(1), "sink: byte 0 of the stream"},
	} {
		u := serveOne(t, PortSink, func(to net.Conn, _ io.Reader) { to.Write(test.data) })
		if test.failure == "" && (u.Failure != "" || u.In != int64(len(test.data)) || u.Accepted != 1) {
			t.Errorf("%s: %+v", test.name, u)
		}
		if test.failure != "" && !strings.Contains(u.Failure, test.failure) {
			t.Errorf("%s: failure %q, want %q", test.name, u.Failure, test.failure)
		}
	}
}

func TestSource(t *testing.T) {
	var received int64
	u := serveOne(t, PortSource, func(to net.Conn, from io.Reader) {
		b := make([]byte, 3*pattern.Period/2)
		io.ReadFull(from, b)
		if err := pattern.Sampled.Check(b, 0); err != nil {
			t.Error(err)
		}
		to.Write([]byte{0})
		rest, _ := io.Copy(io.Discard, from)
		received = int64(len(b)) + rest
	})
	if u.Out != received || u.In != 1 || u.Failure != "" {
		t.Errorf("%+v; %d bytes were received", u, received)
	}
}

func TestEchoAndHold(t *testing.T) {
	for _, port := range []uint16{PortEcho, PortHold} {
		var back [1]byte
		u := serveOne(t, port, func(to net.Conn, from io.Reader) {
			to.Write([]byte{42})
			io.ReadFull(from, back[:])
		})
		if back[0] != 42 || u.In != 1 || u.Accepted != 1 || u.Failure != "" {
			t.Errorf("port %d: %d came back, %+v", port, back[0], u)
		}
	}
}

// countedConn records the number of bytes that are counted at a write, and may refuse the write.
type countedConn struct {
	net.Conn
	io.Reader
	services *services
	counted  int64
	refuse   bool
}

func (c *countedConn) Read(b []byte) (int, error) { return c.Reader.Read(b) }
func (c *countedConn) Close() error               { return nil }

func (c *countedConn) Write(b []byte) (int, error) {
	c.counted = c.services.out.Load()
	if c.refuse {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

// A reply is counted before the client can have it. One that cannot be written is not counted.
func TestReplyCounted(t *testing.T) {
	for port, want := range map[uint16]int64{PortEcho: 1, PortHold: 1, PortResponse: ResponseLength} {
		for _, refuse := range []bool{false, true} {
			s := &services{reads: MaxReads}
			c := &countedConn{Reader: strings.NewReader("*"), services: s, refuse: refuse}
			s.serve(c, port)
			after := want
			if refuse {
				after = 0
			}
			if c.counted != want || s.out.Load() != after {
				t.Errorf("port %d, refused %v: %d bytes counted at the write and %d after it, want %d and %d", port, refuse, c.counted, s.out.Load(), want, after)
			}
		}
	}
}

// The reply to a known request is JSON. Another request is an error.
func TestAnswer(t *testing.T) {
	s := &services{reads: MaxReads}
	s.in.Add(5)
	s.fail("first %d", 1)
	s.fail("second")
	var u Usage
	line, err := s.answer(sayUsage)
	if err == nil {
		err = json.Unmarshal([]byte(line), &u)
	}
	if err != nil || u.In != 5 || u.Failure != "first 1" || u.Time <= 0 || u.CPU < 0 {
		t.Errorf("usage: %q, %v", line, err)
	}
	var m Memory
	line, err = s.answer(sayMemory)
	if err == nil {
		err = json.Unmarshal([]byte(line), &m)
	}
	if err != nil || m.RSS <= 0 || m.Heap <= 0 {
		t.Errorf("memory: %q, %v", line, err)
	}
	if line, err := s.answer("nonsense"); err == nil {
		t.Errorf("nonsense: %q", line)
	}
}
