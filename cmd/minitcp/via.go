//go:build linux

package main

import (
	"strings"

	"minitcp/cmd/minitcp/internal/gateway"
)

// viaList is the value of --via, which may be repeated.
type viaList struct{ rules []gateway.Rule }

// viaUsage is the help text of --via.
const viaUsage = "way out: direct, reject, socks5://[USER:PASSWORD@]HOST:PORT or http://[USER:PASSWORD@]HOST:PORT; CIDR=WAY is for destinations in CIDR only; may be repeated"

// Set adds a rule.
func (l *viaList) Set(s string) error {
	r, err := gateway.ParseRule(s)
	if err != nil {
		return usagef("%v", err)
	}
	for _, other := range l.rules {
		if other.Prefix == r.Prefix {
			return usagef("there is a way for these destinations already: %v", other)
		}
	}
	l.rules = append(l.rules, r)
	return nil
}

// String returns the rules, without passwords, separated by commas.
func (l *viaList) String() string {
	var texts []string
	for _, r := range l.rules {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, ",")
}

// Type returns the word for the value in the help text.
func (l *viaList) Type() string { return "WAY" }
