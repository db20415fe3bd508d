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

// linux selects Linux's defaults where scripts depend on them.
func (s *settings) linux() {
	s.asLinux = true
	s.config.Nagle = conn.Nagle
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

// shell interprets command lines. After the first event, only commands without effect are accepted.
func (s *settings) shell(t token, begun bool) *Error {
	text := strings.Trim(t.text, "`")
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ';' }) {
		line, _, _ = strings.Cut(line, "#")
		words := shellWords(line)
		if len(words) == 0 {
			continue
		}
		if !s.command(words, begun) {
			return errorf(t.line, "a shell command: `%s`", shorten(line))
		}
	}
	return nil
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
		words = append(words, strings.NewReplacer(`"`, "", "'", "").Replace(w))
	}
	return words
}

// command interprets a command and reports whether it is supported.
func (s *settings) command(words []string, begun bool) bool {
	switch name := words[0][strings.LastIndexByte(words[0], '/')+1:]; {
	case name == defaultsScript && len(words) == 1 && !begun:
		s.linux()
		return true
	case strings.HasPrefix(name, "sysctl_restore_"):
		return true
	case name == "sysctl" || name == "set_sysctls.py":
		for _, w := range words[1:] {
			if w == "-q" || w == "-w" || w == "-e" {
				continue
			}
			key, value, _ := strings.Cut(w, "=")
			key = strings.ReplaceAll(strings.TrimPrefix(key, "/proc/sys/"), "/", ".")
			key, ok := strings.CutPrefix(key, "net.ipv4.")
			if !ok || !s.parameter(key, value, begun) {
				return false
			}
		}
		return true
	}
	return false
}

// indifferent are parameters of devices, routes and accounting. They have no effect here.
var indifferent = []string{
	"tcp_tso_win_divisor", "tcp_min_tso_segs", "tcp_tso_rtt_log", "tcp_no_metrics_save", "tcp_autocorking",
	"tcp_moderate_rcvbuf", "tcp_mem", "tcp_max_orphans", "tcp_max_tw_buckets", "tcp_min_snd_mss", "tcp_syncookies",
	"tcp_tw_reuse", "tcp_pacing_ss_ratio", "tcp_pacing_ca_ratio", "tcp_limit_output_bytes", "tcp_notsent_lowat",
}

// fixed are parameters that are accepted only with the value that package conn always uses.
var fixed = []string{
	"tcp_recovery=1", "tcp_early_retrans=3", "tcp_dsack=1", "tcp_frto=2", "tcp_slow_start_after_idle=1",
	"tcp_mtu_probing=0", "tcp_fastopen=0", "tcp_thin_linear_timeouts=0", "tcp_reordering=3",
}

// parameter sets net.ipv4.key to value and reports whether that is supported.
func (s *settings) parameter(key, value string, begun bool) bool {
	if slices.Contains(indifferent, key) || slices.Contains(fixed, key+"="+value) {
		return true
	}
	if begun {
		return false
	}
	n, err := strconv.Atoi(value[strings.LastIndexByte(value, ' ')+1:]) // the maximum of three values
	feature := conn.Enabled
	if n == 0 {
		feature = conn.Disabled
	}
	switch {
	case key == "tcp_sack" && err == nil:
		s.config.SACK = feature
	case key == "tcp_timestamps" && err == nil:
		s.config.Timestamps = feature
	case key == "tcp_window_scaling" && err == nil:
		s.config.WindowScale = feature
	case key == "tcp_congestion_control" && value == "cubic":
		s.config.CongestionControl = conn.CUBIC
	case key == "tcp_congestion_control" && value == "reno":
		s.config.CongestionControl = conn.Reno
	case key == "tcp_ecn" && err == nil && 0 <= n && n <= 2:
		s.config.ECN = [...]conn.ECNMode{conn.ECNDisabled, conn.ECNActive, conn.ECNPassive}[n]
	case key == "tcp_rmem" && err == nil && n > 0:
		s.config.ReceiveBuffer = n
	case key == "tcp_wmem" && err == nil && n > 0:
		s.config.SendBuffer = n
	case key == "tcp_fin_timeout" && err == nil && n > 0:
		s.config.FinWait2Timeout = time.Duration(n) * time.Second
	default:
		return false
	}
	return true
}
