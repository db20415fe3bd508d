package conntest

import (
	"fmt"
	"strings"

	"minitcp/conn/wire"
)

// AccurateBox is a middlebox that does not support AccECN (RFC 9768 3.2.2.4, 3.2.3.2). Its zero value changes nothing.
type AccurateBox struct {
	ClearSYN   bool   // clears the flags of SYNs
	ClearField bool   // clears the flags of all other segments
	Strip      bool   // removes the option
	Zero       bool   // sets the fields of the option to 0
	Drop       bool   // drops segments with the option
	Of         string // name of the end whose segments are changed, or "" for both
}

func (b *AccurateBox) on() bool { return b.ClearSYN || b.ClearField || b.Strip || b.Zero || b.Drop }

// String lists the effects of the box, or returns "".
func (b AccurateBox) String() string {
	var parts []string
	for i, is := range []bool{b.ClearSYN, b.ClearField, b.Strip, b.Zero, b.Drop} {
		if is {
			parts = append(parts, [...]string{"clears flags of SYNs", "clears flags", "removes options", "zeroes options", "drops options"}[i])
		}
	}
	if parts == nil {
		return ""
	}
	return fmt.Sprintf("%s of AccECN of %q", strings.Join(parts, " and "), b.Of)
}

// change applies the box to an arriving segment.
func (b *AccurateBox) change(h *wire.TCP) {
	const flags = wire.AE | wire.CWR | wire.ECE
	if syn := h.Flags.Has(wire.SYN); b.ClearSYN && syn && !h.Flags.Has(wire.ACK) || b.ClearField && !syn {
		h.Flags &^= flags
	}
	if o := &h.Options.AccECN; b.Strip {
		*o = wire.AccECN{}
	} else if b.Zero {
		o.Fields = [3]uint32{}
	}
}

// drops reports whether the box drops a packet.
func (b *AccurateBox) drops(k *packet) bool {
	return b.Drop && of(b.Of, k.from) && k.seg.TCP.Options.AccECN.Order != wire.AccECNAbsent
}
