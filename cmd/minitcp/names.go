//go:build linux

package main

import (
	"net/netip"
	"os"
	"strings"
)

// firstNameServer is the address inside of the first name server of the host. The others follow it.
var firstNameServer = netip.MustParseAddr("10.77.0.53")

const (
	hostResolvConf = "/etc/resolv.conf"
	dnsPort        = 53
	maxNameServers = 3 // of the C library [resolv.conf(5)]
)

// nameServers holds the configuration of the host's resolver.
type nameServers struct {
	servers []netip.Addr
	rest    []string // lines other than those of servers: search, options
}

// hostNames reads the configuration of the host's resolver. Without one, the server is 127.0.0.1 [resolv.conf(5)].
func hostNames() nameServers {
	text, _ := os.ReadFile(hostResolvConf)
	return parseResolvConf(string(text))
}

// parseResolvConf parses the content of /etc/resolv.conf. It leaves out lines that it does not understand.
func parseResolvConf(text string) nameServers {
	var n nameServers
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(fields[1]); err == nil && len(n.servers) < maxNameServers {
				n.servers = append(n.servers, a.Unmap())
			}
		case "search", "domain", "options", "sortlist":
			n.rest = append(n.rest, strings.Join(fields, " "))
		}
	}
	if len(n.servers) == 0 {
		n.servers = []netip.Addr{hostLoopback4}
	}
	return n
}

// resolvConf returns the content of /etc/resolv.conf inside.
func (n nameServers) resolvConf() string {
	var b strings.Builder
	b.WriteString("# Made by minitcp run: these addresses stand for the name servers of the host.\n")
	a := firstNameServer
	for range n.servers {
		b.WriteString("nameserver " + a.String() + "\n")
		a = a.Next()
	}
	for _, line := range n.rest {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// isNameServer reports whether an address inside may stand for a name server.
func isNameServer(a netip.Addr) bool {
	server := firstNameServer
	for range maxNameServers {
		if a == server {
			return true
		}
		server = server.Next()
	}
	return false
}

// serverFor returns the name server of the host that dst inside stands for.
func (n nameServers) serverFor(dst netip.AddrPort) (netip.AddrPort, bool) {
	a := firstNameServer
	for _, server := range n.servers {
		if dst == netip.AddrPortFrom(a, dnsPort) {
			return netip.AddrPortFrom(server, dnsPort), true
		}
		a = a.Next()
	}
	return netip.AddrPort{}, false
}
