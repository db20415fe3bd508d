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
//	sent.go, sack.go           the retransmission queue, and sentorder.go, sentlost.go, sentsack.go: its lists and SACK
//	                           marks; the SACK blocks received (RFC 2018, RFC 2883)
//	arrival.go, rack.go        what one ACK says; what has been lost (RFC 8985)
//	recovery.go, prr.go        how it is repaired (RFC 5681, RFC 9937); tailprobe.go: TLP; undo.go: it was a mistake;
//	                           resize.go: what Packet Too Big makes too large
//	rate.go, pacer.go          how fast the path delivers; when the next may go; congestion.go and package cc: how much
//	chrono.go, info.go         what the sender waits for; what there is to be told (tcp_info)
//	ecn.go, ecnhandshake.go    congestion without loss: marks made, reported and answered (RFC 3168, RFC 8511)
//	rtt.go, round.go           the retransmission timeout (RFC 6298); round trips
//	autotune.go, early.go      sizes of the buffers, which are in package buffer; data beyond a gap; bulk.go: windows of many
//	                           bulk receivers
//	persist.go, keepalive.go   closed windows, idle peers
//	timestamps.go              RFC 7323
//	idle.go                    an idle connection releases the state of transfers, and the next data makes it anew
//	app.go                     what an application asks for
//	listen.go, embryo.go       before
//	remnant.go                 after
//	check.go                   what holds between any two calls, for tests; see conntest
//
// What every state does with every kind of segment stands in testdata/matrix.txt; RFC9293.md lists the RFC's
// requirements and the tests that show them.
//
// Inside, positions are [seq.Offset]: 64 bits, from 0 at the SYN; the 32-bit numbers of the wire are unwrapped in
// Receive and wrapped in Transmit.
package conn
