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
	// serve accepts connections until shutdown or until the listener ends. It returns the listener's error, which is
	// net.ErrClosed after shutdown.
	serve(l *stack.Listener) error
	// shutdown closes the listeners, lets the connections finish, and waits for them until ctx ends.
	shutdown(ctx context.Context)
}

// streamServer runs a service of streams.
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
			closeGracefully(c)
			if isUnsent(err) {
				s.log.Debug("shutdown ended a connection before all data was sent", "remote", c.RemoteAddr().String())
			}
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

// isUnsent reports whether err is the write deadline of shutdown, after which data that the service has read does not
// reach the peer. Other errors are the ends of connections, which the Monitor logs.
func isUnsent(err error) bool {
	var op *net.OpError // the innermost: an error of WriteTo has two if a Write failed, and one if its own reading did
	for inner, ok := errors.AsType[*net.OpError](err); ok; inner, ok = errors.AsType[*net.OpError](inner.Err) {
		op = inner
	}
	return op != nil && op.Op == "write" && errors.Is(err, os.ErrDeadlineExceeded)
}

func (s *streamServer) remove(c *stack.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.idle.Done()
}

// lingerTimeout is the time that a peer has to send its FIN after ours.
const lingerTimeout = 2 * time.Second

// closeGracefully sends the FIN and then discards data until the peer's FIN. Close with unread data would send a RST,
// which may destroy data that the service has written.
func closeGracefully(c *stack.Conn) {
	defer c.Close()
	if c.CloseWrite() == nil {
		c.SetReadDeadline(time.Now().Add(lingerTimeout))
		c.WriteTo(io.Discard)
	}
}

// writeGrace is the time that a service has after shutdown to write the data it has read.
const writeGrace = 2 * time.Second

func (s *streamServer) shutdown(ctx context.Context) {
	s.mu.Lock()
	s.stopping = true
	for _, l := range s.listeners {
		l.Close()
	}
	now := time.Now()
	for c := range s.conns {
		c.SetReadDeadline(now)
		c.SetWriteDeadline(now.Add(writeGrace))
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
