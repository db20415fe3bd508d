//go:build linux

package main

import (
	"fmt"
	"log/slog"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// followMTU gives the stack the MTU of the device whenever an administrator changes it, until stop is called. A device
// of --tun-fd may be in a namespace that this process cannot enter, and is not watched.
func (n *node) followMTU(f *deviceFlags, log *slog.Logger) (stop func(), err error) {
	if f.fd >= 0 {
		return func() {}, nil
	}
	done := make(chan struct{})
	changes := make(chan netlink.LinkUpdate)
	var link netlink.Link
	err = n.namespace.Do(func() (err error) {
		if err = netlink.LinkSubscribe(changes, done); err != nil {
			return err
		}
		link, err = netlink.LinkByName(n.device.Name()) // after it: no change is missed
		return err
	})
	if err != nil {
		close(done)
		return nil, fmt.Errorf("cannot watch %s: %w", n.device.Name(), err)
	}
	go func() {
		mtu := n.device.MTU()
		n.changeMTU(&mtu, link.Attrs().MTU, log)
		for c := range changes {
			if c.Header.Type == unix.RTM_NEWLINK && c.Attrs().Index == link.Attrs().Index {
				n.changeMTU(&mtu, c.Attrs().MTU, log)
			}
		}
	}()
	return func() { close(done) }, nil
}

// changeMTU gives the stack a new MTU of the device in place of the last one seen.
func (n *node) changeMTU(last *int, mtu int, log *slog.Logger) {
	if mtu == *last {
		return
	}
	*last = mtu
	if err := n.stack.SetMTU(mtu); err != nil {
		log.Error("the device has an MTU that the stack cannot use; it keeps the one before", "device", n.device.Name(), "mtu", mtu, "error", err)
		return
	}
	log.Info("the MTU of the device has changed", "device", n.device.Name(), "mtu", mtu)
}
