package nat

import (
	"net/netip"
	"slices"
)

// MaxContacts is the number of remote ends that a flow remembers.
const MaxContacts = 128

// Contacts are the remote ends that a client has sent to, from the earliest on. Filters depend on them.
type Contacts struct{ list []netip.AddrPort }

// Add adds a remote end as the latest. If there are too many, it forgets the earliest.
func (c *Contacts) Add(remote netip.AddrPort) {
	if i := slices.Index(c.list, remote); i >= 0 {
		c.list = slices.Delete(c.list, i, i+1)
	} else if len(c.list) == MaxContacts {
		c.list = slices.Delete(c.list, 0, 1)
	}
	c.list = append(c.list, remote)
}

// Contain reports whether the client has sent to a remote end.
func (c *Contacts) Contain(remote netip.AddrPort) bool { return slices.Contains(c.list, remote) }
