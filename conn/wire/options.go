package wire

import "encoding/binary"

// Options are the TCP options minitcp knows: RFC 9293 3.2, RFC 7323, RFC 2018. Others are skipped (MUST-6).
type Options struct {
	MSS            uint16 // 0: absent
	HasWindowScale bool
	WindowScale    uint8 // at most 14 (RFC 7323 2.3)
	SACKPermitted  bool
	HasTimestamps  bool
	TSVal, TSEcr   uint32
	SACKCount      uint8
	SACK           [4]SACKBlock
}

// SACKBlock is the sequence numbers from Left up to, not including, Right.
type SACKBlock struct{ Left, Right uint32 }

const (
	kindEnd           = 0
	kindNOP           = 1
	kindMSS           = 2
	kindWindowScale   = 3
	kindSACKPermitted = 4
	kindSACK          = 5
	kindTimestamps    = 8

	maxOptions     = 40
	maxWindowScale = 14
)

// parse reads the options of a header, at any alignment (MUST-64). A length that is not what the option has, or that
// runs past the header, is illegal (MUST-7).
func (o *Options) parse(b []byte) error {
	for len(b) > 0 {
		switch b[0] {
		case kindEnd:
			return nil
		case kindNOP:
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return ErrTCPOptionLength
		}
		if !o.take(b[0], b[2:b[1]]) {
			return ErrTCPOptionLength
		}
		b = b[b[1]:]
	}
	return nil
}

// take reads the value v of one option and reports whether its length is right.
func (o *Options) take(kind byte, v []byte) bool {
	switch kind {
	case kindMSS:
		if len(v) != 2 {
			return false
		}
		o.MSS = binary.BigEndian.Uint16(v)
	case kindWindowScale:
		if len(v) != 1 {
			return false
		}
		o.HasWindowScale, o.WindowScale = true, min(v[0], maxWindowScale)
	case kindSACKPermitted:
		if len(v) != 0 {
			return false
		}
		o.SACKPermitted = true
	case kindTimestamps:
		if len(v) != 8 {
			return false
		}
		o.HasTimestamps = true
		o.TSVal, o.TSEcr = binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	case kindSACK:
		if len(v) == 0 || len(v)%8 != 0 || len(v) > 32 {
			return false
		}
		o.SACKCount = uint8(len(v) / 8)
		for i := range o.SACKCount {
			o.SACK[i] = SACKBlock{binary.BigEndian.Uint32(v[8*i:]), binary.BigEndian.Uint32(v[8*i+4:])}
		}
	}
	return true
}

// Len is the octets the options take in a header, padding included: a multiple of 4, at most 40.
func (o *Options) Len() int {
	n := o.fixedLen()
	if blocks := o.sackFitting(n); blocks > 0 {
		n += 4 + 8*blocks
	}
	return n
}

func (o *Options) fixedLen() int {
	n := 0
	if o.MSS != 0 {
		n += 4
	}
	if o.HasWindowScale {
		n += 4
	}
	if o.SACKPermitted {
		n += 4
	}
	if o.HasTimestamps {
		n += 12
	}
	return n
}

// sackFitting is how many SACK blocks there is room for beside n octets.
func (o *Options) sackFitting(n int) int {
	return min(int(o.SACKCount), (maxOptions-n-4)/8)
}

// put writes the options, each padded in front with NOPs to a multiple of 4 (MUST-69 asks for padding of zeros only
// after the end of the list, of which there is none).
func (o *Options) put(b []byte) int {
	fixed := o.fixedLen()
	n := 0
	if o.MSS != 0 {
		b[0], b[1] = kindMSS, 4
		binary.BigEndian.PutUint16(b[2:], o.MSS)
		n += 4
	}
	if o.HasWindowScale {
		b[n], b[n+1], b[n+2], b[n+3] = kindNOP, kindWindowScale, 3, o.WindowScale
		n += 4
	}
	if o.SACKPermitted {
		b[n], b[n+1], b[n+2], b[n+3] = kindNOP, kindNOP, kindSACKPermitted, 2
		n += 4
	}
	if o.HasTimestamps {
		b[n], b[n+1], b[n+2], b[n+3] = kindNOP, kindNOP, kindTimestamps, 10
		binary.BigEndian.PutUint32(b[n+4:], o.TSVal)
		binary.BigEndian.PutUint32(b[n+8:], o.TSEcr)
		n += 12
	}
	blocks := o.sackFitting(fixed)
	if blocks <= 0 {
		return n
	}
	b[n], b[n+1], b[n+2], b[n+3] = kindNOP, kindNOP, kindSACK, byte(2+8*blocks)
	n += 4
	for _, s := range o.SACK[:blocks] {
		binary.BigEndian.PutUint32(b[n:], s.Left)
		binary.BigEndian.PutUint32(b[n+4:], s.Right)
		n += 8
	}
	return n
}
