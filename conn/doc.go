// Package conn implements one TCP connection as pure data and functions. It has no clock, lock, goroutine, randomness
// or I/O. Its caller, the driver, supplies the time, random numbers and the network; package stack is one, and the
// Example is another in 50 lines.
//
// # The contract
//
// A connection is in one of three stages, each with a type of its own. All have Receive, Transmit, Advance, Deadline,
// ISS and IRS.
//
//	Handshake     a passive OPEN in SYN-RECEIVED. If ReceiveListen returns ListenOpen for a segment to a listener, the
//	              driver makes a Handshake with NewHandshake. When its State is Established, the driver calls
//	              Establish, and passes the same segment to the Conn. When it is Closed, the driver drops it.
//	              Hold delays the SYN-ACK until the driver has decided whether to accept the connection; Release sends
//	              it, and Silence ends the probes in between. A driver with too many Handshakes replies with SYNCookie
//	              instead, and makes the Handshake from the ACK with HandshakeFromCookie. If the SYN has a valid
//	              Fast Open cookie, the driver may call FastOpen at once, for a Conn with the data of the SYN.
//	Conn          a connection from Dial, DialFastOpen, Establish or FastOpen on. When its State is TimeWait and
//	              Transmit has returned false, the driver replaces it with Conn.TimeWait. When Ready has
//	              ReadyClosed, the driver drops it. Err returns the cause.
//	TimeWaitConn  a connection in TIME-WAIT. The driver drops it when Expired returns true. If Receive returns
//	              VerdictReopen, the segment is a SYN for a new connection. If there is a listener, the driver replaces
//	              the TimeWaitConn with a Handshake, whose ISS is TimeWaitConn.ISN of the one from seq.ISN. Otherwise
//	              it calls Refuse.
//
// The driver makes these calls, one at a time for each connection. None blocks.
//
//	in     Receive(now, segment)     for each segment. Segment.Buffer offers the memory of the data. If the connection
//	                                 sets Segment.Retained, the driver must not reuse the memory before Release, which
//	                                 may be called before Receive returns (see buffer.Borrowed)
//	       ReceiveICMP(now, error)   for an ICMP error that quotes a segment of the connection
//	       LowerMTU(now, mtu)        when the device's MTU has become smaller
//	       Advance(now)              when Deadline has passed; an early call has no effect
//	app    Read, ReadBuffer, Unread, Write, WriteMore, WriteUrgent, CloseRead, CloseWrite, Close, Abort
//	                                 for the application. After WriteMore, a Write must follow, which may be empty.
//	                                 Read and Write return ErrWouldBlock if the application must wait for Ready.
//	                                 The caller of ReadBuffer releases the buffer, or returns it with Unread
//	       Set...                    for options that change during the connection
//	       DiscardOutOfOrder         if OutOfOrderMemory is too large for the driver
//	       TimeOut                   if SendState, worth a call while SendWaits, shows that the peer has stalled, and the
//	                                 driver needs the memory
//	out    Transmit(now, limit, out) until it returns false. A limit above the MSS permits GSO packets of that size
//	ask    Deadline, Ready, State, Info, MSS, Err, Acknowledged, Arrived, FINReceived, Urgent, KeepAlive,
//	       CongestionControl
//
// After each call of the groups in and app, Read included, the driver calls Transmit until it returns false, sets its
// timer to Deadline, and wakes the application if Ready has changed.
//
// For a segment that belongs to no connection and no listener, [Reset] returns the RST to send. [seq.ISN] returns the
// initial sequence number and the timestamp offset of a new connection. Many connections may share one [Config], which
// they only read. If it comes from [Config.WithDefaults], they share one copy.
//
// # A tour
//
// The core of TCP is in these files, about 2,250 lines. Read them in this order:
//
//	state.go, window.go        the states, and the sequence space in one picture; package window
//	conn.go                    the connection
//	synsent.go, receive.go     SEGMENT ARRIVES, in the steps of RFC 9293 3.10.7
//	ack.go                     the time of an ACK
//	transmit.go, sendlimit.go  the next segment to send; the amount of data that may be sent
//	ackin.go                   an ACK that has arrived
//	rack.go, recovery.go       detection of losses (RFC 8985); episodes of loss recovery (RFC 5681, RFC 9937)
//	retransmit.go, rto.go      retransmission of lost data; the retransmission timeout (RFC 6298)
//	timers.go, persist.go      all timers; closed windows
//	timewait.go                TIME-WAIT
//
// # The other files by subject
//
//	opening             listen.go, handshake.go, hold.go; syncookie.go: SYN cookies (RFC 4987); fastopen.go: Fast Open
//	                    (RFC 7413)
//	the application     app.go, close.go, ready.go, config.go, error.go, time.go; urgent.go: urgent data (RFC 6093)
//	acknowledgments     sackblocks.go: SACK blocks sent (RFC 2018); challenge.go: challenge ACKs (RFC 5961); reset.go
//	ACKs that arrive    arrival.go; sack.go: SACK and D-SACK (RFC 2018, RFC 2883); rate.go: the delivery rate
//	losses              dupack.go: without SACK; tailprobe.go: TLP (RFC 8985); frto.go: F-RTO (RFC 5682); undo.go:
//	                    spurious recovery (RFC 3522, RFC 3708)
//	path MTU            pathmtu.go: probes (RFC 4821); icmp.go; resize.go: segments too large for a new path MTU
//	congestion          congestion.go: the choice of a controller; pacer.go; ecn.go, ecnmode.go (RFC 3168, RFC 8511);
//	                    accurateecn.go (RFC 9768)
//	timestamps          timestamps.go: PAWS, RTT by echo (RFC 7323)
//	memory              autotune.go: sizes of buffers; memory.go: scarce memory; idle.go: idle connections
//	keep-alive          keepalive.go
//	observation         info.go: the members of tcp_info; chrono.go: times of waiting; verdict.go, segment.go: names for
//	                    traces; check.go: invariants
//
// Package window has the windows of both ends, scoreboard the retransmission queue and the values of RACK, rtt the RTT
// estimator, cc congestion control and pacing, ecn the agreement on ECN, accecn the counters of Accurate ECN, hold the
// times of a held handshake, challenge the limit of challenge ACKs, delack the delay of ACKs, buffer the memory of the
// data and the tuning of the receive window, bulk the windows that bulk receivers share, chrono the times of waiting,
// pmtu the MSS and the path MTU, timestamps those of the peer and of the segments sent, cookie SYN cookies, fastopen
// the cookies and outcome of Fast Open, siphash the hash of cookies and initial sequence numbers, wire the formats, seq
// sequence numbers, clock the time and names the texts of constants. The packages conntest and script are for tests;
// netem is the emulated link of conntest and of package emulate.
//
// The reaction of each state to each kind of segment is in testdata/matrix.txt. RFC9293.md lists the requirements of
// RFC 9293 and the tests that show them, RFC8899.md those of path MTU discovery, RFC7413.md those of Fast Open,
// RFC9768.md those of Accurate ECN.
//
// A GSO packet is several segments of one size under common headers, which a device cuts (generic segmentation
// offload). A frame with one is a superframe in package stack.
//
// Positions in the stream are values of [seq.Offset]: 64 bits, with 0 at the SYN. Receive converts the 32-bit numbers
// of the wire to offsets, and Transmit converts back.
package conn
