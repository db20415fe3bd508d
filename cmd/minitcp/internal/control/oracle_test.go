//go:build linux

package control

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"minitcp/cmd/minitcp/internal/testenv"
	"minitcp/conn"
)

// TestFilterAgreesWithSS compares the sockets that a filter selects with those that ss of iproute2 selects with it. The
// sockets are the kernel's on the loopback addresses.
func TestFilterAgreesWithSS(t *testing.T) {
	if _, err := exec.LookPath("ss"); err != nil {
		testenv.NotTested(t, "ss (iproute2)")
	}
	var ports []any
	for _, address := range []string{"127.0.0.1:0", "127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			testenv.NotTested(t, "the loopback address "+address)
		}
		defer l.Close()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port)
	}
	// %[1]d is the port of a listener, %[2]d that of its client, and so on. The third pair has IPv6 addresses.
	for _, format := range []string{
		"sport = :%[1]d", "sport = %[1]d", "sport == :%[1]d", "sport eq :%[1]d", "dport = :%[3]d", "sport != :%[1]d", "sport ne :%[1]d",
		"sport > :%[1]d", "sport gt %[1]d", "sport >= :%[1]d", "sport ge :%[1]d", "sport < :%[4]d", "sport lt :%[4]d", "sport <= :%[4]d", "sport le :%[4]d",
		"src 127.0.0.1", "src = 127.0.0.1", "src 127.0.0.1:%[1]d", "src 127.0.0.0/8", "dst 127.0.0.0/8:%[1]d", "src :%[5]d", "src *:%[5]d",
		"src [::1]", "src [::1]:%[5]d", "dst [::/0]", "dst [::/0]:%[6]d", "dst 0.0.0.0/0", "dst [::1]:%[6]d",
		"sport = :%[1]d or sport = :%[5]d", "sport = :%[1]d | sport = :%[5]d", "sport = :%[1]d || dport = :%[1]d",
		"sport = :%[1]d and dport = :%[2]d", "sport = :%[1]d dport = :%[2]d", "sport = :%[1]d & dport = :%[2]d", "sport = :%[1]d && dport = :%[4]d",
		"not sport = :%[1]d", "! sport = :%[1]d", "not ( sport = :%[1]d or dport = :%[1]d )", "( sport = :%[1]d or sport = :%[5]d ) and src [::1]",
		"sport = :%[1]d or sport = :%[5]d and src [::1]", "src [::1] and sport = :%[5]d or sport = :%[1]d", "not sport = :%[1]d or src [::1]", "src 127.0.0.1 and ( sport = :%[1]d or dport = :%[3]d )",
		"state established", "state established sport = :%[1]d", "state listening", "exclude established", "state connected", "state synchronized", "state all",
	} {
		filter := fmt.Sprintf(format+"%[7]s", append(ports, "")...)
		want, err := socketsOf(filter, ports)
		if err != nil {
			t.Errorf("ss %q: %v", filter, err)
			continue
		}
		f, err := ParseFilter(filter, true)
		if err != nil {
			t.Error(err)
			continue
		}
		all, err := socketsOf("state all", ports)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(all, func(s kernelSocket) bool { return !f.Match(s.state, s.local, s.remote) })
		if !slices.Equal(got, want) {
			t.Errorf("%q selects\n%v\nwith ss\n%v", filter, got, want)
		}
	}
}

// kernelSocket is a line of ss.
type kernelSocket struct {
	state         conn.State
	local, remote netip.AddrPort
}

// socketsOf returns the sockets with one of the ports that ss selects with a filter, in their order.
func socketsOf(filter string, ports []any) (list []kernelSocket, err error) {
	words := strings.Fields(filter)
	args := []string{"-tanH"}
	if n := slices.IndexFunc(words, func(w string) bool { return w != "state" && w != "exclude" }); n == 1 {
		args, words = append(args, words[:2]...), words[2:] // ss takes these only as arguments of their own
	}
	if len(words) > 0 {
		args = append(args, strings.Join(words, " "))
	}
	out, err := exec.Command("ss", args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v: %s", err, out)
	}
	states := map[string]conn.State{"ESTAB": conn.Established, "LISTEN": conn.Listen}
	for line := range strings.Lines(string(out)) {
		cells := strings.Fields(line)
		state, ok := states[cells[0]]
		if _, err := fmt.Sscan(cells[0], new(int)); err == nil { // with a filter for one state, ss has no column of states
			cells = append([]string{""}, cells...)
			state, ok = states[map[string]string{"established": "ESTAB", "listening": "LISTEN"}[args[2]]], true
		}
		if !ok {
			continue
		}
		local := netip.MustParseAddrPort(cells[3])
		remote := netip.MustParseAddrPort(strings.Replace(cells[4], ":*", ":0", 1))
		if slices.Contains(ports, any(int(local.Port()))) {
			list = append(list, kernelSocket{state, local, remote})
		}
	}
	slices.SortFunc(list, func(a, b kernelSocket) int {
		if n := a.local.Compare(b.local); n != 0 {
			return n
		}
		return a.remote.Compare(b.remote)
	})
	return list, nil
}
