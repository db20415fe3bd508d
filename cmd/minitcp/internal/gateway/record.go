//go:build linux

package gateway

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"minitcp/stack"
	"minitcp/stack/relay"
)

// Record describes a TCP connection that has ended.
type Record struct {
	Start, End          time.Time
	Source, Destination netip.AddrPort
	Outbound            string
	Up, Down            int64         // bytes from the client, and to it
	Resent              float64       // share of the bytes sent to the client that were sent again
	MinRTT              time.Duration // between the gateway and the client
	EndedBy             string        // "client", "server" or "gateway"
	Reason              string        // "closed", or the error
}

// attributes returns the record for a line of the log, under the names of package control.
func (r *Record) attributes() []any {
	return []any{
		"source", r.Source.String(), "destination", r.Destination.String(), "via", r.Outbound,
		"began", r.Start.Format(time.RFC3339Nano), "duration", r.End.Sub(r.Start), "up", r.Up, "down", r.Down,
		"resent", fmt.Sprintf("%.2f%%", 100*r.Resent), "min_rtt", r.MinRTT, "by", r.EndedBy, "cause", r.Reason,
	}
}

// finished makes the Record of a connection whose relay has ended.
func (g *Gateway) finished(q *stack.ForwardRequest, out Outbound, client *stack.Conn, started time.Time, result relay.Result, err error) {
	if g.o.Finished == nil && !g.o.Log.Enabled(g.context, slog.LevelDebug) {
		return
	}
	info := client.Info()
	r := Record{
		Start: started, End: time.Now(), Source: q.Source(), Destination: q.Destination(), Outbound: out.String(),
		Up: result.Sent, Down: result.Received, MinRTT: info.MinRTT, EndedBy: "gateway", Reason: "closed",
	}
	if info.Sent > 0 {
		r.Resent = float64(info.Resent) / float64(info.Sent+info.Resent)
	}
	if err != nil {
		r.Reason = reasonOf(err)
	}
	if g.context.Err() == nil {
		r.EndedBy = map[relay.Side]string{relay.First: "client", relay.Second: "server", relay.Neither: "gateway"}[result.EndedBy]
	}
	if g.o.Finished != nil {
		g.o.Finished(r)
	}
	g.o.Log.Debug("connection finished", r.attributes()...)
}

// reasonOf returns the innermost error of a call on a connection, without the addresses that a log line has anyway.
func reasonOf(err error) string {
	for {
		op, ok := err.(*net.OpError)
		if !ok || op.Err == nil {
			break
		}
		err = op.Err
	}
	if e, ok := err.(*os.SyscallError); ok {
		err = e.Err
	}
	return err.Error()
}
