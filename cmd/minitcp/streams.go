//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"minitcp/stack"
)

// server offers a service on listeners.
type server interface {
	// serve accepts until shutdown or the listener's end, and returns why it ended: net.ErrClosed as a rule.
	serve(l *stack.Listener) error
	// shutdown closes the listeners, lets the connections finish what they do, and waits for that until ctx ends.
	shutdown(ctx context.Context)
}

// streamServer offers one of streams.
type streamServer struct {
	handle func(*stack.Conn) error
	log    *slog.Logger

	mu        sync.Mutex
	listeners []*stack.Listener
	conns     map[*stack.Conn]struct{}
	stopping  bool
	idle      sync.WaitGroup // connections being served
}

func newStreamServer(handle func(*stack.Conn) error, log *slog.Logger) *streamServer {
	return &streamServer{handle: handle, log: log, conns: make(map[*stack.Conn]struct{})}
}

func (s *streamServer) serve(l *stack.Listener) error {
	if !s.addListener(l) {
		l.Close()
	}
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return err
		}
		if !s.add(c) {
			c.Close()
			continue
		}
		go func() {
			defer s.remove(c)
			s.log.Debug("connection accepted", "remote", c.RemoteAddr().String())
			err := s.handle(c)
			leave(c)
			if s.ended(err) {
				err = nil
			}
			logEnd(s.log, c, err)
		}()
	}
}

func (s *streamServer) addListener(l *stack.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
	return !s.stopping
}

func (s *streamServer) add(c *stack.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.conns[c] = struct{}{}
	s.idle.Add(1)
	return true
}

// ended reports whether err is the read deadline by which shutdown ends a connection. A write deadline that passes is an
// error: data that the service has read did not reach the peer.
func (s *streamServer) ended(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "read" || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func (s *streamServer) remove(c *stack.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.idle.Done()
}

// farewell is how long a peer may take to send its FIN after ours.
const farewell = 2 * time.Second

// leave sends the FIN and then throws away what the peer still sends: unread, it would make Close send a RST, which may
// overtake what the service has written.
func leave(c *stack.Conn) {
	defer c.Close()
	if c.CloseWrite() == nil {
		c.SetReadDeadline(time.Now().Add(farewell))
		c.WriteTo(io.Discard)
	}
}

// finishing is how long what has been read may take to be written once the service ends.
const finishing = 2 * time.Second

func (s *streamServer) shutdown(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	for _, l := range s.listeners {
		l.Close()
	}
	now := time.Now()
	for c := range s.conns {
		c.SetReadDeadline(now)
		c.SetWriteDeadline(now.Add(finishing))
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.idle.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
