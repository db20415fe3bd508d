package script

import (
	"strings"
	"testing"

	"minitcp/conn"
)

// opened is the beginning of a script, with a connection and a write. The tests append line 12.
const opened = `0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+0   < S 0:0(0) win 65535 <mss 1000,sackOK,TS val 100 ecr 0>
+0   > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 500 ecr 100>
+.1  < . 1:1(0) ack 1 win 65535 <nop,nop,TS val 200 ecr 500>
+0   accept(3, ..., ...) = 4
+0   write(4, ..., 988) = 988
+0   > P. 1:989(988) ack 1 <nop,nop,TS val 600 ecr 200>
+.1  < . 1:1(0) ack 989 win 65535 <nop,nop,TS val 300 ecr 600>
+0   write(4, ..., 1976) = 1976
`

// A script with one wrong expectation fails with the right line and reason.
func TestRunFails(t *testing.T) {
	const reply = "+0 > P. 989:2965(1976) ack 1 <nop,nop,TS val 700 ecr 300>\n"
	if r := Run(opened + reply); r.Outcome != Passed {
		t.Fatal(&r)
	}
	for _, c := range []struct {
		name, text string
		line       int
		reason     string
	}{
		{"flags", "+0 > . 989:2965(1976) ack 1 <...>", 12, "the flags"},
		{"sequence number", "+0 > P. 990:2966(1976) ack 1 <...>", 12, "the sequence number"},
		{"length", "+0 > P. 989:2964(1975) ack 1 <...>", 12, "the length"},
		{"acknowledgment", "+0 > P. 989:2965(1976) ack 2 <...>", 12, "the acknowledgment number"},
		{"window", "+0 > P. 989:2965(1976) ack 1 win 1 <...>", 12, "the window"},
		{"urgent pointer", "+0 > P. 989:2965(1976) ack 1 urg 1 <...>", 12, "the urgent pointer"},
		{"no options", "+0 > P. 989:2965(1976) ack 1", 12, "the options"},
		{"order of options", "+0 > P. 989:2965(1976) ack 1 <TS val 700 ecr 300,nop,nop>", 12, "the options"},
		{"echo", "+0 > P. 989:2965(1976) ack 1 <nop,nop,TS val 700 ecr 301>", 12, "the timestamps"},
		{"too early", "+.1 > P. 989:2965(1976) ack 1 <...>", 12, "a segment was sent at 0.200000, want 0.300000"},
		{"before the range", "+.1~+.3 > P. 989:2965(1976) ack 1 <...>", 12, "a segment was sent at 0.200000, want 0.300000 to 0.500000"},
		{"too late", reply + "+.1 > P. 1977:2965(988) ack 1 <...>", 13, "no segment was sent until 0.300000"},
		{"never", reply + "+0 < . 1:1(0) ack 2965 win 65535 <nop,nop,TS val 300 ecr 700>\n* > . 1:1(0) ack 1", 14, "no segment was sent"},
		{"not expected", "", 11, "the script does not expect the segment sent at 0.200000"},
		{"result", reply + "+0 write(4, ..., 10) = 9", 13, "the result of write"},
		{"errno", reply + "+0 shutdown(4, SHUT_WR) = 0\n+0 write(4, ..., 10) = -1 EINVAL", 14, "the result of write"},
		{"blocks", reply + "+0 read(4, ..., 10) = 10", 13, "read blocks"},
		{"returns early", reply + "+0...0.2 read(4, ..., 10) = 1\n+.1 < P. 1:2(1) ack 2965 win 65535 <nop,nop,TS val 300 ecr 700>", 13, "read returned at the wrong time"},
		{"returns late", reply + "+0...0.1 read(4, ..., 10) = 1\n+.2 < P. 1:2(1) ack 2965 win 65535 <nop,nop,TS val 300 ecr 700>", 13, "read has not returned at 0.300000"},
		{"does not return", reply + "+0...0.1 read(4, ..., 10) = 1", 13, "read has not returned"},
		{"assertion", reply + "+0 %{ assert tcpi_state == 1\nassert tcpi_state == TCP_CLOSE, tcpi_state }%", 14, "the assertion fails"},
		{"option's value", reply + "+0 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNRESET], [4]) = 0", 13, "getsockopt: SO_ERROR is 0"},
		{"descriptor in use", reply + "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 4", 13, "the descriptor is in use"},
		{"no descriptor", reply + "+0 write(9, ..., 10) = 10", 13, "the result of write"},
		{"the past", reply + "0.1 close(4) = 0", 13, "the time of this event has passed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Run(opened + c.text)
			if r.Outcome != Failed || r.Line != c.line || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%s\nwant a failure in line %d: %s", &r, c.line, c.reason)
			}
			if len(r.Tail) == 0 {
				t.Error("Tail is empty")
			}
		})
	}
}

// With --tcp_ts_tick_usecs our timestamps are compared.
func TestTimestampTick(t *testing.T) {
	const wrong = "+0 > P. 989:2965(1976) ack 1 <nop,nop,TS val 777 ecr 300>\n"
	if r := Run(opened + wrong); r.Outcome != Passed {
		t.Errorf("without a tick: %s", &r)
	}
	if r := Run("--tcp_ts_tick_usecs=1000\n" + opened + wrong); r.Outcome != Failed || r.Reason != "the timestamps differ" {
		t.Errorf("with a tick: %s", &r)
	}
}

// A segment may be early or late by the tolerance.
func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		at   string
		want Outcome
	}{{"+.008", Passed}, {"+.012", Passed}, {"+.005", Failed}, {"+.015", Failed}} {
		text := "--tolerance_usecs=3000\n" + strings.TrimSuffix(opened, "+0   write(4, ..., 1976) = 1976\n") +
			"+0 < P. 1:11(10) ack 989 win 65535 <nop,nop,TS val 300 ecr 600>\n+.001 > . 989:989(0) ack 11 <...>\n" +
			"+0 write(4, ..., 10) = 10\n+0 > P. 989:999(10) ack 11 <...>\n" + // the first of two replies
			"+.1 < P. 11:21(10) ack 999 win 65535 <nop,nop,TS val 400 ecr 700>\n" +
			"+0 write(4, ..., 10) = 10\n+0 > P. 999:1009(10) ack 21 <...>\n" +
			"+.1 < P. 21:31(10) ack 1009 win 65535 <nop,nop,TS val 500 ecr 800>\n" +
			"+.03 %{ assert tcpi_state == 1 }%\n" + c.at + " > . 1009:1009(0) ack 31 <...>\n"
		if r := Run(text); r.Outcome != c.want {
			t.Errorf("an ACK at +.010 expected at %s: %s", c.at, &r)
		}
	}
}

// An unsupported script is not run. The error is at the first unsupported line.
func TestUnsupported(t *testing.T) {
	for _, c := range []struct {
		text   string
		line   int
		reason string
	}{
		{"`sysctl -q net.ipv4.tcp_magic=0`\n", 1, "a shell command: `sysctl -q net.ipv4.tcp_magic=0`"},
		{"`sysctl -q net.ipv4.tcp_frto=1`\n", 1, "tcp_frto=1"},
		{"`./defaults.sh\ntc qdisc add dev tun0 root netem`\n", 1, "a shell command: `tc qdisc add dev tun0 root netem`"},
		{"0 close(3) = 0\n0 `tc qdisc replace dev tun0 root fq`\n", 2, "a shell command: `tc qdisc replace dev tun0 root fq`"},
		{"0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n0 `sysctl -q net.ipv4.tcp_magic=0`\n", 2, "a shell command: `sysctl"},
		{"`sysctl -q net.ipv4.tcp_rmem=\"1 2 $((3*x))\"`\n", 1, "tcp_rmem"},
		{"`echo 1 > /proc/sys/net/ipv4/tcp_sack`\n", 1, "a shell command: `echo 1 > /proc"},
		{"0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n`sysctl -q net.ipv4.tcp_sack=0`\n", 2, "a parameter that changes at no time"},
		{"// nothing\n0 `true`", 2, "a shell command"},
		{"--define=X=1\n", 1, "the option --define"},
		{"--ip_version=ipv5\n", 1, "ipv5"},
		{"0 > S 0:0(0) <mss 1460\n0 `true`", 2, "a comma between options"},
		{"0 < S 0:0(0) win 1 <mss 1460,FO abc>", 1, `the cookie "abc"`},
		{"0 < S 0:0(0) win 1 <mss 1460,FO cookie>", 1, `the cookie "cookie"`},
		{"0 connect(3, AF_UNIX, ...) = 0", 1, "connect: expected ..., found AF_UNIX"},
		{"0 < S 0:0(0) <mss 1460>", 1, "has no window"},
		{"0 < S 0:0(0) win 1 <...>", 1, "<...> in an arriving segment"},
		{"0 < (tos 0x2) . 1:1(0) ack 1 win 1", 1, "fields of the IP header"},
		{"0 < [ttl 1] . 1:1(0) ack 1 win 1", 1, `the field "ttl" of the IP header`},
		{"0 < [ect01] . 1:1(0) ack 1 win 1", 1, "ect01 in an arriving segment"},
		{"0 < [ce . 1:1(0) ack 1 win 1", 1, `expected "]", found "."`},
		{"`sysctl -q net.ipv4.tcp_ecn=6`\n", 1, "tcp_ecn=6"},
		{"0 setsockopt(3, SOL_TCP, TCP_CONGESTION, \"vegas\", 5) = 0", 1, "setsockopt: expected the congestion control"},
		{"0 < 10 > 20 . 1:1(0) ack 1 win 1", 1, "ports of a segment"},
		{"0 < udp (100)", 1, `a packet of "udp"`},
		{"0 < S 0:1(2) win 1", 1, "0:1 is not 2 bytes"},
		{"0 < X 0:0(0) win 1", 1, `the flags "X"`},
		{"0 > icmp unreachable port_unreachable [1:1(0)]", 1, "sent ICMP messages"},
		{"0 < icmp redirect [1:1(0)]", 1, "the ICMP message redirect"},
		{"\n\n0 epoll_create(1) = 5", 3, "epoll_create: the system call is not supported"},
		{"0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3", 1, "socket: SOCK_DGRAM"},
		{"0 setsockopt(3, SOL_TCP, TCP_CORK, [1], 4) = 0", 1, "setsockopt: TCP_CORK"},
		{"0 write(3, ..., 99999999) = 1", 1, "write: 99999999 bytes"},
		{"0 accept(3, ..., ...) = -1 EMAGIC", 1, "the error EMAGIC"},
		{"0 %{ # nothing }%", 1, "the code has no assertion"},
		{"0 %{ n = tcpi_magic }%", 1, `the code "n = tcpi_magic"`},
		{"0 %{ assert n == 1; n = 1 }%", 1, `the code "assert n == 1"`},
		{"0 %{ assert (tcpi_options & tcpi_rto) == 1 }%", 1, `the code "assert (tcpi_options`},
		{"0 sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 99999999}], msg_flags=0}, 0) = 1", 1, "sendmsg: 99999999 bytes"},
		{"0 sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 9}], msg_flags=0}, MSG_MORE) = 1", 1, "sendmsg: MSG_MORE"},
		{"0 recvmsg(3, {msg_flags=0}, 0) = 1", 1, "recvmsg: a message without one vector"},
		{"0 recvmsg(3, {msg_iov(1)=[{..., 9}], msg_control=[{cmsg_type=OTHER, cmsg_data=1}]}, 0) = 1", 1, "recvmsg: control data"},
		{"0 sendmsg(3, {msg_flags=0}, 0) = 1", 1, "sendmsg: a message without msg_iov"},
		{"0 %{\nassert tcpi_state == 1\nassert tcpi_magic == 1 }%", 3, `the code "assert tcpi_magic == 1"`},
		{"0 %{ assert tcpi_state == 1 or tcpi_state == 2 }%", 1, "the code"},
		{"* < . 1:1(0) ack 1 win 1", 1, "only a sent segment can have any time or a range"},
		{"0...1 > . 1:1(0) ack 1", 1, "only a system call can block"},
		{"0 close(3) = 0\n0 /* never ends", 2, "/* without */"},
		{"0 `true`\n0 /* never ends", 1, "a shell command"},
		{"0 close(3 = 0", 1, "a comma or )"},
		{"nonsense", 1, `expected a time, found "nonsense"`},
	} {
		r := Run(c.text)
		if r.Outcome != Unsupported || r.Line != c.line || !strings.Contains(r.Reason, c.reason) {
			t.Errorf("%q\n%s\nwant line %d: %s", c.text, &r, c.line, c.reason)
		}
	}
}

// The ECN field of a sent segment is compared if the script gives one.
func TestECNField(t *testing.T) {
	const setUp = "`sysctl -q net.ipv4.tcp_ecn=1`\n" + `0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+0   < SEW 0:0(0) win 65535 <mss 1000>
+0   > [noecn] SE. 0:0(0) ack 1 <mss 1460>
+.1  < . 1:1(0) ack 1 win 65535
+0   accept(3, ..., ...) = 4
+0   write(4, ..., 1000) = 1000
`
	for prefix, outcome := range map[string]Outcome{
		"": Passed, "[ect0] ": Passed, "[ect01] ": Passed, "[ect1] ": Failed, "[noecn] ": Failed, "[ce] ": Failed,
	} {
		r := Run(setUp + "+0 > " + prefix + "P. 1:1001(1000) ack 1\n")
		if r.Outcome != outcome || outcome == Failed && (r.Reason != "the ECN field differs" || r.Seen != "[ect0] P. 1:1001(1000) ack 1 win 65535") {
			t.Errorf("%q: %s", prefix, &r)
		}
	}
}

// A call that is found to be unsupported during the run makes the script unsupported.
func TestUnsupportedLate(t *testing.T) {
	r := Run(opened + "+0 > P. 989:2965(1976) ack 1 <...>\n+0 setsockopt(4, SOL_TCP, TCP_MAXSEG, [500], 4) = 0\n")
	if r.Outcome != Unsupported || r.Line != 13 {
		t.Error(&r)
	}
}

// String returns the syntax that Parse reads.
func TestPacketString(t *testing.T) {
	for _, text := range []string{
		"S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>",
		"PU. 1:101(100) ack 5 win 0 urg 100 <nop,nop,sack 1:2 3:4>",
		"- 4294967295:99(100) win 1 <option 77 0x0102,eol,raw 0x02>",
		"FSREW. 1:1(0) ack 0 win 2",
		"SEWA 0:0(0) win 2",
		"A. 1:1(0) ack 1 win 2 <nop,nop,nop,ECN e0b 1>",
		". 1:1(0) ack 1 win 2 <ECN e1b 1 ceb 16777215>",
		". 1:1(0) ack 1 win 2 <nop,ECN e0b 1 ceb 0 e1b 1>",
		". 1:1(0) ack 1 win 2 <option 172 0x>",
		"[ect0] P. 1:2(1) ack 0 win 2",
		"[ce] P. 1:2(1) ack 0 win 2",
	} {
		s, err := Parse("0 < " + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s.events[0].do.(*arrival).String(); got != text {
			t.Errorf("String = %q, want %q", got, text)
		}
	}
}

// The shell commands of scripts for Linux are interpreted.
func TestLinux(t *testing.T) {
	open := func(setup, offered, answered string) string {
		return setup + "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n0 bind(3, ..., ...) = 0\n0 listen(3, 1) = 0\n" +
			"+0 < S 0:0(0) win 1000 <" + offered + ">\n+0 > S. 0:0(0) ack 1 <" + answered + ">\n+.1 < . 1:1(0) ack 1 win 1000\n" +
			"+0 accept(3, ..., ...) = 4\n"
	}
	const all = "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"
	for _, c := range []struct{ name, script string }{
		{"the window scale follows from tcp_rmem", open("`../common/defaults.sh`\n", "mss 1460,nop,wscale 7", "mss 1460,nop,wscale 8")},
		{"the window scale without defaults.sh is conn's", open("", "mss 1460,nop,wscale 7", "mss 1460,nop,wscale 7")},
		{"no SACK", open("`./defaults.sh\nsysctl -q net.ipv4.tcp_sack=0 # off`\n", "mss 1460,sackOK,nop,nop,nop,wscale 7", "mss 1460,nop,wscale 8")},
		{"no timestamps, by set_sysctls.py", open("`./set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0 /proc/sys/net/ipv4/tcp_min_tso_segs=4`\n",
			all, "mss 1460,nop,nop,sackOK,nop,wscale 7")},
		{"the maximum of three values", open("`sysctl -q net.ipv4.tcp_rmem=\"4096 10000 600000\"`\n", "mss 1460,nop,wscale 7", "mss 1460,nop,wscale 7")},
		{"buffers are doubled", open("`./defaults.sh`\n", "mss 1460", "mss 1460") +
			"+0 setsockopt(4, SOL_SOCKET, SO_SNDBUF, [21000], 4) = 0\n+0 getsockopt(4, SOL_SOCKET, SO_SNDBUF, [42000], [4]) = 0\n"},
		{"commands without effect at the end", open("`./defaults.sh`\n", "mss 1460", "mss 1460") +
			"+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1\n`/tmp/sysctl_restore_${PPID}.sh`\n"},
		{"a product, and a command of two lines", open("`sysctl -q net.ipv4.tcp_rmem=\"4096 10000 $((32*1024*1024))\" \\\n net.ipv4.tcp_sack=0`\n",
			"mss 1460,sackOK,nop,nop,nop,wscale 7", "mss 1460,nop,wscale 10")},
		{"variables, print and comments", open("", "mss 1460", "mss 1460") +
			"+0 %{ n = 1460; print(tcpi_snd_mss); assert tcpi_snd_mss == n }%\n+0 %{ # one more\nn += 1; assert tcpi_snd_mss < n }%\n"},
		{"bits of a variable", open("", "mss 1460,sackOK,nop,nop", "mss 1460,nop,nop,sackOK") +
			"+0 %{ assert (tcpi_options & TCPI_OPT_SACK) != 0; assert (tcpi_options & TCPI_OPT_ECN) == 0 }%\n"},
		{"the vectors of a message", open("", "mss 1460", "mss 1460") +
			"+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 0}, {..., 40}, {..., 20}], msg_flags=0}, 0) = 60\n+0 > P. 1:61(60) ack 1\n"},
		{"the bytes left after a read, a FIN as one", open("`./defaults.sh`\n", "mss 1460", "mss 1460") +
			"+0 setsockopt(4, SOL_TCP, TCP_INQ, [1], 4) = 0\n+0 < FP. 1:101(100) ack 1 win 1000\n+0 > . 1:1(0) ack 102\n" +
			"+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 70}], msg_flags=0, msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=30}]}, 0) = 70\n" +
			"+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 70}], msg_flags=0, msg_control=[{cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=1}]}, 0) = 30\n"},
		{"an event that is late by less than the tolerance", open("`./defaults.sh`\n", "mss 1460", "mss 1460") +
			"+0 < P. 1:101(100) ack 1 win 1000\n+0 > . 1:1(0) ack 101\n+0 read(4, ..., 100) = 100\n"},
		{"segments after the last event", open("`./defaults.sh`\n", "mss 1460", "mss 1460") + "+0 write(4, ..., 10) = 10\n"},
		{"a parameter that changes during the run", open("`./defaults.sh`\n", "mss 1460,sackOK,nop,nop", "mss 1460,nop,nop,sackOK") +
			"+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+0 `sysctl -q net.ipv4.tcp_sack=0`\n+0 listen(3, 1) = 0\n+0 close(3) = 0\n" +
			"+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 listen(3, 1) = 0\n" +
			"+0 < S 0:0(0) win 1000 <mss 1460,sackOK,nop,nop>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n"},
		{"a GSO packet, whose last segment has PSH", open("`./defaults.sh`\n", "mss 100", "mss 1460") +
			"+0 write(4, ..., 500) = 500\n+0 > . 1:301(300) ack 1\n+0 > P. 301:501(200) ack 1\n"},
		{"no GSO packets", open("`./defaults.sh\nethtool -K tun0 tso off gso off\n`\n", "mss 100", "mss 1460") +
			"+0 setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4) = 0\n+0 write(4, ..., 450) = 450\n+0 > . 1:401(400) ack 1\n+0 > P. 401:451(50) ack 1\n"},
		{"a chain of comparisons", open("", "mss 1460", "mss 1460") + "+0 %{ assert 1000 <= tcpi_snd_mss < 1461, tcpi_snd_mss;\\\n assert 1 == 1 }%\n"},
	} {
		if r := Run(c.script); r.Outcome != Passed {
			t.Errorf("%s: %s", c.name, &r)
		}
	}
	if s, err := Parse("`./defaults.sh\ntc qdisc replace dev tun0 root fq`\n"); err != nil || s.settings.config.Pacing != conn.Enabled {
		t.Errorf("the queue fq: %v, %v; want pacing", s, err)
	}
	late := open("`./defaults.sh`\n", "mss 100", "mss 1460") + "+0 write(4, ..., 500) = 500\n+0 > P. 1:301(300) ack 1\n"
	if r := Run(late); r.Outcome != Failed || r.Reason != "the flags differ" {
		t.Errorf("PSH in the middle of a GSO packet: %s", &r)
	}
	if r := RunOn(late, Host{AnyPush: true}); r.Outcome != Passed {
		t.Errorf("PSH ignored: %s", &r)
	}
	scale := open("", "mss 1460,nop,wscale 7", "mss 1460,nop,wscale 8")
	if r := RunOn(scale, Host{Linux: true}); r.Outcome != Passed {
		t.Errorf("a host for Linux: %s", &r)
	}
	if r := Run(open("", "mss 1460", "mss 1460") + "+0 %{ assert 1000 <= tcpi_snd_mss < 1460 }%\n"); r.Outcome != Failed {
		t.Errorf("assert 1460 < 1460: %s", &r)
	}
	if r := Run(open("", "mss 1460", "mss 1460") + "+0 write(4, ..., 10) = 10\n+0 > . 1:11(10) ack 1\n"); r.Outcome != Failed {
		t.Errorf("a missing PSH: %s, want a failure", &r)
	}
}
