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
}

// newSite makes the namespaces for a target.
func newSite(veth bool) (s *site, err error) {
	s = new(site)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.client, err = tun.NewNamespace(""); err != nil {
		return s, err
	}
	s.server = s.client
	if veth {
		if s.server, err = tun.NewNamespace(""); err != nil {
			return s, err
		}
		if err := s.connect(); err != nil {
			return s, fmt.Errorf("veth pair: %w", err)
		}
	}
	return s, nil
}

func (s *site) close() error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.server != nil && s.server != s.client {
		errs = append(errs, s.server.Close())
	}
	return errors.Join(errs...)
}

const clientEnd, serverEnd = "client0", "server0"

// connect joins the namespaces by a veth pair with Linux's defaults, and the MTU of the TUNs.
func (s *site) connect() error {
	var server netns.NsHandle
	if err := s.server.Do(func() (err error) { server, err = netns.Get(); return err }); err != nil {
		return err
	}
	defer server.Close()
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: serverEnd, PeerNamespace: netlink.NsFd(server)}
	pair.Name = clientEnd
	if err := s.client.Do(func() error { return netlink.LinkAdd(pair) }); err != nil {
		return err
	}
	return errors.Join(
		s.client.Do(func() error { return bringUp(clientEnd, subject.ClientAddress) }),
		s.server.Do(func() error { return bringUp(serverEnd, subject.ServerAddress) }),
	)
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
