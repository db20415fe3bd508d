//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"minitcp/bench/subject"
	"minitcp/tun"
)

// site is the network of one measurement. Its namespaces have no names, so that the kernel removes them with this
// process, even after SIGKILL.
type site struct {
	client, server *tun.Namespace // the same one unless the target is reached over a veth pair
	between        *tun.Namespace // of a forwarder or router; nil for none
	address        netip.Addr     // the server's
}

// newSite makes the namespaces for a target.
func newSite(target subject.Target) (s *site, err error) {
	s = &site{address: subject.ServerAddress.Addr()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.client, err = tun.NewNamespace(""); err != nil {
		return s, err
	}
	s.server = s.client
	if target.Veth || target.Role != subject.RoleServer {
		if s.server, err = tun.NewNamespace(""); err != nil {
			return s, err
		}
	}
	if target.Role != subject.RoleServer {
		return s, s.insert(target.Role)
	}
	if target.Veth {
		err = join(s.client, s.server, subject.ClientAddress, subject.ServerAddress)
	}
	return s, err
}

func (s *site) close() error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.server != nil && s.server != s.client {
		errs = append(errs, s.server.Close())
	}
	if s.between != nil {
		errs = append(errs, s.between.Close())
	}
	return errors.Join(errs...)
}

const clientEnd, serverEnd = "client0", "server0"

// join joins two namespaces by a veth pair with Linux's defaults, and the MTU of the TUNs.
func join(client, server *tun.Namespace, clientAddress, serverAddress netip.Prefix) error {
	var handle netns.NsHandle
	if err := server.Do(func() (err error) { handle, err = netns.Get(); return err }); err != nil {
		return fmt.Errorf("veth pair: %w", err)
	}
	defer handle.Close()
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: serverEnd, PeerNamespace: netlink.NsFd(handle)}
	pair.Name = clientEnd
	err := client.Do(func() error { return netlink.LinkAdd(pair) })
	if err == nil {
		err = errors.Join(
			client.Do(func() error { return bringUp(clientEnd, clientAddress) }),
			server.Do(func() error { return bringUp(serverEnd, serverAddress) }),
		)
	}
	if err != nil {
		return fmt.Errorf("veth pair: %w", err)
	}
	return nil
}

func bringUp(name string, prefix netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	address, err := netlink.ParseAddr(prefix.String())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
