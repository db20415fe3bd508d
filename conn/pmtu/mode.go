package pmtu

import "errors"

// Mode selects when a connection probes for the largest packet that the path carries.
type Mode uint8

const (
	// Auto sends packets of the device's size until large packets do not arrive, and probes from then on. It is the
	// default.
	Auto Mode = iota
	// Always begins with small packets and probes from the beginning.
	Always
	// Off does not probe. Only ICMP messages lower the size of packets.
	Off
)

var modeNames = [...]string{Auto: "auto", Always: "always", Off: "off"}

// String returns "auto", "always" or "off".
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler with the names of String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if name == string(text) {
			*m = Mode(i)
			return nil
		}
	}
	return errors.New("unknown mode of MTU probing: want auto, always or off")
}

// Source is the origin of a path MTU.
type Source uint8

const (
	Device    Source = iota // MTU of the local device
	ICMP                    // Packet Too Big or Fragmentation Needed
	BlackHole               // larger packets have not arrived
	Probe                   // a probe of this size has arrived
	Cache                   // an earlier connection to the same host
	Base                    // first size of Always
)

var sourceNames = [...]string{Device: "device", ICMP: "icmp", BlackHole: "black hole", Probe: "probe", Cache: "cache", Base: "base"}

// String returns "device", "icmp", "black hole", "probe", "cache" or "base".
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler with the names of String.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
