//go:build linux

package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"minitcp/stack"
)

// The services that are more than a stream of octets; see web.go and files.go.
const (
	httpService  = "http"
	filesService = "files"
)

// streams are the services of the old days. Each serves one connection, which its caller closes, and ends soon when the
// read deadline has passed.
var streams = map[string]func(c *stack.Conn) error{
	"echo":    echo,
	"discard": discard,
	"daytime": daytime,
	"chargen": chargen,
}

// echo sends back what it receives, to the peer's FIN (RFC 862).
func echo(c *stack.Conn) error {
	_, err := c.WriteTo(c)
	return err
}

// discard throws away what it receives, to the peer's FIN (RFC 863).
func discard(c *stack.Conn) error {
	_, err := c.WriteTo(io.Discard)
	return err
}

// daytime sends the time as a line and closes (RFC 867, which leaves the form open).
func daytime(c *stack.Conn) error {
	_, err := io.WriteString(c, time.Now().Format(time.RFC1123Z)+"\r\n")
	return err
}

// chargen sends lines of 72 printable characters until the peer resets the connection (RFC 864), or the read deadline
// passes. A peer that has sent its FIN may go on reading.
func chargen(c *stack.Conn) error {
	var stop atomic.Pointer[error]
	go func() { // ends with the connection
		if _, err := c.WriteTo(io.Discard); err != nil {
			stop.Store(&err)
		}
	}()
	for stop.Load() == nil {
		if _, err := c.Write(chargenLines); err != nil {
			return err
		}
	}
	return *stop.Load()
}

// chargenLines are the pattern of RFC 864, as often as there are characters: after that it repeats itself.
var chargenLines = func() []byte {
	const first, count, width = ' ', 95, 72
	var b []byte
	for line := range count {
		for column := range width {
			b = append(b, byte(first+(line+column)%count))
		}
		b = append(b, "\r\n"...)
	}
	return b
}()

// logEnd logs the end of a service's connection, at level debug: a busy daemon has thousands in a second.
func logEnd(log *slog.Logger, c *stack.Conn, err error) {
	info := c.Info()
	attributes := []any{"remote", c.RemoteAddr().String(), "received", info.Received, "sent", info.Sent}
	if info.Retransmitted > 0 {
		attributes = append(attributes, "retransmitted", info.Retransmitted)
	}
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the addresses are there already
		}
		attributes = append(attributes, "error", err.Error())
	}
	log.Debug("connection ended", attributes...)
}
