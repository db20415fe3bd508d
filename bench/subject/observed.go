//go:build linux

package subject

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Observed are minitcp gateway with and without observers.
var Observed = []Target{
	{Name: Unobserved, Role: RoleForwarder, start: startGateway(minitcpGateway("--api", "off"), false),
		Summary: "minitcp gateway, which connects to the server itself, without its API"},
	{Name: Viewed, Role: RoleForwarder, start: startViewed,
		Summary: "the same with 100 viewers of the page: 50 of the table of connections, 50 of the plot of one connection"},
	{Name: Traced, Role: RoleForwarder, start: startGateway(minitcpGateway("--api", "off", "--trace", "/dev/null"), false),
		Summary: "the same with --trace /dev/null: every segment is drawn as text"},
}

// Names of Observed.
const Unobserved, Viewed, Traced = "unobserved", "viewed", "traced"

// viewers is the number of viewers of the page.
const viewers = 100

func startViewed(s *services) error {
	socket := program(fmt.Sprintf("api-%d.sock", os.Getpid()))
	if err := startGateway(minitcpGateway("--api", "unix:"+socket), false)(s); err != nil {
		return err
	}
	var dialer net.Dialer
	page := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}}}
	for i := range viewers {
		if i%2 == 0 {
			go s.view(&page, nil)
		} else {
			go s.view(&page, connectionOf)
		}
	}
	return nil
}

// view reads the ticks of the view that choose returns until there is no such view, and then of the next one. A nil
// choose stands for the table.
func (s *services) view(page *http.Client, choose func(page *http.Client) (url.Values, error)) {
	for {
		var query url.Values
		if choose != nil {
			var err error
			if query, err = choose(page); err != nil {
				s.fail("the page: %v", err)
				return
			}
		}
		r, err := page.Get("http://minitcp/api/events?" + query.Encode())
		if err != nil {
			s.fail("the page: %v", err)
			return
		}
		if r.StatusCode != http.StatusOK {
			s.fail("the page: %s", r.Status)
			return
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

// connectionOf waits for a connection, and returns the query for the events of the first.
func connectionOf(page *http.Client) (url.Values, error) {
	for {
		r, err := page.Get("http://minitcp/api/connections")
		if err != nil {
			return nil, err
		}
		var list struct {
			Connections []struct{ Local, Remote string }
		}
		err = json.NewDecoder(r.Body).Decode(&list)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		if len(list.Connections) > 0 {
			first := list.Connections[0]
			return url.Values{"local": {first.Local}, "remote": {first.Remote}}, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
}
