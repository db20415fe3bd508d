// Package eyeballs connects to one of several addresses of a host, so that an address without a reply delays the
// connection little (Happy Eyeballs, RFC 8305).
package eyeballs

import (
	"context"
	"io"
	"net/netip"
	"time"
)

// Delay is the time after which an attempt to the next address begins beside those that have not succeeded [RFC 8305
// 5].
const Delay = 250 * time.Millisecond

// Sort returns the addresses of the families that are reachable, with a port and with the families in turn, IPv6 first
// [RFC 8305 4].
func Sort(addresses []netip.Addr, port uint16, reachable func(is4 bool) bool) []netip.AddrPort {
	var families [2][]netip.AddrPort
	for _, a := range addresses {
		a = a.Unmap().WithZone("")
		if !reachable(a.Is4()) {
			continue
		}
		family := 0
		if a.Is4() {
			family = 1
		}
		families[family] = append(families[family], netip.AddrPortFrom(a, port))
	}
	var list []netip.AddrPort
	for i := range max(len(families[0]), len(families[1])) {
		for _, f := range families {
			if i < len(f) {
				list = append(list, f[i])
			}
		}
	}
	return list
}

// First returns the connection of the first attempt that succeeds, and closes those of later ones. An attempt begins
// when the one before has failed, or has not succeeded after Delay [RFC 8305 5]. The error is that of the first attempt
// that failed, or ctx.Err().
func First[C io.Closer](ctx context.Context, remotes []netip.AddrPort, dial func(context.Context, netip.AddrPort) (C, error)) (c C, err error) {
	type outcome struct {
		conn C
		err  error
	}
	attempts, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan outcome)
	attempt := func(remote netip.AddrPort) {
		c, err := dial(attempts, remote)
		select {
		case outcomes <- outcome{c, err}:
		case <-attempts.Done(): // another attempt has succeeded, or the caller's context has ended
			if err == nil {
				c.Close()
			}
		}
	}
	var first error
	delay := time.NewTimer(0)
	defer delay.Stop()
	for next, pending := 0, 0; ; {
		select {
		case <-delay.C:
			if next < len(remotes) {
				go attempt(remotes[next])
				next++
				pending++
				delay.Reset(Delay)
			}
		case o := <-outcomes:
			if o.err == nil {
				return o.conn, nil
			}
			if first == nil {
				first = o.err
			}
			if pending--; next < len(remotes) {
				delay.Reset(0)
			} else if pending == 0 {
				return c, first
			}
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}
