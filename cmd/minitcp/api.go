//go:build linux

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
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
	"default: a socket of this user; see: minitcp help api"

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

// newAPITopic returns the help on the API. It is no command.
func newAPITopic() *cobra.Command {
	return &cobra.Command{
		Use:   "api",
		Short: "The API of a running daemon",
		Long: `Serve, run and gateway serve HTTP at --api ADDRESS: unix:PATH or HOST:PORT. The default is the socket
$XDG_RUNTIME_DIR/minitcp/PID.sock, or for root without that variable /run/minitcp/PID.sock, with mode 0600; off means none.

  GET  /                               the page, for browsers
  GET  /metrics                        Prometheus
  GET  /api/daemon                     command, process, times
  GET  /api/connections?filter=F       connections and listeners; F is a filter as of minitcp ss; all=1 is its -a
  GET  /api/connection?local=A&remote=A
  GET  /api/finished                   the last 100 connections that ended, with the cause
  GET  /api/stats                      counters under the kernel's names
  GET  /api/events[?local=A&remote=A]  server-sent events: the table each second, or a connection ten times a second
  GET  /api/capture?filter=F&count=N   packets as pcapng, until the client leaves; split=1 cuts superframes; with POST,
                                       until the request's body ends
  POST /api/kill?local=A&remote=A      resets a connection; needs the header X-Minitcp-Kill: 1

For instance:

  curl --unix-socket $XDG_RUNTIME_DIR/minitcp/PID.sock http://localhost/api/connections

Names other than localhost in a Host header, and requests of pages of other origins, are refused. At an address that
other hosts can reach, the API is read-only and has no captures.`,
	}
}
