//go:build linux

package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"minitcp/cmd/minitcp/internal/gateway"
	"minitcp/stack"
)

// inside is the side of a sandbox, as published ports need it.
type inside struct {
	stack   *stack.Stack
	gateway *gateway.Gateway
	targets []netip.Addr // of the command
	log     *slog.Logger
}

// serve connects the clients of the host's sockets with the command. Its goroutines end after close and the end of the
// stack.
func (all *published) serve(in *inside) {
	for _, l := range all.listeners {
		go l.serve(in)
	}
	for _, u := range all.sockets {
		go u.serve(in)
	}
}

// publishPause is the time before the next Accept after a failure, such as too many open files.
const publishPause = 100 * time.Millisecond

func (l publishedTCP) serve(in *inside) {
	for {
		c, err := l.AcceptTCP()
		switch {
		case err == nil:
			go l.connect(c, in)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			in.log.Warn("cannot accept a published connection", "error", err)
			time.Sleep(publishPause)
		}
	}
}

// connect relays between a client of the host and the first address of the command that accepts the connection. If none
// does, the client gets a RST.
func (l publishedTCP) connect(client *net.TCPConn, in *inside) {
	for _, a := range in.targets {
		c, err := in.stack.DialTCP(context.Background(), netip.AddrPort{}, netip.AddrPortFrom(a, l.inside))
		if err == nil {
			in.gateway.Relay(c, client)
			return
		}
		in.log.Debug("a published port does not accept connections inside", "port", l.inside, "error", err)
	}
	client.SetLinger(0)
	client.Close()
}

// publishedUDP is a UDP socket of the host. Each of its clients has a socket on the stack.
type publishedUDP struct {
	socket *net.UDPConn
	inside uint16

	mu    sync.Mutex
	flows map[netip.AddrPort]*stack.UDPConn // by client
}

const (
	publishedTimeout  = 5 * time.Minute // without a datagram from COMMAND or the client [RFC 4787 REQ-5]
	maxPublishedFlows = 4096            // of a socket; datagrams of more clients are dropped
	maxDatagram       = 65535
)

func (u *publishedUDP) serve(in *inside) {
	to := netip.AddrPortFrom(in.targets[0], u.inside)
	b := make([]byte, maxDatagram)
	for {
		n, client, err := u.socket.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier datagram
		}
		if flow := u.flow(client, in.stack, to); flow != nil {
			flow.SetReadDeadline(time.Now().Add(publishedTimeout))
			flow.Write(b[:n])
		}
	}
}

// flow returns the socket of a client, nil if there are too many.
func (u *publishedUDP) flow(client netip.AddrPort, s *stack.Stack, to netip.AddrPort) *stack.UDPConn {
	u.mu.Lock()
	defer u.mu.Unlock()
	if flow := u.flows[client]; flow != nil || len(u.flows) >= maxPublishedFlows {
		return flow
	}
	flow, err := s.DialUDP(netip.AddrPort{}, to)
	if err != nil {
		return nil
	}
	u.flows[client] = flow
	go u.reply(client, flow)
	return flow
}

// reply sends the datagrams of COMMAND to a client, until there are none for publishedTimeout.
func (u *publishedUDP) reply(client netip.AddrPort, flow *stack.UDPConn) {
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.flows, client)
		flow.Close()
	}()
	b := make([]byte, maxDatagram)
	for {
		n, err := flow.Read(b)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			continue // nothing listens inside yet
		case err != nil:
			return
		}
		flow.SetReadDeadline(time.Now().Add(publishedTimeout))
		u.socket.WriteToUDPAddrPort(b[:n], client)
	}
}
