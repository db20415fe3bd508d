package script

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"minitcp/conn"
)

// Scripts for Linux configure the host with shell commands. No command is run. Commands that set TCP's parameters are
// interpreted if package conn has the parameter.

// defaultsScript is the shell script that most scripts for Linux call first. It restores Linux's default parameters.
const defaultsScript = "defaults.sh"

// product returns the value of a number, or of the product of numbers in $((...)).
func product(s string) (n int, ok bool) {
	factors, expression := strings.CutPrefix(s, "$((")
	if expression {
		factors = strings.TrimSuffix(factors, "))")
	}
	n = 1
	for _, factor := range strings.Split(factors, "*") {
		f, err := strconv.Atoi(factor)
		if err != nil || f < 0 || f > 1<<30 || n > 1<<30 {
			return 0, false
		}
		n *= f
	}
	return n, true
}

// maxGSO is the number of data bytes that fit into a GSO packet with all headers.
const maxGSO = 65535 - 120

// linux selects Linux's defaults where scripts depend on them.
func (s *settings) linux() {
	s.asLinux = true
	s.gso = maxGSO
	s.config.Nagle = conn.Nagle
	s.config.ECN = conn.ECNDisabled
	s.config.ReceiveBuffer = 15728640 // defaults.sh's tcp_rmem, which determines the window scale
	if s.tolerance == 0 {
		s.tolerance = 4 * time.Millisecond // packetdrill's own
	}
}

// bufferSize returns the buffer size for an SO_RCVBUF or SO_SNDBUF of n. Linux doubles it.
func (s *settings) bufferSize(n int) int {
	if s.asLinux {
		return 2 * n
	}
	return n
}

// reconfiguration changes parameters during the run, for connections that begin afterwards.
type reconfiguration struct{ changes []change }

// change is a parameter below net.ipv4 with its new value.
type change struct{ key, value string }

// shell interprets command lines. After the first event, it returns the changes of parameters, and accepts other
// commands only if they have no effect.
func (s *settings) shell(t token, begun bool) (changes []change, err *Error) {
	text := strings.ReplaceAll(strings.Trim(t.text, "`"), "\\\n", " ")
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		line, _, _ = strings.Cut(line, "#")
		if i := strings.LastIndex(line, "||"); i >= 0 {
			line = line[i+len("||"):] // the command for a host without the parameter before
		}
		words := shellWords(line)
		if len(words) == 0 {
			continue
		}
		c, ok := s.command(words, begun)
		if !ok {
			return nil, errorf(t.line, "a shell command: `%s`", shorten(line))
		}
		changes = append(changes, c...)
	}
	return changes, nil
}

// shellWords splits a line at unquoted white space and removes the quotes.
func shellWords(line string) (words []string) {
	var quote rune
	split := func(r rune) bool {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0 && (r == ' ' || r == '\t' || r == '\\'):
			return true
		}
		return false
	}
	for _, w := range strings.FieldsFunc(line, split) {
		redirects := w[0] == '>' || strings.HasPrefix(w, "&>") || strings.HasPrefix(w, "2>")
		if redirects && len(words) > 0 && words[0] != "echo" {
			break
		}
		words = append(words, strings.NewReplacer(`"`, "", "'", "").Replace(w))
	}
	return words
}

// command interprets a command and reports whether it is supported. After the first event, it returns the changes.
func (s *settings) command(words []string, begun bool) ([]change, bool) {
	switch name := words[0][strings.LastIndexByte(words[0], '/')+1:]; {
	case name == defaultsScript && len(words) == 1 && !begun:
		s.linux()
		return nil, true
	case strings.HasPrefix(name, "sysctl_restore_"), name == "nstat":
		return nil, true
	case name == "ethtool":
		s.gso = 0 // tso off
		return nil, !begun
	case name == "echo":
		return nil, len(words) == 4 && strings.HasPrefix(words[3], "/sys/module/tcp_cubic/")
	case name == "ip":
		return []change{{key: forgetHosts}}, slices.Equal(words[1:], []string{"tcp_metrics", "flush", "all"})
	case name == "tc":
		return nil, s.queue(words[1:], begun)
	case name == "sysctl" || name == "set_sysctls.py":
		return s.sysctl(words[1:], begun)
	}
	return nil, false
}

// forgetHosts is the change that forgets what earlier connections have learned.
const forgetHosts = "tcp_metrics"

// sysctl sets the parameters of the words and reports whether they are supported. After the first event, it returns the
// changes instead.
func (s *settings) sysctl(words []string, begun bool) (changes []change, ok bool) {
	now := s
	if begun {
		scratch := *s
		now = &scratch
	}
	for _, w := range words {
		if w == "-q" || w == "-w" || w == "-e" {
			continue
		}
		key, value, _ := strings.Cut(w, "=")
		key = strings.ReplaceAll(strings.TrimPrefix(key, "/proc/sys/"), "/", ".")
		key, ok := strings.CutPrefix(key, "net.ipv4.")
		if !ok || !now.parameter(key, value) {
			return nil, false
		}
		if begun && !indifferentTo(key, value) {
			changes = append(changes, change{key, value})
		}
	}
	return changes, true
}

// queue interprets a change of the device's queue and reports whether it is supported. The queue fq paces segments.
func (s *settings) queue(words []string, begun bool) bool {
	kind := words[len(words)-1]
	if begun || len(words) < 2 || words[0] != "qdisc" || kind != "fq" && kind != "pfifo" {
		return false
	}
	if kind == "fq" {
		s.config.Pacing = conn.Enabled
	}
	return true
}

// indifferent are parameters of devices, routes and accounting. They have no effect here.
var indifferent = []string{
	"tcp_tso_win_divisor", "tcp_min_tso_segs", "tcp_tso_rtt_log", "tcp_no_metrics_save", "tcp_autocorking",
	"tcp_moderate_rcvbuf", "tcp_mem", "tcp_max_orphans", "tcp_max_tw_buckets", "tcp_min_snd_mss", "tcp_syncookies",
	"tcp_tw_reuse", "tcp_pacing_ss_ratio", "tcp_pacing_ca_ratio", "tcp_limit_output_bytes", "tcp_notsent_lowat",
}

// fixed are parameters that are accepted only with the value that package conn always uses. tcp_early_retrans=0 turns
// off tail loss probes, which scripts do to pass on a slow host; a probe fails them here.
var fixed = []string{
	"tcp_recovery=1", "tcp_early_retrans=3", "tcp_early_retrans=4", "tcp_early_retrans=0", "tcp_dsack=1", "tcp_frto=2", "tcp_slow_start_after_idle=1",
	"tcp_mtu_probing=0", "tcp_thin_linear_timeouts=0", "tcp_reordering=3", "tcp_ecn_option=2",
}

// indifferentTo reports whether a parameter has no effect.
func indifferentTo(key, value string) bool {
	return slices.Contains(indifferent, key) || slices.Contains(fixed, key+"="+value)
}

// parameter sets net.ipv4.key to value and reports whether that is supported.
func (s *settings) parameter(key, value string) bool {
	if indifferentTo(key, value) {
		return true
	}
	n, valid := product(value[strings.LastIndexByte(value, ' ')+1:]) // the maximum of three values
	feature := conn.Enabled
	if n == 0 {
		feature = conn.Disabled
	}
	switch {
	case key == "tcp_sack" && valid:
		s.config.SACK = feature
	case key == "tcp_timestamps" && valid:
		s.config.Timestamps = feature
	case key == "tcp_window_scaling" && valid:
		s.config.WindowScale = feature
	case key == "tcp_congestion_control" && value == "cubic":
		s.config.CongestionControl = conn.CUBIC
	case key == "tcp_congestion_control" && value == "reno":
		s.config.CongestionControl = conn.Reno
	case key == "tcp_ecn" && valid && 0 <= n && n <= 5:
		s.config.ECN = [...]conn.ECNMode{
			conn.ECNDisabled, conn.ECNClassicActive, conn.ECNClassicPassive, conn.ECNAccurate, conn.ECNActive, conn.ECNPassive,
		}[n]
	case key == "tcp_rmem" && valid && n > 0:
		s.config.ReceiveBuffer = n
	case key == "tcp_wmem" && valid && n > 0:
		s.config.SendBuffer = n
	case key == "tcp_fin_timeout" && valid && n > 0:
		s.config.FinWait2Timeout = time.Duration(n) * time.Second
	case key == "tcp_fastopen":
		return s.fastOpenMode(value)
	case key == "tcp_rto_max_ms" && valid && n > 0:
		s.config.MaxRTO = time.Duration(n) * time.Millisecond
	default:
		return false
	}
	return true
}
