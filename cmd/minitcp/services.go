//go:build linux

package main

import (
	"io"
	"sync/atomic"
	"time"

	"minitcp/stack"
)

// Names of the services over HTTP; see web.go and files.go.
const (
	httpService  = "http"
	filesService = "files"
)

// streams maps the names of the simple services to functions that serve one connection. The caller closes the
// connection. A function returns soon after the read deadline has passed.
var streams = map[string]func(c *stack.Conn) error{
	"echo":    echo,
	"discard": discard,
	"daytime": daytime,
	"chargen": chargen,
}

// echo returns the data it receives until the peer's FIN [RFC 862].
func echo(c *stack.Conn) error {
	_, err := c.WriteTo(c)
	return err
}

// discard discards the data it receives until the peer's FIN [RFC 863].
func discard(c *stack.Conn) error {
	_, err := c.WriteTo(io.Discard)
	return err
}

// daytime sends the date and time as one line [RFC 867, which does not specify a format].
func daytime(c *stack.Conn) error {
	_, err := io.WriteString(c, time.Now().Format(time.RFC1123Z)+"\r\n")
	return err
}

// chargen sends lines of 72 printable characters until the peer resets the connection or the read deadline passes. A
// peer that has sent its FIN may continue to read [RFC 864].
func chargen(c *stack.Conn) error {
	var stop atomic.Pointer[error]
	go func() { // returns when the connection ends
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

// chargenLines is one period of the pattern of RFC 864: one line for each character.
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
