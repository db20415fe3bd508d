//go:build linux

package gateway

import (
	"errors"
	"net"
	"syscall"

	"minitcp/stack"
)

// verdict is the outcome of a flow that could not be forwarded, as the client sees it.
type verdict uint8

const (
	refused         verdict = iota // TCP: RST; UDP: port unreachable
	netUnreachable                 // ICMP messages of that kind
	hostUnreachable                //
	prohibited                     //
	silent                         // no answer
)

// reasons are the ICMP messages of the verdicts.
var reasons = map[verdict]stack.Unreachable{
	refused: stack.PortUnreachable, netUnreachable: stack.NetUnreachable, hostUnreachable: stack.HostUnreachable,
	prohibited: stack.AdminProhibited,
}

// verdictOf returns the verdict for the error of a dial or of a datagram.
func verdictOf(err error) verdict {
	if r, ok := errors.AsType[replier](err); ok {
		return r.verdict()
	}
	if _, ok := errors.AsType[*proxyError](err); ok {
		return refused
	}
	switch {
	case errors.Is(err, errProhibited), errors.Is(err, errNoUDP), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return prohibited
	case errors.Is(err, syscall.ENETUNREACH):
		return netUnreachable
	case errors.Is(err, syscall.EHOSTUNREACH):
		return hostUnreachable
	case isTimeout(err):
		return silent
	}
	return refused
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// refuse gives a TCP client the verdict.
func (v verdict) refuse(r *stack.ForwardRequest) {
	switch v {
	case refused:
		r.Reset()
	case silent:
		r.Drop()
	default:
		r.Unreachable(reasons[v])
	}
}
