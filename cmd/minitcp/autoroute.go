//go:build linux

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minitcp/tun"
)

// The routes of --auto-route are default routes into the TUN, in a table of their own. Rules send all packets to that
// table except those of the gateway's own sockets, which have a mark. Routes of the main table come first, except for
// its default routes, so that the networks that the host is on stay as they are.
//
// The kernel removes the routes together with the device. Rules stay after a kill: they lead to an empty table, which
// has no effect, and the next start removes them. They are recognized by the protocol number and the table.
//
// The kernel also removes the routes when an administrator takes the device down. The gateway adds them again when the
// device is up.
const (
	autoRouteTable    = 28020 // "mt"
	autoRouteMark     = 28020
	autoRoutePriority = 9000
	autoRouteProtocol = 0x6d // as RTA_PROTOCOL; 0 to 99 and 186 to 192 are other programs'
)

// routes are the routes and rules of a running gateway.
type routes struct {
	namespace *tun.Namespace
	device    string
	families  []int
	stop      chan struct{} // closed by remove: ends the reports of the device's state
}

// addRoutes routes the traffic of the node's namespace into its device. It removes the rules of a run that was killed.
func addRoutes(n *node, mark uint32, dns bool, log *slog.Logger) (*routes, error) {
	r := &routes{namespace: n.namespace, device: n.device.Name(), stop: make(chan struct{})}
	for _, p := range n.stack.Addresses() {
		family := netlink.FAMILY_V6
		if p.Addr().Is4() {
			family = netlink.FAMILY_V4
		}
		if len(r.families) == 0 || r.families[0] != family {
			r.families = append(r.families, family)
		}
	}
	changes := make(chan netlink.LinkUpdate)
	err := n.namespace.Do(func() error {
		if err := checkTable(r.device); err != nil {
			return err
		}
		left, err := removeRules()
		if err != nil {
			return err
		}
		if left > 0 {
			log.Info("removed the routing rules of a run that was killed", "rules", left)
		}
		for _, family := range r.families {
			err := addRoute(family, r.device)
			if err == nil {
				err = addRules(family, mark, dns)
			}
			if err != nil {
				_, failed := removeRules()
				return errors.Join(err, failed)
			}
		}
		warnOfFilter(log)
		if err := netlink.LinkSubscribe(changes, r.stop); err != nil {
			_, failed := removeRules()
			return errors.Join(fmt.Errorf("cannot watch %s: %w", r.device, err), failed)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("--auto-route: %w", err)
	}
	go r.restore(changes, log)
	return r, nil
}

// restore adds the routes again when the device comes up after it was down.
func (r *routes) restore(changes <-chan netlink.LinkUpdate, log *slog.Logger) {
	wasUp := true
	for c := range changes {
		up := c.Attrs().Flags&net.FlagUp != 0
		if c.Attrs().Name != r.device || up == wasUp {
			continue
		}
		wasUp = up
		if !up {
			log.Warn("the device is down: the traffic of the host bypasses the gateway until it is up", "device", r.device)
			continue
		}
		err := r.namespace.Do(func() (err error) {
			for _, family := range r.families {
				err = errors.Join(err, addRoute(family, r.device))
			}
			return err
		})
		if err != nil {
			log.Error("the device is up, but the traffic of the host bypasses the gateway; restart it", "device", r.device, "error", err)
		} else {
			log.Info("the device is up, and its routes are restored", "device", r.device)
		}
	}
}

// remove undoes addRoutes.
func (r *routes) remove() error {
	close(r.stop)
	return r.namespace.Do(func() error {
		_, err := removeRules()
		return err
	})
}

// addRoute adds the route of an address family.
func addRoute(family int, device string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	all := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
	if family == netlink.FAMILY_V6 {
		all = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Table: autoRouteTable, Protocol: autoRouteProtocol, Family: family}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("cannot add a default route to %s: %w", device, err)
	}
	return nil
}

// addRules adds the rules of an address family.
func addRules(family int, mark uint32, dns bool) error {
	rule := func(order int) *netlink.Rule {
		r := netlink.NewRule()
		r.Family, r.Priority, r.Protocol = family, autoRoutePriority+order, autoRouteProtocol
		r.Table = autoRouteTable
		return r
	}
	names, local, others := rule(0), rule(1), rule(2)
	noMark := ^uint32(0) // not Invert, which is that of all conditions together
	names.Mask, names.Dport = &noMark, netlink.NewRulePortRange(dnsPort, dnsPort)
	local.Table, local.SuppressPrefixlen = unix.RT_TABLE_MAIN, 0
	others.Mark, others.Invert = mark, true
	rules := []*netlink.Rule{local, others}
	if dns {
		rules = []*netlink.Rule{names, local, others}
	}
	for _, r := range rules {
		if err := netlink.RuleAdd(r); err != nil {
			return fmt.Errorf("cannot add the routing rule %d: %w", r.Priority, err)
		}
	}
	return nil
}

// removeRules removes the rules of all runs, and returns their number.
func removeRules() (removed int, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := netlink.RuleList(family)
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) { // the kernel has no IPv6
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("cannot list the routing rules: %w", err)
		}
		for _, r := range rules {
			if r.Protocol != autoRouteProtocol || r.Priority < autoRoutePriority || r.Priority > autoRoutePriority+2 {
				continue
			}
			r.Family = family
			if err := netlink.RuleDel(&r); err != nil {
				return removed, fmt.Errorf("cannot remove the routing rule %d: %w", r.Priority, err)
			}
			removed++
		}
	}
	return removed, nil
}

// checkTable returns an error if the table has a route to another device than mine. Then another gateway is alive,
// because the routes of one that was killed have gone with its device.
func checkTable(mine string) error {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := netlink.RouteListFiltered(family, &netlink.Route{Table: autoRouteTable}, netlink.RT_FILTER_TABLE)
		if err != nil {
			continue // the kernel has no such family
		}
		for _, route := range list {
			link, err := netlink.LinkByIndex(route.LinkIndex)
			if err == nil && link.Attrs().Name != mine {
				return fmt.Errorf("the routes of another gateway, on %s, are in table %d; end that one first", link.Attrs().Name, autoRouteTable)
			}
		}
	}
	return nil
}

// warnOfFilter warns of interfaces with a strict reverse path filter. It drops the packets for the gateway's own
// sockets, because the filter looks their source up without the mark, and finds the TUN.
func warnOfFilter(log *slog.Logger) {
	const conf = "/proc/sys/net/ipv4/conf"
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(conf, name, "rp_filter"))
		return strings.TrimSpace(string(b))
	}
	links, err := netlink.LinkList()
	if err != nil {
		return
	}
	for _, l := range links {
		name := l.Attrs().Name
		if value := max(read("all"), read(name)); value == "1" && l.Attrs().Flags&net.FlagLoopback == 0 && l.Type() != "tuntap" {
			log.Warn("the reverse path filter of an interface is strict and drops what the gateway receives there",
				"interface", name, "try", "sysctl -w net.ipv4.conf."+name+".rp_filter=2")
		}
	}
}
