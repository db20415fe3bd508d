// Package conn is TCP: one connection as pure data and functions. It has no clock, lock, goroutine, randomness or I/O;
// whoever drives it brings them.
//
// # The contract
//
// Four kinds of call:
//
//	in    Receive(now, segment)      a segment arrived
//	      ReceiveICMP(now, error)    an ICMP error about one of ours arrived
//	      Advance(now)               time passed; harmless if early
//	app   Read, Write, CloseWrite, Close, Abort    none blocks
//	out   Transmit(now, limit, out)  call until it says false; a limit above the MSS asks for superframes
//	ask   Deadline, Ready, State, Info
//
// After any in or app call: drain Transmit, re-arm Deadline, compare Ready's bits. Nothing else.
//
// Three types share a connection's life. A SYN that reaches a listener makes an [Embryo]; when its handshake completes
// it becomes a [Conn], as an active [Dial] is from the start; and in TIME-WAIT a [Remnant] is all that is kept.
//
// # Reading order
//
//	state.go, window.go        the states, and the sequence space in one picture
//	conn.go                    the connection
//	receive.go, synsent.go     SEGMENT ARRIVES, RFC 9293 3.10.7, in the RFC's steps
//	ack.go                     when to acknowledge; SACK blocks (RFC 2018); challenge ACKs (RFC 5961)
//	transmit.go, sendlimit.go  what to send next; how much may go, and if none, why
//	recovery.go, rtt.go        loss (RFC 5681, RFC 6582) and the retransmission timeout (RFC 6298)
//	persist.go, keepalive.go   closed windows, idle peers
//	timestamps.go              RFC 7323
//	app.go                     what an application asks for
//	listen.go, embryo.go       before
//	remnant.go                 after
//
// Inside, positions are [seq.Offset]: 64 bits, from 0 at the SYN; the 32-bit numbers of the wire are unwrapped in
// Receive and wrapped in Transmit.
package conn
