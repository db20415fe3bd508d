package wire

import "encoding/binary"

// SACKBlock is a range of sequence numbers that arrived out of order, from Left up to, not including, Right (RFC 2018
// 3).
type SACKBlock struct{ Left, Right uint32 }

// Options holds the options of a TCP header that this package knows. The zero value has none.
type Options struct {
	MSS            uint16 // largest segment that the sender accepts, in bytes (RFC 9293 3.7.1); 0 if absent
	HasWindowScale bool
	WindowScale    uint8 // a shift, 0 to 14 (RFC 7323 2.2)
	SACKPermitted  bool
	HasTimestamps  bool
	TSVal, TSEcr   uint32       // RFC 7323 3.2
	SACKCount      uint8        // number of blocks in SACK
	SACK           [4]SACKBlock // in the option's order
	FastOpen       FastOpen
	AccECN         AccECN
}

// Option kinds.
const (
	optionEnd           = 0
	optionNOP           = 1
	optionMSS           = 2
	optionWindowScale   = 3
	optionSACKPermitted = 4
	optionSACK          = 5
	optionTimestamps    = 8
	optionFastOpen      = 34
	optionAccECN0       = 172
	optionAccECN1       = 174
	optionExperiment    = 254
)

const (
	maxOptionsLen  = 40
	maxWindowScale = 14
	sackBlockLen   = 8
)

// parse reads the options in b, at any alignment (MUST-64), skips unknown ones (MUST-6), and reports whether every
// length is valid (MUST-7). If an option occurs twice, the last one counts.
func (o *Options) parse(b []byte) bool {
	for len(b) > 0 {
		switch b[0] {
		case optionEnd:
			return true
		case optionNOP:
			b = b[1:]
			continue
		}
		if len(b) < 2 {
			return false
		}
		n := int(b[1])
		if n < 2 || n > len(b) || !o.parseOne(b[0], b[2:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// parseOne reads the value of an option, and reports whether its length is right for its kind.
func (o *Options) parseOne(kind byte, v []byte) bool {
	switch kind {
	case optionMSS:
		if len(v) != 2 {
			return false
		}
		o.MSS = binary.BigEndian.Uint16(v) // 0 is no size, and reads as absent
	case optionWindowScale:
		if len(v) != 1 {
			return false
		}
		// A shift above 14 counts as 14 (RFC 7323 2.3).
		o.HasWindowScale, o.WindowScale = true, min(v[0], maxWindowScale)
	case optionSACKPermitted:
		if len(v) != 0 {
			return false
		}
		o.SACKPermitted = true
	case optionSACK:
		n := len(v) / sackBlockLen
		if n < 1 || n > len(o.SACK) || len(v)%sackBlockLen != 0 {
			return false
		}
		o.SACK = [4]SACKBlock{}
		o.SACKCount = uint8(n)
		for i := range n {
			at := v[i*sackBlockLen:]
			o.SACK[i] = SACKBlock{binary.BigEndian.Uint32(at), binary.BigEndian.Uint32(at[4:])}
		}
	case optionTimestamps:
		if len(v) != 8 {
			return false
		}
		o.HasTimestamps = true
		o.TSVal, o.TSEcr = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	case optionFastOpen:
		o.FastOpen.parse(FastOpenStandard, v)
	case optionExperiment:
		o.FastOpen.parseExperiment(v)
	case optionAccECN0, optionAccECN1:
		o.AccECN.parse(kind, v)
	}
	return true
}

// Len returns the length of the options in a header in bytes, a multiple of 4, at most 40.
func (o *Options) Len() int {
	n := o.fixedLen()
	if blocks := o.sackBlocks(n); blocks > 0 {
		n += 4 + blocks*sackBlockLen
	}
	return n
}

// Room returns the number of bytes that further options may take.
func (o *Options) Room() int { return maxOptionsLen - o.Len() }

// fixedLen returns Len without the SACK option.
func (o *Options) fixedLen() int {
	n := o.commonLen()
	return n + o.accECNLen(n)
}

// commonLen returns Len without the SACK and AccECN options.
func (o *Options) commonLen() int {
	n := 0
	if o.MSS != 0 {
		n += 4
	}
	switch {
	case o.HasTimestamps:
		n += 12 // SACK-permitted, if present, takes the place of two NOPs
	case o.SACKPermitted:
		n += 4
	}
	if o.HasWindowScale {
		n += 4
	}
	return n + o.FastOpen.paddedLen()
}

// accECNLen returns the length of the AccECN option after n bytes of other options, 0 if it does not fit.
func (o *Options) accECNLen(n int) int {
	if size := o.AccECN.Len(); n+size <= maxOptionsLen {
		return size
	}
	return 0
}

// sackBlocks returns the number of SACK blocks that fit after n bytes of other options. The first ones are sent,
// which are the most important (RFC 2018 4).
func (o *Options) sackBlocks(n int) int {
	return min(int(o.SACKCount), len(o.SACK), (maxOptionsLen-n-4)/sackBlockLen)
}

// put writes the options to b, which is Len bytes long, in Linux's order except for the Fast Open option. NOPs align
// the options to 4 bytes, so that there is no padding at the end (MUST-69).
func (o *Options) put(b []byte) {
	blocks := o.sackBlocks(o.fixedLen())
	if o.MSS != 0 {
		b[0], b[1] = optionMSS, 4
		binary.BigEndian.PutUint16(b[2:], o.MSS)
		b = b[4:]
	}
	if o.HasTimestamps {
		b[0], b[1], b[2], b[3] = optionNOP, optionNOP, optionTimestamps, 10
		if o.SACKPermitted {
			b[0], b[1] = optionSACKPermitted, 2
		}
		binary.BigEndian.PutUint32(b[4:], o.TSVal)
		binary.BigEndian.PutUint32(b[8:], o.TSEcr)
		b = b[12:]
	}
	if o.accECNLen(o.commonLen()) > 0 {
		b = b[o.AccECN.put(b):]
	}
	if o.SACKPermitted && !o.HasTimestamps {
		b[0], b[1], b[2], b[3] = optionNOP, optionNOP, optionSACKPermitted, 2
		b = b[4:]
	}
	if o.HasWindowScale {
		b[0], b[1], b[2], b[3] = optionNOP, optionWindowScale, 3, o.WindowScale
		b = b[4:]
	}
	if o.FastOpen.Kind != FastOpenNone {
		b = o.FastOpen.put(b)
	}
	if blocks > 0 {
		b[0], b[1], b[2], b[3] = optionNOP, optionNOP, optionSACK, uint8(2+blocks*sackBlockLen)
		b = b[4:]
		for _, s := range o.SACK[:blocks] {
			binary.BigEndian.PutUint32(b, s.Left)
			binary.BigEndian.PutUint32(b[4:], s.Right)
			b = b[sackBlockLen:]
		}
	}
}

// WindowScaleFor returns the shift with which a window of n bytes can be announced (RFC 7323 2.3). It is at least 7,
// since a buffer may grow later.
func WindowScaleFor(n int) uint8 {
	scale := uint8(7)
	for scale < maxWindowScale && n>>scale > 65535 {
		scale++
	}
	return scale
}
