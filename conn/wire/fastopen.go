package wire

import "encoding/binary"

// FastOpen is a TCP Fast Open option. It has a meaning in SYN segments only (RFC 7413 4.1.1).
type FastOpen struct {
	Kind   FastOpenKind
	Len    uint8                   // length of the cookie in bytes; 0 is a request for one
	Cookie [MaxFastOpenCookie]byte // its first Len bytes; the others are 0
}

// FastOpenKind is the form of a Fast Open option.
type FastOpenKind uint8

const (
	// FastOpenNone means that the header has no Fast Open option.
	FastOpenNone FastOpenKind = iota
	// FastOpenStandard is the option of RFC 7413, kind 34.
	FastOpenStandard
	// FastOpenExperimental is the option of its drafts: kind 254 with the magic number 0xf989 (RFC 6994).
	FastOpenExperimental
)

const (
	// MinFastOpenCookie and MaxFastOpenCookie are the least and the largest length of a cookie in bytes. Lengths are even.
	MinFastOpenCookie = 4
	MaxFastOpenCookie = 16

	fastOpenMagic = 0xf989
)

// Data returns the cookie, empty for a request.
func (f *FastOpen) Data() []byte { return f.Cookie[:min(f.Len, MaxFastOpenCookie)] }

// Requests reports whether the option is a request for a cookie.
func (f *FastOpen) Requests() bool { return f.Kind != FastOpenNone && f.Len == 0 }

// parse reads the value of an option of a kind, which is a cookie. Options of an invalid length are ignored (RFC 7413
// 4.1.1).
func (f *FastOpen) parse(kind FastOpenKind, cookie []byte) {
	n := len(cookie)
	if n != 0 && (n < MinFastOpenCookie || n > MaxFastOpenCookie || n%2 != 0) {
		return
	}
	*f = FastOpen{Kind: kind, Len: uint8(n)}
	copy(f.Cookie[:], cookie)
}

// parseExperiment reads the value of an option of kind 254, which other experiments share.
func (f *FastOpen) parseExperiment(v []byte) {
	if len(v) >= 2 && binary.BigEndian.Uint16(v) == fastOpenMagic {
		f.parse(FastOpenExperimental, v[2:])
	}
}

// optionLen returns the length of the option in bytes, without NOPs; 0 if there is none.
func (f *FastOpen) optionLen() int {
	switch f.Kind {
	case FastOpenStandard:
		return 2 + len(f.Data())
	case FastOpenExperimental:
		return 4 + len(f.Data())
	}
	return 0
}

// paddedLen returns optionLen with the NOPs after the option, a multiple of 4.
func (f *FastOpen) paddedLen() int { return (f.optionLen() + 3) &^ 3 }

// put writes the option, of which there must be one, to b, with NOPs after it as on Linux. It returns the rest of b.
func (f *FastOpen) put(b []byte) []byte {
	n := f.paddedLen()
	o := b[:f.optionLen()]
	for i := len(o); i < n; i++ {
		b[i] = optionNOP
	}
	o[0], o[1] = optionFastOpen, uint8(len(o))
	if f.Kind == FastOpenExperimental {
		o[0] = optionExperiment
		binary.BigEndian.PutUint16(o[2:], fastOpenMagic)
	}
	copy(o[len(o)-len(f.Data()):], f.Data())
	return b[n:]
}
