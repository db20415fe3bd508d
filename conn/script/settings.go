package script

import (
	"strconv"
	"strings"
	"time"

	"minitcp/conn"
)

// Host selects how a script is run. The zero value is for the scripts of this repository.
type Host struct {
	// Linux runs the script as if it began with a call of defaults.sh, as other scripts on the same host have called it.
	Linux bool
	// AnyPush ignores the flag PSH of sent segments.
	AnyPush bool
}

// settings are the values of option lines and shell commands.
type settings struct {
	ipv6      bool
	mtu       int
	tolerance time.Duration
	tick      time.Duration // tick of our timestamps in the script; 0 means not compared
	asLinux   bool          // the script is for Linux; see [settings.linux]
	anyPush   bool          // PSH is not compared
	gso       int           // data bytes in a GSO packet; 0 for none
	strict    bool          // segments are not joined

	// Bits of tcp_fastopen: a SYN with data needs no cookie; listeners need not call setsockopt.
	fastOpenNoCookie, fastOpenAlways bool

	config conn.Config // of every socket before setsockopt
}

func defaultSettings() settings {
	return settings{mtu: 1500, config: conn.Config{
		ReceiveBuffer: 1 << 20, SendBuffer: 1 << 20,
		Pacing: conn.Disabled, // scripts expect segments at the time of their cause
	}}
}

// option parses an option line. Options for addresses, ports and devices have no effect.
func (s *settings) option(t token) *Error {
	name, value, _ := strings.Cut(t.text, "=")
	n, err := strconv.Atoi(value)
	bad := err != nil || n < 0 || n > 1e9
	switch name {
	case "--ip_version":
		switch value {
		case "ipv4", "ipv4-mapped-ipv6":
			s.ipv6 = false
		case "ipv6":
			s.ipv6 = true
			if s.asLinux && s.mtu == 1500 {
				s.mtu = 1520 // as for all of Linux's scripts, so that segments have the size of those of IPv4
			}
		default:
			return errorf(t.line, "%s", t.text)
		}
		return nil
	case "--mtu":
		bad = bad || n < 576 || n > 65535
		s.mtu = n
	case "--tolerance_usecs":
		s.tolerance = time.Duration(n) * time.Microsecond
	case "--tcp_ts_tick_usecs":
		s.tick = time.Duration(n) * time.Microsecond
	case "--local_ip", "--remote_ip", "--gateway_ip", "--netmask_ip", "--local_ipv4", "--remote_ipv4", "--local_ipv6",
		"--remote_ipv6", "--gateway_ipv4", "--gateway_ipv6", "--bind_port", "--connect_port", "--speed", "--verbose", "--mss":
		return nil
	case "--strict_segments":
		s.strict = true
		return nil
	case "--send_omit_free", "--tolerance_percent", "--tcp_ts_ecr_scaled":
		return nil
	default:
		return errorf(t.line, "the option %s", shorten(name))
	}
	if bad {
		return errorf(t.line, "%s", shorten(t.text))
	}
	return nil
}
