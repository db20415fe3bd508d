//go:build linux

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"minitcp/cmd/minitcp/internal/control"
	"minitcp/stack"
)

// apiFlag is the value of --api: where a daemon serves its API, or where the API of one is.
type apiFlag struct {
	address control.Address
	off     bool
}

const apiHelp = "serve the API and the page of the running daemon at `ADDRESS`: unix:PATH, HOST:PORT or off; " +
	"default: a socket in $XDG_RUNTIME_DIR/minitcp, for root without that variable in /run/minitcp"

func (f *apiFlag) register(flags *pflag.FlagSet) { flags.Var(f, "api", apiHelp) }

// Set parses an address or the word off.
func (f *apiFlag) Set(s string) (err error) {
	if s == "off" {
		*f = apiFlag{off: true}
		return nil
	}
	a, err := control.ParseAddress(s)
	if err != nil {
		return usagef("%v", err)
	}
	*f = apiFlag{address: a}
	return nil
}

// String returns the text that Set parses.
func (f *apiFlag) String() string {
	if f.off {
		return "off"
	}
	return f.address.String()
}

// Type returns the word for the value in the help text.
func (f *apiFlag) Type() string { return "ADDRESS" }

// open returns a Monitor of a stack that has just been made. It serves the API that the flag names. Without a default
// socket it serves none, and logs the reason.
func (f *apiFlag) open(s *stack.Stack, o control.Options) (*control.Monitor, error) {
	m := control.New(s, o)
	if f.off {
		return m, nil
	}
	err := m.Listen(f.address)
	switch {
	case err == nil:
		o.Log.Debug("API", "address", m.Addr())
	case f.address.IsDefault():
		o.Log.Debug("no API", "reason", err.Error())
	default:
		m.Close()
		if errors.Is(err, control.ErrInUse) {
			return nil, fmt.Errorf("--api: %w; choose another address", err)
		}
		return nil, fmt.Errorf("--api: %w", err)
	}
	return m, nil
}
