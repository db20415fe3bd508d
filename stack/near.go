package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"minitcp/stack/internal/flow"
)

// NearReporter is implemented by a [Device] that knows the addresses of the host on its other side. See [Config.Near].
type NearReporter interface {
	// Near returns the prefixes of those addresses. It is called once, in [New].
	Near() []netip.Prefix
}

// nearPrefixes returns the prefixes of Config.Near, by default those of the device.
func nearPrefixes(dev Device, cfg *Config) ([]netip.Prefix, error) {
	prefixes, source := cfg.Near, "Config.Near"
	if prefixes == nil {
		d, ok := dev.(NearReporter)
		if !ok {
			return nil, nil
		}
		prefixes, source = d.Near(), "the device's Near"
	}
	for _, p := range prefixes {
		if err := checkNear(p); err != nil {
			return nil, fmt.Errorf("stack: %s: %w", source, err)
		}
	}
	return slices.Clone(prefixes), nil
}

// checkNear returns an error if p cannot contain the address of a peer.
func checkNear(p netip.Prefix) error {
	switch {
	case p == netip.Prefix{}:
		return errors.New("a prefix is the zero value")
	case !p.IsValid():
		return fmt.Errorf("a prefix of %v has an impossible length", p.Addr())
	case p.Addr().Is4In6():
		return fmt.Errorf("%v is an IPv4 prefix in IPv6 form; the IPv4 form is meant", p)
	}
	return nil
}

// isNear reports whether the peer at this address is near, if its segments arrive on the queue.
func (s *Stack) isNear(remote flow.Address, queue uint8) bool {
	if len(s.near) == 0 || queue == s.loop.number {
		return false
	}
	a := remote.Addr()
	return slices.ContainsFunc(s.near, func(p netip.Prefix) bool { return p.Contains(a) })
}
