// Package script runs scripts in packetdrill's language against package conn: segments that arrive, segments that must
// leave, system calls and their results, each at its time. There is no clock and no network: time is an integer, the
// host is a few sockets over [conn.Conn], and a script of minutes runs in microseconds.
//
//	0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//	+0   bind(3, ..., ...) = 0
//	+0   listen(3, 1) = 0
//	+0   < S 0:0(0) win 65535 <mss 1460>
//	+0   > S. 0:0(0) ack 1 <mss 1460>
//	+.1  < . 1:1(0) ack 1 win 65535
//	+0   accept(3, ..., ...) = 4
//
// # What is taken
//
// Comments: //, /* */, and # to the end of the line. Option lines before the first event: --ip_version, --mtu,
// --tolerance_usecs, --tcp_ts_tick_usecs; those that only name addresses and ports are accepted and do nothing.
//
// Shell commands are never run. Of those with which scripts set up Linux, the meaning is taken: a call of defaults.sh
// makes the defaults Linux's (Nagle, the window scale of its tcp_rmem, SO_RCVBUF and SO_SNDBUF doubled, a tolerance of
// 4 ms, PSH not compared); sysctl and set_sysctls.py set the parameters that there are here, and may name those that make
// no difference.
//
// Times: absolute, relative (+), any (*), ranges (a~b, +a~+b), and a...b, +a...b for a call that blocks until b. Time is
// exact unless --tolerance_usecs says otherwise. What a + is relative to is the event before it.
//
// Segments: the ECN field of the IP header as [noecn], [ect0], [ect1], [ect01] (one or the other) or [ce], flags of
// "SFRP.UEW" or "-" for none, sequence numbers, ack, win, urg and options. Those that leave must be as written: the ECN
// field if it is given, flags, numbers, ack, the window if it is given, and the options in their order with every NOP;
// <...> is any options, and none written is none. Sequence numbers of ours count from the SYN as written, the peer's are
// taken as they are. Timestamps: the first "val" of ours is what the script calls it; later ones are compared if
// --tcp_ts_tick_usecs says how long the script thinks a tick is. "ecr" of ours is compared, that of the peer is
// translated. A segment longer than ours may stand for several that left at the same instant, in order and without a gap.
// The octets of data are compared too: each is a function of its sequence number. Any segment nobody expects is a
// failure, at the next that is expected or at the end.
//
// Two forms of options are this package's own, so that scripts can send what is unknown or wrong: "option 77 0xabcd" is
// an option of kind 77 with two octets, and "raw 0x0200" is octets as they are. The options of a segment that arrives are
// padded with zeros.
//
// ICMP: "< icmp unreachable frag_needed mtu 1400 [1:1001(1000)]" and its like, also icmpv6.
//
// System calls: socket, bind, listen, accept, accept4, connect, read, recv, recvfrom, write, send, sendto, shutdown,
// close, poll, fcntl, ioctl (SIOCINQ, SIOCOUTQ), setsockopt and getsockopt with the options package conn has. Their
// defaults are package conn's, not Linux's, unless the script calls defaults.sh: TCP_NODELAY is set, and SO_RCVBUF is not
// doubled.
//
// Assertions: %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_rto >= 200000, tcpi_rto }%, with comparisons joined by
// "and" or chained (1 <= x <= 2); see [Script.Run] for the connection they are about.
//
// All else is reported as unsupported, with the line of the first such thing, and nothing is run.
//
// # What fails of scripts written for Linux
//
// Of others' scripts that are about what the RFCs leave open, some fail, for these reasons:
//
//   - Linux acknowledges each of the first segments of a connection at once ("quick ACKs"); minitcp delays the first
//     ACK already, by 40 ms or until the second full segment, as RFC 9293 3.8.6.3 says.
//   - Linux accounts memory by the buffers it allocates, not by octets: how much a write takes before it blocks, and when
//     one is woken, differs.
//   - The window scale, where the script has no defaults.sh to say what it follows from.
package script
