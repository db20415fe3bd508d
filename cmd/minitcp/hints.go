//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// printHints writes addresses and commands to try. The commands work as printed.
func (o *serveOptions) printHints(w io.Writer, device string) {
	var addresses []string
	for _, a := range o.device.address.addresses() {
		addresses = append(addresses, a.String())
	}
	where := ""
	switch {
	case o.device.netns != "":
		where = " in network namespace " + o.device.netns
	case isPrivate():
		where = " in a private network namespace"
	}
	fmt.Fprintf(w, "minitcp is %s on %s%s. Try:\n", strings.Join(addresses, " and "), device, where)
	for _, line := range o.hints() {
		fmt.Fprintln(w, "  "+line)
	}
	fmt.Fprintln(w, "Press ^C to stop.")
}

// hints returns the commands to try.
func (o *serveOptions) hints() []string {
	before := o.device.prefix()
	families := onePerFamily(o.device.address.addresses())
	var list []string
	if port := o.listen.first(httpService); port != 0 {
		for _, a := range families {
			list = append(list, before+curl("", a, port, ""))
		}
	}
	first := families[0]
	if port := o.listen.first(filesService); port != 0 {
		list = append(list, before+curl("-O ", first, port, "NAME"))
		if o.upload.allowed {
			list = append(list, before+curl("-T FILE ", first, port, ""))
		}
	}
	if port := o.listen.first("echo"); port != 0 {
		list = append(list, fmt.Sprintf("printf 'hello\\n' | %snc -N %v %d", before, first, port))
	}
	if port := o.listen.first("daytime"); port != 0 {
		list = append(list, fmt.Sprintf("%snc -N %v %d </dev/null", before, first, port))
	}
	for _, a := range families {
		list = append(list, fmt.Sprintf("%sping -c1 %v", before, a))
	}
	return list
}

// curl returns the command line of curl for a URL.
func curl(options string, a netip.Addr, port uint16, name string) string {
	host := netip.AddrPortFrom(a, port).String()
	if port == 80 {
		host = strings.TrimSuffix(host, ":80")
	}
	if a.Is6() { // brackets are special to curl and to the shell
		return fmt.Sprintf("curl -g %s'http://%s/%s'", options, host, name)
	}
	return fmt.Sprintf("curl %shttp://%s/%s", options, host, name)
}

// onePerFamily returns the first IPv4 address and the first IPv6 address.
func onePerFamily(all []netip.Addr) []netip.Addr {
	var list []netip.Addr
	for _, is4 := range []bool{true, false} {
		for _, a := range all {
			if a.Is4() == is4 {
				list = append(list, a)
				break
			}
		}
	}
	return list
}
