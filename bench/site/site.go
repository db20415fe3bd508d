//go:build linux

// Package site makes the network of a measurement: namespaces, and veth pairs between them.
package site

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"minitcp/bench/subject"
	"minitcp/tun"
)

// Site is the network of one measurement. Its namespaces have no names, so that the kernel removes them with this
// process, even after SIGKILL.
type Site struct {
	Client  subject.Place  // of the client's sockets
	Server  *tun.Namespace // the same one as the client's unless the target is reached over a veth pair
	Address netip.Addr     // the server's

	client  *tun.Namespace
	between *tun.Namespace // of a forwarder or router; nil for none
}

// New makes the namespaces for a target.
func New(target subject.Target) (s *Site, err error) {
	s = &Site{Address: subject.ServerAddress.Addr()}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.client, err = tun.NewNamespace(""); err != nil {
		return s, err
	}
	s.Client, s.Server = s.client, s.client
	if target.Veth || target.Role != subject.RoleServer {
		if s.Server, err = tun.NewNamespace(""); err != nil {
			return s, err
		}
	}
	if target.Role != subject.RoleServer {
		return s, s.insert(target.Role)
	}
	if target.Veth {
		err = join(s.client, s.Server, subject.ClientAddress, subject.ServerAddress)
	}
	return s, err
}

func (s *Site) Close() error {
	var errs []error
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.Server != nil && s.Server != s.client {
		errs = append(errs, s.Server.Close())
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
	if err == nil {
		err = errors.Join(
			client.Do(func() error { return awaitUp(clientEnd) }),
			server.Do(func() error { return awaitUp(serverEnd) }),
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

// upTime is the time in which a device must be operational.
const upTime = 5 * time.Second

// awaitUp waits until a device that is up is operational. Linux drops packets before that, and a neighbour that it has
// asked for in vain is asked for again a second later.
func awaitUp(name string) error {
	for deadline := time.Now().Add(upTime); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return fmt.Errorf("%s is not operational within %v", name, upTime)
}
