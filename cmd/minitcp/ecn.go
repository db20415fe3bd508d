//go:build linux

package main

import "minitcp/conn"

// ecnMode is a flag's value.
type ecnMode conn.ECNMode

// Set takes the mode's name.
func (m *ecnMode) Set(s string) error {
	if (*conn.ECNMode)(m).UnmarshalText([]byte(s)) != nil {
		return usagef("no such mode; choose passive, active or disabled")
	}
	return nil
}

// String is the mode's name.
func (m *ecnMode) String() string { return conn.ECNMode(*m).String() }

// Type is for the help text.
func (m *ecnMode) Type() string { return "MODE" }
