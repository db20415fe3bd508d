package stack

import (
	"fmt"
	"net/netip"
	"slices"

	"minitcp/stack/internal/addresses"
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
	if err := addresses.CheckPrefixes(prefixes); err != nil {
		return nil, fmt.Errorf("stack: %s: %w", source, err)
	}
	return slices.Clone(prefixes), nil
}

// isNear reports whether the peer at this address is near, if its segments arrive on the queue.
func (s *Stack) isNear(remote flow.Address, queue uint8) bool {
	return len(s.near) > 0 && queue != s.loop.number && addresses.InAny(s.near, remote.Addr())
}
