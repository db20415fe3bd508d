//go:build linux

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Client reads the API of one daemon.
type Client struct {
	address Address
	http    http.Client
}

const (
	// requestTimeout is the time for a request of a Client.
	requestTimeout = 10 * time.Second
	// maxReply is the largest reply in bytes: about a million connections.
	maxReply = 2 << 30
)

// NewClient returns a Client of the daemon at an address that is not the default.
func NewClient(a Address) *Client {
	var d net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, a.network, a.text)
	}}
	return &Client{a, http.Client{Transport: transport, Timeout: requestTimeout}}
}

// ErrNoDaemon is the error of Clients if there is none.
var ErrNoDaemon = errors.New("no daemon runs with an API socket of yours; start one, for instance: minitcp serve; or name its address with --api")

// Clients returns a Client for each daemon that runs with a default socket. Root without XDG_RUNTIME_DIR gets those of
// all users. The error is that of the daemons that did not answer, which may be some or all, or ErrNoDaemon.
func Clients() ([]*Client, error) {
	dirs := []string{Directory()}
	if dirs[0] == rootDirectory {
		users, _ := filepath.Glob("/run/user/*/minitcp")
		dirs = append(dirs, users...)
	}
	var all []*Client
	for _, dir := range dirs {
		for _, path := range socketsIn(dir) {
			all = append(all, NewClient(Address{"unix", path}))
		}
	}
	errs := make([]error, len(all))
	var asked sync.WaitGroup
	for i, c := range all { // at once, because one that does not answer takes requestTimeout
		asked.Go(func() { _, errs[i] = c.Daemon() })
	}
	asked.Wait()
	var list []*Client
	var failed error
	for i, err := range errs {
		if err == nil {
			list = append(list, all[i])
		} else if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	if len(list) == 0 && failed == nil {
		failed = ErrNoDaemon
	}
	return list, failed
}

// do makes a request and decodes the reply into v.
func (c *Client) do(method, path string, query url.Values, v any) error {
	// The host is part of the URL, but the transport always dials the Client's address.
	r, err := http.NewRequest(method, "http://minitcp"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		r.Header.Set(killHeader, "1")
	}
	resp, err := c.send(&c.http, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(v); err != nil {
		return fmt.Errorf("%s: the reply is not that of a minitcp daemon: %w", c.address, err)
	}
	return nil
}

// send makes a request and returns the reply, whose status is 200.
func (c *Client) send(by *http.Client, r *http.Request) (*http.Response, error) {
	resp, err := by.Do(r)
	if err != nil {
		if by.Timeout > 0 && errors.Is(err, context.DeadlineExceeded) {
			return nil, fmt.Errorf("%s: no answer in %v; the daemon is stopped or overloaded", c.address, by.Timeout)
		}
		if cause := errors.Unwrap(err); cause != nil { // without the URL, whose host means nothing
			err = cause
		}
		return nil, fmt.Errorf("%s: %w", c.address, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, &StatusError{resp.StatusCode, fmt.Sprintf("%s: %q", c.address, strings.TrimSpace(string(text)))}
	}
	return resp, nil
}

// StatusError is a refusal of the daemon.
type StatusError struct {
	Status int // of HTTP
	Text   string
}

func (e *StatusError) Error() string { return e.Text }

// Daemon returns the description of the process.
func (c *Client) Daemon() (d Daemon, err error) { return d, c.do("GET", "/api/daemon", nil, &d) }

// List returns the connections and listeners that a filter selects, in the order of their addresses.
func (c *Client) List(filter string, all bool) (list List, err error) {
	query := url.Values{"filter": {filter}}
	if all {
		query.Set("all", "1")
	}
	if err := c.do("GET", "/api/connections", query, &list); err != nil {
		return List{}, err
	}
	slices.SortFunc(list.Listeners, func(a, b Listener) int { return a.Local.Compare(b.Local) })
	slices.SortFunc(list.Connections, func(a, b Connection) int {
		if n := a.Local.Compare(b.Local); n != 0 {
			return n
		}
		return a.Remote.Compare(b.Remote)
	})
	return list, nil
}

// Kill resets a connection. It returns false if the connection does not exist.
func (c *Client) Kill(d *Connection) (bool, error) {
	err := c.do("POST", "/api/kill", url.Values{"local": {d.Local.String()}, "remote": {d.Remote.String()}}, new(Ends))
	if status, ok := errors.AsType[*StatusError](err); ok && status.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// Stats returns the counters.
func (c *Client) Stats() (list []Counter, err error) {
	return list, c.do("GET", "/api/stats", nil, &list)
}
