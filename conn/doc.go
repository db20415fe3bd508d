// Package conn implements one TCP connection as pure data and functions. It has no clock, lock, goroutine, randomness or
// I/O. Its caller, the driver, supplies the time, random numbers and the network; package stack is one, and the Example
// is another in 50 lines.
//
// # The contract
//
// A connection is in one of three stages, each with a type of its own. All have Receive, Transmit, Advance, Deadline,
// ISS and IRS.
//
//	Handshake     a listener's handshake in SYN-RECEIVED. The driver asks ReceiveListen about a segment for a listener,
//	           and makes a Handshake of a SYN with NewHandshake. When Handshake.State is HandshakeReady, it calls Establish and
//	           gives the Conn the same segment; when it is HandshakeDead, it drops the Handshake. Hold
//	           delays the SYN-ACK while the driver decides whether to accept; Release and Silence end that.
//	Conn       from Dial or Establish on. When its State is TimeWait, the driver replaces it with Conn.TimeWait. When
//	           Ready has ReadyClosed, it drops it; Err is the cause.
//	TimeWaitConn    TIME-WAIT. The driver drops it when Expired reports true. If Receive returns VerdictReopen, the segment is
//	           a SYN for a new connection: with a listener, the driver replaces the TimeWaitConn with a Handshake, whose ISS is
//	           TimeWaitConn.ISN of the one from ISN; without one, it calls Refuse.
//
// The driver makes these calls, one at a time for each connection. None blocks.
//
//	in     Receive(now, segment)     for each segment. Segment.Buffer offers the memory of the data: if the connection
//	                                 has set Segment.Retained, the driver must not reuse the memory before Release,
//	                                 which may be called before Receive returns (see buffer.Borrowed)
//	       ReceiveICMP(now, error)   for an ICMP error that quotes a segment of the connection
//	       Advance(now)              when Deadline has passed; a call too early has no effect
//	app    Read, ReadBuffer, Write, WriteMore, WriteUrgent, CloseRead, CloseWrite, Close, Abort
//	                                 for the application. After WriteMore, a Write must follow, which may be empty.
//	                                 Read and Write return ErrWouldBlock when the application must wait for Ready
//	       Set...                    for options that change during the connection
//	       DiscardOutOfOrder         when OutOfOrderMemory is too large for the driver
//	out    Transmit(now, limit, out) until it returns false. A limit above the MSS permits GSO packets of that many bytes
//	ask    Deadline, Ready, State, Info, Err, Acknowledged, Arrived, Urgent
//
// After each call of the groups in and app, the driver calls Transmit until it returns false, sets its timer to
// Deadline, and wakes the application if Ready has changed. After Read this matters as well: it may open the window.
//
// For a segment that belongs to no connection and no listener, [Reset] returns the RST to send. [seq.ISN] returns the
// initial sequence number and the timestamp offset of a new connection. One [Config] serves many connections, which
// only read it. Calling [Config.WithDefaults] once saves a copy for each.
//
// # Reading order
//
//	state.go, window.go        the states, and the sequence space in one picture
//	conn.go                    the connection
//	receive.go, synsent.go     SEGMENT ARRIVES, RFC 9293 3.10.7, in the RFC's steps
//	ack.go, sackblocks.go      when to acknowledge; SACK blocks (RFC 2018); challenge.go: challenge ACKs (RFC 5961)
//	transmit.go, sendlimit.go  what to send next; how much may go, and if none, why
//	sack.go, rate.go           the SACK blocks received (RFC 2018, RFC 2883); transmissions and losses: the retransmission
//	                           queue itself and the delivery rate are in package scoreboard, round-trip times in rtt
//	arrival.go, rack.go        what one ACK says; what has been lost (RFC 8985)
//	recovery.go, prr.go        how it is repaired (RFC 5681, RFC 9937); tailprobe.go: TLP; undo.go: it was a mistake;
//	                           resize.go: what Packet Too Big makes too large
//	pacer.go, congestion.go    when the next segment may leave; the controller, of package cc
//	chrono.go, info.go         what the sender waits for; what there is to be told (tcp_info)
//	ecn.go, ecnhandshake.go    congestion without loss: marks made, reported and answered (RFC 3168, RFC 8511)
//	round.go                   round trips, for congestion control
//	autotune.go, memory.go     sizes of the buffers, which are in package buffer; data beyond a gap; bulk.go: windows of many
//	                           bulk receivers
//	persist.go, keepalive.go   closed windows, idle peers
//	timestamps.go              RFC 7323
//	idle.go                    an idle connection releases the state of transfers, and the next data makes it anew
//	app.go, close.go, ready.go what an application asks for
//	listen.go, handshake.go       before
//	timewait.go                after
//	check.go                   what holds between any two calls, for tests; see conntest
//
// What every state does with every kind of segment stands in testdata/matrix.txt; RFC9293.md lists the RFC's
// requirements and the tests that show them.
//
// Inside, positions are [seq.Offset]: 64 bits, from 0 at the SYN; the 32-bit numbers of the wire are unwrapped in
// Receive and wrapped in Transmit.
package conn
