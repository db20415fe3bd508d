// Package script runs packetdrill scripts against package conn. A script lists segments that arrive, segments that must
// be sent, and system calls with their results, each at its time. There is no clock and no network: time is an integer,
// the host is a few sockets over [conn.Conn], and a script of minutes runs in microseconds.
//
//	0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//	+0   bind(3, ..., ...) = 0
//	+0   listen(3, 1) = 0
//	+0   < S 0:0(0) win 65535 <mss 1460>
//	+0   > S. 0:0(0) ack 1 <mss 1460>
//	+.1  < . 1:1(0) ack 1 win 65535
//	+0   accept(3, ..., ...) = 4
//
// # The language
//
// Comments: //, /* */, and # to the end of the line. Option lines before the first event: --ip_version, --mtu,
// --tolerance_usecs, --tcp_ts_tick_usecs, --strict_segments. Options that name addresses and ports are accepted and
// ignored.
//
// Shell commands are never run. Some commands that configure Linux are interpreted. A call of defaults.sh selects
// Linux's defaults: Nagle's algorithm, the window scale of its tcp_rmem, SO_RCVBUF and SO_SNDBUF doubled, GSO packets,
// which ethtool turns off, and a tolerance of 4 ms, by which events may also be late. As in packetdrill, the PSH of
// segments that the script joins is that of the last one, and segments after the last event are not compared. The
// commands sysctl and set_sysctls.py set the parameters that package conn has; "tc qdisc" to fq turns on pacing.
// Parameters without an effect here and counters of nstat are accepted and ignored.
//
// Times: absolute, relative to the event before (+), any (*), ranges (a~b, +a~+b), and a...b, +a...b for a call that
// blocks until b. Times are exact unless --tolerance_usecs or defaults.sh sets a tolerance.
//
// Segments: the ECN field of the IP header as [noecn], [ect0], [ect1], [ect01] (one or the other) or [ce], flags of
// "SFRP.UEWA" or "-" for none, sequence numbers, ack, win, urg and options. A sent segment is compared with the script:
// the ECN field if given, flags, numbers, ack, the window if given, and the options in their order with every NOP.
// <...> matches any options; a segment without a list must have none. Our sequence numbers count from that of our SYN
// in the script; the peer's are used unchanged. In scripts for Linux, those of segments without SYN count from 0,
// whatever the numbers of the SYNs. The first "val" of our timestamps defines the script's origin; later
// ones are compared if --tcp_ts_tick_usecs gives the length of the script's tick. Our "ecr" is compared, the peer's is
// translated. A segment of the script may match several that were sent at the same instant, in order and without a gap.
// The bytes of data are compared too: each is a function of its sequence number. A segment that the script does not
// expect fails the script at the next expected segment, or at the end.
//
// Two forms of options are extensions, with which scripts send unknown or invalid options: "option 77 0xabcd" is an
// option of kind 77 with two bytes, and "raw 0x0200" is two bytes as they are. The options of an arriving segment are
// padded with zeros.
//
// A Fast Open option is FO, or FOEXP for its experimental form, with the cookie in hexadecimal digits. TFO_COOKIE is
// the cookie that this host gives to the peer. A listener has Fast Open after setsockopt TCP_FASTOPEN.
//
// ICMP: "< icmp unreachable frag_needed mtu 1400 [1:1001(1000)]" and its like, also icmpv6.
//
// System calls: socket, bind, listen, accept, accept4, connect (also with AF_UNSPEC, which resets the connection),
// read, recv, recvfrom, recvmsg (TCP_CM_INQ), write, send, sendto, sendmsg, shutdown, close, poll, fcntl, ioctl
// (SIOCINQ, SIOCOUTQ), setsockopt and getsockopt with the options that package conn has. The defaults are package
// conn's unless the script calls defaults.sh: TCP_NODELAY is set, and SO_RCVBUF is not doubled.
//
// Assertions: %{ assert tcpi_state == TCP_ESTABLISHED and tcpi_rto >= 200000, tcpi_rto }%, with comparisons joined by
// "and" or chained (1 <= x <= 2), bits such as (tcpi_options & TCPI_OPT_SACK), and variables of the script, which "="
// and "+=" assign; see [Script.Run] for the connection that they inspect.
//
// If a script contains anything else, it is not run, and the first unsupported line is reported.
//
// # Scripts written for Linux
//
// Some scripts written for Linux fail, because the RFCs leave the behaviour open:
//
//   - Linux charges the memory of whole buffers, not bytes of data, to a socket. A write accepts a different number of
//     bytes before it blocks, and is woken at a different time.
//   - The window scale differs if the script does not call defaults.sh, unless [Host].Linux is set.
//   - PSH is on every GSO packet. Linux's hold at most half of the congestion window, minitcp's all of it.
package script
