//go:build linux

package subject

import (
	"errors"
	"fmt"
	"io"

	"minitcp/bench/fairness"
	"minitcp/bench/pattern"
	"minitcp/stack"
)

// startInline starts services with Handlers in place of goroutines.
func startInline(s *services) error {
	tcp, err := newStack(stack.Config{})
	if err != nil {
		return err
	}
	for _, port := range ports {
		open := func(c *stack.Conn) stack.Handler {
			s.accepted.Add(1)
			h := &inline{services: s, port: port}
			if port == PortSink {
				h.flow = s.flows.New()
			}
			h.Writable(c)
			return h
		}
		if _, err := tcp.Handle("tcp", fmt.Sprintf(":%d", port), open); err != nil {
			return err
		}
	}
	return nil
}

// inline is a service on one connection.
type inline struct {
	*services
	port   uint16
	offset int64          // in the pattern
	flow   *fairness.Flow // of a sink
}

// sourceEnded is the value of inline.port after the client has stopped the source of a PortSource connection.
const sourceEnded = 0

// Received serves the data that arrived. Of an echo, the data for which there is no room waits in the connection.
func (h *inline) Received(c *stack.Conn, data []byte) int {
	taken := len(data)
	h.in.Add(int64(taken)) // before the reply, after which the client may request the count
	switch h.port {
	case PortSink:
		if wrong := h.care.Check(data, h.offset); wrong != nil {
			h.fail("sink: %v", wrong)
		}
		h.offset += int64(len(data))
		h.flow.Add(len(data))
	case sourceEnded:
	case PortSource:
		h.port = sourceEnded
		if err := c.CloseWrite(); err != nil {
			h.fail("source: %v", err)
		}
	default: // echo; the client of hold uses it once
		h.out.Add(int64(len(data))) // before the client has the data and compares the count
		taken, _ = c.TryWrite(data) // the client checks the data it gets
		h.out.Add(int64(taken - len(data)))
	}
	if rest := len(data) - taken; rest > 0 {
		h.in.Add(int64(-rest))
	}
	return taken
}

// Writable continues the source.
func (h *inline) Writable(c *stack.Conn) {
	for h.port == PortSource {
		p := pattern.At(h.offset)
		n, err := c.TryWrite(p)
		if err != nil {
			h.fail("source: %v", err)
			return
		}
		h.offset += int64(n)
		h.out.Add(int64(n))
		if n < len(p) {
			return
		}
	}
}

// Ended closes the connection. The client resets connections of the echo, and compares the data.
func (h *inline) Ended(c *stack.Conn, err error) {
	if !errors.Is(err, io.EOF) && h.port == PortSink {
		h.fail("sink: %v", err)
	}
	c.Close()
}
