//go:build linux

package flood

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"

	"minitcp/bench/emulator"
	"minitcp/bench/site"
	"minitcp/conn/netem"
	"minitcp/tun"
)

// far is a namespace behind an emulated link, whose packets the nearby one forwards. It has no name, so that the kernel
// removes it with this process.
type far struct {
	namespace *tun.Namespace
	link      *emulator.Link
}

var (
	nearAddress = netip.MustParsePrefix("10.78.0.1/24")
	farAddress  = netip.MustParsePrefix("10.78.0.2/24")
)

// newFar makes a namespace from which the server has a round-trip time.
func newFar(network *site.Site, rtt time.Duration) (f *far, err error) {
	f = new(far)
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.namespace, err = tun.NewNamespace(""); err != nil {
		return f, err
	}
	here := network.Client.(*tun.Namespace)
	err = here.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) })
	if err != nil {
		return f, err
	}
	near, err := emulator.Open(here, nearAddress)
	if err != nil {
		return f, err
	}
	end, err := emulator.Open(f.namespace, farAddress)
	if err != nil {
		return f, errors.Join(err, near.Close())
	}
	way := netem.Config{Delay: rtt / 2}
	if f.link, err = emulator.Start(near, end, way, way, 1); err != nil {
		return f, err
	}
	return f, f.namespace.Do(func() error { return netlink.RouteAdd(&netlink.Route{Gw: nearAddress.Addr().AsSlice()}) })
}

func (f *far) close() (err error) {
	if f.link != nil {
		err = f.link.Stop()
	}
	if f.namespace != nil {
		err = errors.Join(err, f.namespace.Close())
	}
	return err
}
