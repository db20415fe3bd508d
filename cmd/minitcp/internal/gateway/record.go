//go:build linux

package gateway

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"minitcp/stack"
	"minitcp/stack/relay"
)

// logFinished writes a line about a connection whose relay has ended, under the names of package control.
func (g *Gateway) logFinished(q *stack.ForwardRequest, out Outbound, client *stack.Conn, started time.Time, result relay.Result, err error) {
	if !g.o.Log.Enabled(g.context, slog.LevelDebug) {
		return
	}
	info := client.Info()
	resent, by, cause := 0.0, "gateway", "closed"
	if info.Sent > 0 {
		resent = float64(info.Resent) / float64(info.Sent+info.Resent)
	}
	if err != nil {
		cause = reasonOf(err)
	}
	if g.context.Err() == nil {
		by = map[relay.Side]string{relay.First: "client", relay.Second: "server", relay.Neither: "gateway"}[result.EndedBy]
	}
	g.o.Log.Debug("connection finished", "source", q.Source().String(), "destination", q.Destination().String(), "via", out.String(),
		"began", started.Format(time.RFC3339Nano), "duration", time.Since(started), "up", result.Sent, "down", result.Received,
		"resent", fmt.Sprintf("%.2f%%", 100*resent), "min_rtt", info.MinRTT, "by", by, "cause", cause)
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
