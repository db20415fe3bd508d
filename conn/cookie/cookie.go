// Package cookie encodes the state of a handshake in the sequence number and the timestamp of its SYN-ACK, so that a
// listener needs no memory for a SYN before the peer's ACK arrives [RFC 4987 3.6].
//
// The sequence number holds 24 bits of a keyed hash and 8 bits of options: an index of the MSS, an index of the window
// scale, whether SACK is permitted, and which of two keys is in use. With timestamps, the low 5 bits of the TSVal hold
// the exact window scale and ECN. The hash covers the addresses, the ports, the peer's sequence number, and the options
// in the sequence number. The bits in the TSVal are not protected, since they concern only the peer's own connection;
// they are ignored if they contradict the others. A peer whose ACK has no timestamps gets a connection without them.
//
// A key is in use for 64 seconds and is accepted for as long after, so a cookie is valid for 64 to 128 seconds. A blind
// ACK is valid with a probability of 2 to the power of -24.
package cookie

import (
	"encoding/binary"
	"net/netip"
	"time"

	"minitcp/conn/clock"
	"minitcp/conn/siphash"
	"minitcp/conn/wire"
)

// period is the time for which cookies are made with a key. They are accepted for one more period.
const period = 64 * time.Second

// Lifetime is the longest time for which a cookie is valid.
const Lifetime = 2 * period

// MinMSS is the least MSS that a cookie can hold.
const MinMSS = 536

// sizes and scales are the values that 3 bits stand for. A cookie holds the largest of them that does not exceed the
// peer's value, so a segment is never too large and a window never too small.
var (
	sizes  = [8]uint16{MinMSS, 1220, 1300, 1360, 1400, 1440, 1460, 8940}
	scales = [8]uint8{noScale, 0, 2, 4, 6, 7, 8, 10}
)

// noScale stands for a SYN without the window scale option.
const noScale = 15

// Options are the options of a SYN that a cookie holds.
type Options struct {
	MSS        uint16
	Scaled     bool // whether Scale is valid
	Scale      uint8
	SACK       bool
	Timestamps bool
	ECN        bool // only with Timestamps
}

// SYN returns the SYN that has these options.
func (o *Options) SYN(irs, tsval uint32) wire.TCP {
	syn := wire.TCP{Seq: irs, Flags: wire.SYN, Options: wire.Options{
		MSS: o.MSS, SACKPermitted: o.SACK, HasWindowScale: o.Scaled, WindowScale: o.Scale, HasTimestamps: o.Timestamps, TSVal: tsval,
	}}
	if o.ECN {
		syn.Flags |= wire.ECE | wire.CWR
	}
	return syn
}

// Ends identify a handshake: both ends, and the initial sequence number of the remote one.
type Ends struct {
	Local, Remote netip.AddrPort
	IRS           uint32
}

// Keys are the two keys in use at a time. They depend on nothing but a secret and the time.
type Keys struct {
	epoch int64
	key   [2]siphash.Key // of this epoch and of the last, indexed by their lowest bit
}

func epoch(now clock.Time) int64 { return int64(now) / int64(period) }

// NewKeys returns the keys in use at now. They differ between epochs, and between any two secrets.
func NewKeys(secret *[32]byte, now clock.Time) *Keys {
	k := &Keys{epoch: epoch(now)}
	root := siphash.NewKey([16]byte(secret[16:]))
	for _, e := range []int64{k.epoch, k.epoch - 1} {
		var b, key [16]byte
		binary.LittleEndian.PutUint64(b[:], uint64(e))
		for half := range 2 {
			b[8] = byte(half)
			binary.LittleEndian.PutUint64(key[8*half:], siphash.Sum(&root, b[:]))
		}
		k.key[e&1] = siphash.NewKey(key)
	}
	return k
}

// Valid reports whether k are the keys in use at now.
func (k *Keys) Valid(now clock.Time) bool { return k != nil && k.epoch == epoch(now) }

// Make returns the sequence number of a SYN-ACK for a SYN with the options o, and the low 5 bits of its TSVal.
func (k *Keys) Make(e *Ends, o Options) (iss uint32, stamp uint8) {
	data, stamp := o.encode()
	data |= uint8(k.epoch & 1)
	mac := k.mac(e, data)
	// The options are masked with bits of the hash: they would tell two connections apart from random numbers.
	return mac<<8 | uint32(data^uint8(mac)), stamp
}

// Open returns the options in a cookie, and reports whether the cookie is valid. stamp is nil if the segment has no
// timestamps option, and holds its TSEcr otherwise.
func (k *Keys) Open(e *Ends, iss uint32, stamp *uint32) (Options, bool) {
	mac := iss >> 8
	data := uint8(iss) ^ uint8(mac)
	if k.mac(e, data) != mac {
		return Options{}, false
	}
	o := Options{MSS: sizes[data>>5], SACK: data&bitSACK != 0}
	o.setScale(scales[data>>2&7])
	if stamp != nil {
		o.Timestamps = true
		if exact := uint8(*stamp & scaleMask); index(exact) == int(data>>2&7) {
			o.setScale(exact)
			o.ECN = *stamp&stampECN != 0
		}
	}
	return o, true
}

const (
	stampBits = 5
	stampECN  = 1 << 4
	scaleMask = 1<<4 - 1
	bitSACK   = 1 << 1 // beside bit 0, which selects the key
)

func (o *Options) setScale(scale uint8) {
	o.Scaled, o.Scale = scale != noScale, scale%noScale
}

// index returns the index of the largest of scales that does not exceed scale.
func index(scale uint8) int {
	if scale == noScale {
		return 0
	}
	i := len(scales) - 1
	for scales[i] > scale {
		i--
	}
	return i
}

// Stamp returns the TSVal that holds the bits: the latest one that is not after clock.
func Stamp(clock uint32, bits uint8) uint32 {
	const mask = 1<<stampBits - 1
	v := clock&^mask | uint32(bits&mask)
	if v-clock-1 < mask { // after clock
		v -= 1 << stampBits
	}
	return v
}

// encode returns the bits of o in the sequence number, and those in the TSVal.
func (o *Options) encode() (data, stamp uint8) {
	size := len(sizes) - 1
	for size > 0 && sizes[size] > o.MSS {
		size--
	}
	stamp = noScale
	if o.Scaled {
		stamp = min(o.Scale, noScale-1)
	}
	data = uint8(size)<<5 | uint8(index(stamp))<<2
	if o.SACK {
		data |= bitSACK
	}
	if o.ECN {
		stamp |= stampECN
	}
	return data, stamp
}

// mac returns the 24 bits of hash.
func (k *Keys) mac(e *Ends, data uint8) uint32 {
	var b [41]byte
	local, remote := e.Local.Addr().As16(), e.Remote.Addr().As16()
	copy(b[:], local[:])
	copy(b[16:], remote[:])
	binary.BigEndian.PutUint16(b[32:], e.Local.Port())
	binary.BigEndian.PutUint16(b[34:], e.Remote.Port())
	binary.BigEndian.PutUint32(b[36:], e.IRS)
	b[40] = data
	return uint32(siphash.Sum(&k.key[data&1], b[:]) >> 40)
}
