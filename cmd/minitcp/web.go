//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"minitcp/cmd/minitcp/internal/control"
	"minitcp/conn"
	"minitcp/stack"
)

// webServer runs an http.Handler on listeners.
type webServer struct {
	http *http.Server
	log  *slog.Logger

	mu     sync.Mutex
	silent map[net.Conn]struct{} // connections that have not sent a request yet
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

func newWebServer(handler http.Handler, log *slog.Logger) *webServer {
	s := &webServer{log: log, silent: make(map[net.Conn]struct{})}
	requests, end := context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState:   s.changed,
		BaseContext: func(net.Listener) context.Context { return requests },
	}
	s.http.RegisterOnShutdown(end) // streams of events have no other end
	return s
}

// changed implements the ConnState function of the http.Server. It records the state of c.
func (s *webServer) changed(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	if state == http.StateNew {
		s.silent[c] = struct{}{}
	} else {
		delete(s.silent, c)
	}
	s.mu.Unlock()
	if state == http.StateNew {
		s.log.Debug("connection accepted", "remote", c.RemoteAddr().String())
	}
}

func (s *webServer) serve(l *stack.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return net.ErrClosed
	}
	return err
}

func (s *webServer) shutdown(ctx context.Context) {
	// http.Server.Shutdown would wait 5 s for the first request of these connections.
	s.mu.Lock()
	for c := range s.silent {
		c.Close()
	}
	s.mu.Unlock()
	s.http.Shutdown(ctx) // the stack closes the connections that remain when ctx ends
}

// connPage returns a handler of a page about the connection that carries the request: that of the Monitor for browsers,
// otherwise text.
func connPage(monitor *control.Monitor) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(connKey{}).(*stack.Conn)
		local, remote := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		w.Header().Set("Vary", "Accept")
		if r.URL.Path != "/" || strings.Contains(r.Header.Get("Accept"), "text/html") {
			monitor.ConnectionHandler(local, remote).ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed; use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s\n\n", pageTitle)
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range infoRows(c.LocalAddr(), c.RemoteAddr(), c.Info()) {
			fmt.Fprintf(table, "%s\t%s\n", row.Name, row.Value)
		}
		table.Flush()
	})
}

const pageTitle = "minitcp, a TCP in user space, delivered this page. Its view of your connection:"

// infoRow is a line of the page.
type infoRow struct{ Name, Value string }

// infoRows returns the lines that describe a connection.
func infoRows(local, remote net.Addr, i conn.Info) []infoRow {
	bytes := func(n int64) string { return fmt.Sprintf("%d bytes", n) }
	threshold := bytes(i.SlowStartThreshold)
	if i.SlowStartThreshold == math.MaxInt64 {
		threshold = "none yet"
	}
	return []infoRow{
		{"state", i.State.String()},
		{"minitcp's end", local.String()},
		{"your end", remote.String()},
		{"round-trip time", fmt.Sprintf("%v, variation %v, minimum %v", micro(i.RTT), micro(i.RTTVar), micro(i.MinRTT))},
		{"retransmission timeout", micro(i.RTO).String()},
		{"maximum segment size", bytes(int64(i.MSS))},
		{"path MTU", fmt.Sprintf("%d bytes (%v)", i.PathMTU, i.PathMTUSource)},
		{"congestion window", bytes(i.CongestionWindow)},
		{"slow start threshold", threshold},
		{"your receive window", bytes(i.SendWindow)},
		{"minitcp's receive window", bytes(i.ReceiveWindow)},
		{"in flight to you", bytes(i.InFlight)},
		{"received", bytes(int64(i.Received))},
		{"sent", bytes(int64(i.Sent))},
		{"retransmitted segments", fmt.Sprintf("%d, timeouts %d", i.Retransmitted, i.Timeouts)},
		{"segments out of order", fmt.Sprint(i.OutOfOrder)},
		{"negotiated options", cmp.Or(agreed(i), "none")},
	}
}

// agreed lists the TCP options and extensions in use.
func agreed(i conn.Info) string {
	var list []string
	if i.Timestamps {
		list = append(list, "timestamps")
	}
	if i.SACK {
		list = append(list, "SACK")
	}
	if i.SendScale != 0 || i.ReceiveScale != 0 {
		list = append(list, fmt.Sprintf("window scale %d and %d", i.SendScale, i.ReceiveScale))
	}
	switch {
	case i.AccECN.Agreed:
		list = append(list, "Accurate ECN")
	case i.ECN:
		list = append(list, "ECN")
	}
	if i.SYNData {
		list = append(list, "Fast Open")
	}
	return strings.Join(list, ", ")
}

func micro(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
