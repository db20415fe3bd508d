//go:build linux

package subject

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"minitcp/bench/fairness"
	"minitcp/bench/pattern"
)

// The ports of the services.
const (
	PortSink   = 5001 // reads and checks the pattern until the end, then closes
	PortSource = 5002 // writes the pattern until a byte arrives, then ends the stream
	PortEcho   = 5003 // returns the data that it receives, a little at a time
	PortHold   = 5004 // returns one byte, then keeps the connection without a call that waits on it

	PortTalk     = PortHold + HoldPorts // reads TalkBulk bytes of the pattern, writes as many, then does as PortEcho
	PortResponse = PortTalk + 1         // reads a byte, writes ResponseLength bytes of the pattern, closes
	PortGreet    = PortResponse + 1     // writes GreetLength bytes, then keeps the connection
	PortKeep     = PortGreet + 1        // keeps the connection, and reads nothing
	PortEnd      = PortKeep + 1         // closes at once
	PortClosed   = PortEnd + 1          // refuses connections
)

const (
	ResponseLength = 50_000  // bytes of a response
	TalkBulk       = 2 << 20 // bytes of bulk in each direction before the pings of PortTalk
	GreetLength    = 4096
)

// HoldPorts is the number of ports, from PortHold on, with the same service: a client can have some 28,000
// connections to each.
const HoldPorts = 8

// ports are all ports of the services.
var ports = func() []uint16 {
	all := []uint16{PortSink, PortSource, PortEcho, PortTalk, PortResponse, PortGreet, PortKeep, PortEnd}
	for i := range uint16(HoldPorts) {
		all = append(all, PortHold+i)
	}
	return all
}()

// services serve the connections of a target.
type services struct {
	counters
	care  pattern.Care   // of the comparison in a sink
	reads int            // most bytes that it reads at once
	flows fairness.Flows // of the sinks
	watch *fairness.Watch
	mtu   int // of the device; 0 for the target's default

	counted  func() int64     // bytes in a budget of memory; nil if the target has none
	child    int              // ID of the process that is measured in place of this one; 0 for none
	inside   int              // ID of a process in the namespace that takes the place of the client's; 0 for none
	ready    time.Duration    // from the start of the child to the first datagram that it has forwarded
	trueLine func() *exec.Cmd // runs a command that does nothing; nil for none

	mu      sync.Mutex
	held    []net.Conn
	sources []net.Conn // kept if recovery is not nil

	// Counts of loss recovery, of one connection or of all. Either or both may be nil.
	recovery   func(net.Conn) (timeouts, spurious int64)
	recoveries func() (timeouts, spurious int64)
}

// unknown stands for a count that a target does not have.
const unknown = -1

// usage returns the counters, including those of loss recovery.
func (s *services) usage() Usage {
	u := s.counters.usage()
	if s.child != 0 {
		cpu, err := childCPU(s.child)
		if err != nil {
			s.fail("%v", err)
		}
		u.CPU = cpu
	}
	u.Timeouts, u.Spurious = unknown, unknown
	if s.recoveries != nil {
		u.Timeouts, u.Spurious = s.recoveries()
	}
	if s.recovery != nil {
		u.Timeouts, u.Spurious = 0, 0
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range s.sources {
			timeouts, spurious := s.recovery(c)
			u.Timeouts += timeouts
			u.Spurious += spurious
		}
	}
	return u
}

// accept serves the connections of a listener until it fails.
func (s *services) accept(l net.Listener, port uint16) {
	for {
		c, err := l.Accept()
		if err != nil {
			s.fail("accept on port %d: %v", port, err)
			return
		}
		go s.serve(c, port)
	}
}

// serve serves one connection to its end.
func (s *services) serve(c net.Conn, port uint16) {
	s.accepted.Add(1)
	switch port {
	case PortSink:
		s.sink(c)
	case PortSource:
		s.source(c)
	case PortEcho:
		var buffer [256]byte
		s.echo(c, buffer[:])
	case PortTalk:
		s.talk(c)
	case PortResponse:
		s.respond(c)
	case PortGreet:
		s.keep(c)
		c.Write(pattern.At(0)[:GreetLength])
	case PortKeep:
		s.keep(c)
	case PortEnd:
		c.Close()
	default:
		s.hold(c)
	}
}

// bulkBuffers holds buffers of sinks, so that connections that come and go do not allocate them.
var bulkBuffers = sync.Pool{New: func() any { return new([pattern.Period]byte) }}

func (s *services) sink(c net.Conn) {
	defer c.Close()
	buffer := bulkBuffers.Get().(*[pattern.Period]byte)
	defer bulkBuffers.Put(buffer)
	flow := s.flows.New()
	for offset := int64(0); ; {
		n, err := c.Read(buffer[:s.reads])
		if wrong := s.care.Check(buffer[:n], offset); wrong != nil {
			s.fail("sink: %v", wrong)
			return
		}
		offset += int64(n)
		s.in.Add(int64(n))
		flow.Add(n)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.fail("sink: %v", err)
			return
		}
	}
}

func (s *services) source(c net.Conn) {
	defer c.Close()
	if s.recovery != nil {
		s.mu.Lock()
		s.sources = append(s.sources, c)
		s.mu.Unlock()
	}
	var stop atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		var one [1]byte
		n, _ := c.Read(one[:])
		s.in.Add(int64(n))
		stop.Store(true)
		io.Copy(io.Discard, c) // until the client has all data
	}()
	for offset := int64(0); !stop.Load(); {
		n, err := c.Write(pattern.At(offset))
		offset += int64(n)
		s.out.Add(int64(n))
		if err != nil {
			s.fail("source: %v", err)
			return
		}
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		s.fail("source: %T cannot end its stream", c)
		return
	}
	if err := half.CloseWrite(); err != nil {
		s.fail("source: %v", err)
		return
	}
	<-stopped
}

// respond serves one response. The client resets the connection when it has all of it.
func (s *services) respond(c net.Conn) {
	defer c.Close()
	var one [1]byte
	if _, err := io.ReadFull(c, one[:]); err != nil {
		return
	}
	s.in.Add(1)
	s.reply(c, pattern.At(0)[:ResponseLength])
}

// reply writes data after which the client may end. It counts the data first, because the client compares the count
// as soon as it has the data.
func (s *services) reply(c net.Conn, data []byte) error {
	s.out.Add(int64(len(data)))
	n, err := c.Write(data)
	if n < len(data) {
		s.out.Add(int64(n - len(data)))
	}
	return err
}

// talk receives bulk data, sends as much, and then echoes pings.
func (s *services) talk(c net.Conn) {
	defer c.Close()
	buffer := bulkBuffers.Get().(*[pattern.Period]byte)
	defer bulkBuffers.Put(buffer)
	for offset := int64(0); offset < TalkBulk; {
		n, err := c.Read(buffer[:min(int64(s.reads), TalkBulk-offset)])
		s.in.Add(int64(n))
		if err == nil {
			err = s.care.Check(buffer[:n], offset)
		}
		if err != nil {
			s.fail("talk: %v", err)
			return
		}
		offset += int64(n)
	}
	for offset := int64(0); offset < TalkBulk; offset += pattern.Period {
		n, err := c.Write(pattern.At(offset))
		s.out.Add(int64(n))
		if err != nil {
			s.fail("talk: %v", err)
			return
		}
	}
	s.echo(c, buffer[:256])
}

// echo ends with any error: the client resets connections, and compares the data.
func (s *services) echo(c net.Conn, buffer []byte) {
	defer c.Close()
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		s.in.Add(int64(n))
		if err := s.reply(c, buffer[:n]); err != nil {
			return
		}
	}
}

// keep keeps a connection as long as the process.
func (s *services) keep(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, c)
}

func (s *services) hold(c net.Conn) {
	var one [1]byte
	if _, err := io.ReadFull(c, one[:]); err != nil {
		c.Close()
		s.fail("hold: %v", err)
		return
	}
	s.in.Add(1)
	s.keep(c)
	if err := s.reply(c, one[:]); err != nil {
		s.fail("hold: %v", err)
	}
}
