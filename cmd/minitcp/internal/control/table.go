//go:build linux

package control

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"minitcp/conn"
	"minitcp/stack"
)

// tableSource makes the ticks of the page's table.
type tableSource struct {
	monitor *Monitor
	filter  *Filter
}

// tableTick is a tick of the table, in JSON.
type tableTick struct {
	Tick        int          `json:"tick"`
	Total       int          `json:"total"` // selected connections; Connections has the first maxRows of them
	Connections []tableEntry `json:"connections"`
	Stats       stack.Stats  `json:"stats"`
	Finished    uint64       `json:"finished"` // number of connections that have ended
}

// tableEntry is a connection in the table.
type tableEntry struct {
	Local         netip.AddrPort `json:"local"`
	Remote        netip.AddrPort `json:"remote"`
	State         string         `json:"state"`
	Age           micros         `json:"age_us"`
	RTT           micros         `json:"rtt_us"`
	Sent          uint64         `json:"sent_bytes"`
	Received      uint64         `json:"received_bytes"`
	Resent        uint64         `json:"resent_bytes"`
	Window        int64          `json:"congestion_window_bytes"`
	InFlight      int64          `json:"in_flight_bytes"`
	DeliveryRate  int64          `json:"delivery_rate_bytes_per_s"`
	Unsent        int            `json:"unsent_bytes"`
	Unread        int            `json:"unread_bytes"`
	MinRTT        micros         `json:"min_rtt_us"`
	Retransmitted uint64         `json:"retransmitted_segments"`
}

// maxRows is the number of connections in a tick: those that have carried the most data.
const maxRows = 500

func (s *tableSource) interval() time.Duration { return time.Second }
func (s *tableSource) close()                  {}

func (s *tableSource) tick(number int) any {
	t := tableTick{Tick: number, Connections: []tableEntry{}, Stats: s.monitor.stack.Stats(), Finished: s.monitor.finished.totals().count}
	var list []stack.ConnInfo
	for c := range s.monitor.stack.AllConnections() {
		if !s.filter.Match(c.State, c.Local, c.Remote) {
			continue
		}
		t.Total++
		if list = append(list, c); len(list) >= 2*maxRows {
			list = largest(list)
		}
	}
	if len(list) > maxRows {
		list = largest(list)
	}
	for _, c := range list {
		i := &c.Info
		t.Connections = append(t.Connections, tableEntry{
			c.Local, c.Remote, c.State.String(), microsOf(c.Age), microsOf(i.RTT), i.Sent, i.Received, i.Resent, i.CongestionWindow, i.InFlight,
			i.DeliveryRate, i.Unsent, i.Unread, microsOf(i.MinRTT), i.Retransmitted,
		})
	}
	return t
}

func carried(i *conn.Info) uint64 { return i.Sent + i.Received }

// largest returns the maxRows connections that have carried the most data, and overwrites the list.
func largest(list []stack.ConnInfo) []stack.ConnInfo {
	slices.SortFunc(list, func(a, b stack.ConnInfo) int { return -cmp.Compare(carried(&a.Info), carried(&b.Info)) })
	return list[:maxRows]
}
