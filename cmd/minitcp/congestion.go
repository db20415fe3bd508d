//go:build linux

package main

import "minitcp/conn"

// congestionControl is a flag's value.
type congestionControl conn.CongestionControl

// Set takes the algorithm's name.
func (c *congestionControl) Set(s string) error {
	if (*conn.CongestionControl)(c).UnmarshalText([]byte(s)) != nil {
		return usagef("no such algorithm; choose cubic, reno or bbr")
	}
	return nil
}

// String is the algorithm's name.
func (c *congestionControl) String() string { return conn.CongestionControl(*c).String() }

// Type is for the help text.
func (c *congestionControl) Type() string { return "NAME" }
