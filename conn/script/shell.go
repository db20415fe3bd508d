package script

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"minitcp/conn"
)

// Scripts for Linux set the machine up with shell commands. None is run; of those that set TCP's parameters, the meaning
// is taken, so far as there is one here.

// defaultsScript is what nearly all scripts for Linux begin with. It makes the parameters those of a Linux nobody has
// tuned, and says which: so the script is about Linux's defaults, not ours.
const defaultsScript = "defaults.sh"

// linux makes the defaults those of Linux, as far as scripts see them.
func (s *settings) linux() {
	s.asLinux = true
	s.config.Nagle = conn.Nagle
	s.config.ReceiveBuffer = 15728640 // of tcp_rmem as defaults.sh sets it, for the window scale that follows from it
	if s.tolerance == 0 {
		s.tolerance = 4 * time.Millisecond // packetdrill's own
	}
}

// bufferSize is what SO_RCVBUF or SO_SNDBUF of n makes: Linux doubles it.
func (s *settings) bufferSize(n int) int {
	if s.asLinux {
		return 2 * n
	}
	return n
}

// shell takes a command line, or several. Once events have begun, only what changes nothing is taken.
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

// shellWords splits at white space that is not quoted, and takes the quotes away.
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

// indifferent are parameters about devices, routes and accounting: whatever their value, a script sees no difference here.
var indifferent = []string{
	"tcp_tso_win_divisor", "tcp_min_tso_segs", "tcp_tso_rtt_log", "tcp_no_metrics_save", "tcp_autocorking",
	"tcp_moderate_rcvbuf", "tcp_mem", "tcp_max_orphans", "tcp_max_tw_buckets", "tcp_min_snd_mss", "tcp_syncookies",
	"tcp_tw_reuse", "tcp_pacing_ss_ratio", "tcp_pacing_ca_ratio", "tcp_limit_output_bytes", "tcp_notsent_lowat",
}

// fixed are parameters that can be given as they always are here: RACK and TLP, D-SACK, F-RTO, restart after idle.
var fixed = []string{
	"tcp_recovery=1", "tcp_early_retrans=3", "tcp_dsack=1", "tcp_frto=2", "tcp_slow_start_after_idle=1",
	"tcp_mtu_probing=0", "tcp_fastopen=0", "tcp_thin_linear_timeouts=0", "tcp_reordering=3",
}

// parameter takes net.ipv4.key=value.
func (s *settings) parameter(key, value string, begun bool) bool {
	if slices.Contains(indifferent, key) || slices.Contains(fixed, key+"="+value) {
		return true
	}
	if begun {
		return false
	}
	n, err := strconv.Atoi(value[strings.LastIndexByte(value, ' ')+1:]) // the limit, where there are three
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
