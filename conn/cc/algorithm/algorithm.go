// Package algorithm selects the congestion control of a connection.
package algorithm

import (
	"minitcp/conn/cc"
	"minitcp/conn/cc/bbr"
	"minitcp/conn/names"
)

// Algorithm is an algorithm that limits the data in flight.
type Algorithm uint8

const (
	// CUBIC is RFC 9438, with HyStart++ (RFC 9406). It is the default.
	CUBIC Algorithm = iota
	// Reno is RFC 5681. It is slower than CUBIC on long fast paths.
	Reno
	// BBR is draft-ietf-ccwg-bbr. It measures the bandwidth and RTT of the path, and tolerates a loss rate of 2 %.
	BBR
)

var texts = [...]string{CUBIC: "cubic", Reno: "reno", BBR: "bbr"}

// String returns Linux's name: "cubic", "reno" or "bbr".
func (a Algorithm) String() string { return names.Of(texts[:], a) }

// MarshalText implements encoding.TextMarshaler with the names of String.
func (a Algorithm) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the names of String.
func (a *Algorithm) UnmarshalText(text []byte) error {
	return names.Parse(texts[:], text, "congestion control", a)
}

// Valid reports whether a is one of the constants.
func (a Algorithm) Valid() bool { return int(a) < len(texts) }

// New returns a controller. Window, MSS and NoSACK are those of the connection, and Seed is a random number.
func (a Algorithm) New(cfg bbr.Config) cc.Controller {
	switch a {
	case Reno:
		return cc.NewReno(cfg.MSS, cfg.Window)
	case BBR:
		return bbr.New(cfg)
	}
	return cc.NewCubic(cfg.MSS, cfg.Window)
}
