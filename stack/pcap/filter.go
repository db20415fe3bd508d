package pcap

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"minitcp/conn/wire"
	"minitcp/stack"
)

// Filter selects packets by addresses and ports. A packet passes if its source or destination is one of Hosts, and its
// source or destination port is one of Ports. An empty list selects all packets. With Ports, only TCP packets pass, of
// fragments only the first. The zero value selects all packets.
type Filter struct {
	Hosts []netip.Addr
	Ports []uint16
}

// Add adds terms to the filter. A term is "host" and an IP address, or "port" and a number from 1 to 65535. The error
// names the invalid word.
func (f *Filter) Add(terms string) error {
	words := strings.Fields(terms)
	if len(words) == 0 {
		return fmt.Errorf("empty filter (want %s)", filterSyntax)
	}
	g := f.clone()
	for ; len(words) > 0; words = words[2:] {
		kind := words[0]
		if kind != "host" && kind != "port" {
			return fmt.Errorf("%q does not begin a filter term (want %s)", kind, filterSyntax)
		}
		if len(words) == 1 {
			return fmt.Errorf("%q without a value (want %s)", kind, filterSyntax)
		}
		if kind == "host" {
			a, err := netip.ParseAddr(words[1])
			if err != nil || a.Zone() != "" {
				return fmt.Errorf("invalid host %q: want an IP address such as 10.77.0.1 or fd77::1", words[1])
			}
			g.Hosts = append(g.Hosts, a.Unmap())
		} else {
			n, err := strconv.ParseUint(words[1], 10, 16)
			if err != nil || n == 0 {
				return fmt.Errorf("invalid port %q: want a number from 1 to 65535", words[1])
			}
			g.Ports = append(g.Ports, uint16(n))
		}
	}
	*f = g
	return nil
}

const filterSyntax = "'port 80', 'host 10.77.0.1', or several such terms"

// String returns the filter in the syntax of capture filters of tcpdump and Wireshark. It returns "" for the zero
// value.
func (f *Filter) String() string {
	var terms []string
	for _, list := range [][]string{words("host ", f.Hosts), words("tcp port ", f.Ports)} {
		if len(list) > 0 {
			terms = append(terms, strings.Join(list, " or "))
		}
	}
	if len(terms) == 2 {
		return "(" + terms[0] + ") and (" + terms[1] + ")"
	}
	return strings.Join(terms, "")
}

func words[T any](kind string, values []T) (list []string) {
	for _, v := range values {
		list = append(list, fmt.Sprint(kind, v))
	}
	return list
}

func (f *Filter) clone() Filter { return Filter{slices.Clone(f.Hosts), slices.Clone(f.Ports)} }

// headLen is the number of bytes of a frame in which the ports are searched. It exceeds the headers that the stack
// sends.
const headLen = 256

// matches reports whether the filter selects the frame in parts. It reads addresses and ports only, so damaged packets
// are captured as well.
func (f *Filter) matches(parts [][]byte) bool {
	if len(f.Hosts) == 0 && len(f.Ports) == 0 {
		return true
	}
	var memory [headLen]byte
	head := headOf(parts, &memory)
	if len(head) < wire.VirtioHeaderLen {
		return false
	}
	// ParseQuoted accepts truncated packets, as head may be one.
	var ip wire.IP
	from, to, _, err := wire.ParseQuoted(head[wire.VirtioHeaderLen:], &ip)
	if len(f.Hosts) > 0 && !slices.Contains(f.Hosts, ip.Src) && !slices.Contains(f.Hosts, ip.Dst) {
		return false
	}
	if len(f.Ports) == 0 {
		return true
	}
	return err == nil && ip.Protocol == wire.ProtocolTCP && (slices.Contains(f.Ports, from) || slices.Contains(f.Ports, to))
}

// headOf returns the beginning of the frame in parts, in memory unless it is in one piece.
func headOf(parts [][]byte, memory *[headLen]byte) []byte {
	if len(parts) == 0 {
		return nil
	}
	if len(parts) == 1 || len(parts[0]) >= headLen {
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += copy(memory[n:], p)
	}
	return memory[:n]
}

// Ends returns the addresses of a frame's packet at the stack and at the peer. The ports are 0 unless the packet is of
// TCP or UDP, and no later fragment. Ok is false if the frame has no IP header.
func Ends(f *stack.Frame) (local, remote netip.AddrPort, ok bool) {
	var memory [headLen]byte
	head := headOf(f.Parts, &memory)
	if len(head) < wire.VirtioHeaderLen {
		return local, remote, false
	}
	var ip wire.IP
	from, to, _, err := wire.ParseQuoted(head[wire.VirtioHeaderLen:], &ip)
	if err != nil || ip.Protocol != wire.ProtocolTCP && ip.Protocol != wire.ProtocolUDP {
		from, to = 0, 0
	}
	local, remote = netip.AddrPortFrom(ip.Dst, to), netip.AddrPortFrom(ip.Src, from)
	if f.Outgoing {
		local, remote = remote, local
	}
	return local, remote, ip.Src.IsValid()
}
