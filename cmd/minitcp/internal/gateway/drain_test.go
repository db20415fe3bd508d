//go:build linux

package gateway

import (
	"context"
	"errors"
	"io"
	"testing"
)

// Shutdown waits for the connections that are open, which still pass data. New ones get no answer.
func TestShutdown(t *testing.T) {
	f := newFixture(t, Options{})
	l, address := listen(t, 0)
	client, err := f.dial(t, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if err := f.gateway.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Shutdown without time: %v, want %v", err, context.Canceled)
	}
	ended := make(chan error, 1)
	go func() { ended <- f.gateway.Shutdown(t.Context()) }()
	ctx, giveUp = context.WithCancel(t.Context())
	dialed := make(chan error, 1)
	go func() {
		_, err := f.client.DialContext(ctx, "tcp", address)
		dialed <- err
	}()
	io.WriteString(client, "question")
	expect(t, server, "question")
	io.WriteString(server, "the answer")
	expect(t, client, "the answer")
	select {
	case err := <-ended:
		t.Fatalf("Shutdown returns %v while a connection is open", err)
	case err := <-dialed:
		t.Fatalf("a new connection ends with %v, want no answer", err)
	default:
	}
	client.Close()
	expectEnd(t, server, io.EOF)
	server.Close()
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	giveUp()
	if err := <-dialed; !errors.Is(err, context.Canceled) {
		t.Errorf("a new connection ends with %v, want no answer", err)
	}
}
