//go:build linux

package control

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"minitcp/conn"
)

// killHeader is the header of requests that end connections. The form of a web page cannot send it, and a script of
// another origin would have to ask first.
const killHeader = "X-Minitcp-Kill"

// access is a handler of the API, and the part of it that its clients may use.
type access struct {
	*Monitor
	readOnly bool
	own      *Ends // the only connection shown; nil shows all
}

// handler returns the handler of the whole API, or of its read-only part.
func (m *Monitor) handler(readOnly bool) http.Handler {
	a := &access{Monitor: m, readOnly: readOnly}
	mux := http.NewServeMux()
	a.routes(mux)
	mux.HandleFunc("GET /api/connections", a.serveConnections)
	mux.HandleFunc("GET /api/finished", a.serveFinished)
	mux.HandleFunc("GET /api/stats", a.serveStats)
	mux.HandleFunc("GET /metrics", a.serveMetrics)
	mux.HandleFunc("POST /api/kill", a.serveKill)
	mux.HandleFunc("GET /api/capture", a.serveCapture)
	mux.HandleFunc("POST /api/capture", a.serveCapture)
	return protect(checkOrigin(mux))
}

// ConnectionHandler returns a handler of the page and of the API's read-only part for one connection.
func (m *Monitor) ConnectionHandler(local, remote netip.AddrPort) http.Handler {
	a := &access{Monitor: m, readOnly: true, own: &Ends{local, remote}}
	mux := http.NewServeMux()
	a.routes(mux)
	return protect(mux)
}

// routes registers the part of the API that both handlers have.
func (a *access) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/daemon", a.serveDaemon)
	mux.HandleFunc("GET /api/connection", a.serveConnection)
	mux.HandleFunc("GET /api/events", a.serveEvents)
	mux.HandleFunc("GET /{file}", servePage)
	mux.HandleFunc("GET /{$}", servePage)
}

// protect sets headers that keep other pages from embedding the page, and the page from loading anything else.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// checkOrigin refuses requests with a foreign name in Host, and those that a page of another origin makes.
func checkOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isOwnHost(r.Host) {
			http.Error(w, fmt.Sprintf("Host %q is foreign; use localhost or an IP address", r.Host), http.StatusForbidden)
			return
		}
		origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
		if origin != "" && origin != "http://"+r.Host || site == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			http.Error(w, "requests of other origins are refused", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isOwnHost reports whether a Host header has no foreign name. An attacker who makes a name of his point to this
// machine (DNS rebinding) cannot do so with an IP address.
func isOwnHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || host == "minitcp" {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func badRequest(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (a *access) serveDaemon(w http.ResponseWriter, r *http.Request) { reply(w, a.describe()) }

// describe describes the process to the handler's clients.
func (a *access) describe() Daemon {
	d := a.daemon()
	d.ReadOnly, d.Own = a.readOnly, a.own
	if a.own != nil {
		d.PID = 0 // other hosts have no use for it
	}
	return d
}

func (a *access) serveConnections(w http.ResponseWriter, r *http.Request) {
	f, err := ParseFilter(r.FormValue("filter"), r.FormValue("all") != "")
	if err != nil {
		badRequest(w, err)
		return
	}
	list := List{Daemon: a.describe(), Connections: []Connection{}, Listeners: []Listener{}}
	for _, l := range a.stack.Listeners() {
		if f.Match(conn.Listen, l.Local, anyPeer(l.Local)) {
			list.Listeners = append(list.Listeners, Listener(l))
		}
	}
	for c := range a.stack.AllConnections() {
		if f.Match(c.State, c.Local, c.Remote) {
			list.Connections = append(list.Connections, describe(&c))
		}
	}
	reply(w, list)
}

// anyPeer returns the remote address of a listener, which is none.
func anyPeer(local netip.AddrPort) netip.AddrPort {
	if local.Addr().Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// ends returns the connection that a request names, or the only one that is shown.
func (a *access) ends(r *http.Request) (e Ends, err error) {
	if a.own != nil {
		return *a.own, nil
	}
	for _, p := range []struct {
		name string
		to   *netip.AddrPort
	}{{"local", &e.Local}, {"remote", &e.Remote}} {
		if *p.to, err = netip.ParseAddrPort(r.FormValue(p.name)); err != nil {
			return e, fmt.Errorf("%s=%q: not an address with a port, such as 10.77.0.1:80", p.name, r.FormValue(p.name))
		}
	}
	return e, nil
}

func (a *access) serveConnection(w http.ResponseWriter, r *http.Request) {
	e, err := a.ends(r)
	if err != nil {
		badRequest(w, err)
		return
	}
	c, ok := a.stack.Connection(e.Local, e.Remote)
	if !ok {
		http.Error(w, "no such connection", http.StatusNotFound)
		return
	}
	reply(w, describe(&c))
}

func (a *access) serveKill(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.readOnly:
		http.Error(w, "read-only, because other hosts can reach this address; use a loopback address or a Unix socket", http.StatusForbidden)
		return
	case r.Header.Get(killHeader) != "1":
		http.Error(w, "missing header "+killHeader+": 1", http.StatusForbidden)
		return
	}
	e, err := a.ends(r)
	if err != nil {
		badRequest(w, err)
		return
	}
	if !a.stack.Abort(e.Local, e.Remote) {
		http.Error(w, "no such connection", http.StatusNotFound)
		return
	}
	reply(w, e)
}

func (a *access) serveFinished(w http.ResponseWriter, r *http.Request) { reply(w, a.finished.last()) }

func (a *access) serveStats(w http.ResponseWriter, r *http.Request) {
	reply(w, kernelNames(a.stack.Stats(), a.states()))
}

func (a *access) serveMetrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	writeMetrics(w, &metricsInput{a.stack.Stats(), a.states(), a.finished.totals()})
}
