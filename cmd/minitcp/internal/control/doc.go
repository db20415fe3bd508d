//go:build linux

// Package control shows and steers a running daemon. A [Monitor] serves its stack's connections and counters over HTTP:
// as JSON, as Prometheus text, and as a page for browsers. A [Client] reads them for the commands ss and stats.
//
//	GET  /                               the page
//	GET  /api/daemon                     command, process, times
//	GET  /api/connections?filter=F       connections; F is a filter as of ss(8), see [ParseFilter]
//	GET  /api/connection?local=A&remote=A
//	POST /api/kill?local=A&remote=A      reset a connection; needs the header X-Minitcp-Kill: 1
//	GET  /api/finished                   the last 100 connections that ended
//	GET  /api/stats                      counters under the kernel's names, as nstat --json prints them
//	GET  /api/events[?local=A&remote=A]  server-sent events: the table each second, or a connection ten times a second
//	GET  /metrics                        Prometheus
//
// In JSON, the unit of a number is the end of its name: _bytes, _us (microseconds), _segments, _bytes_per_s. The time
// since an event that has not happened is -1.
//
// A web page of another origin has no access. A request is refused if its Host is a name other than localhost or
// minitcp (DNS rebinding), or if it comes from another origin. On an address that other hosts can reach, the API is
// read-only.
//
// The files: address, the default socket and sockets of dead daemons; monitor and http, the server; json, names and
// metrics, its formats; finished, the connections that ended; page, events, table, segments and limits, the page
// and its streams; filter, ss and nstat, for the commands; client.
package control
