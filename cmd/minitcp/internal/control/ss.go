//go:build linux

package control

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"minitcp/conn"
)

// SSOptions are the columns of ss.
type SSOptions struct {
	NoState   bool // no column of states
	Processes bool
	Info      bool
	OneLine   bool // Info on the same line
	NoHeader  bool
}

// Row is a line of ss.
type Row struct {
	Connection
	Daemon Daemon
}

// ListenerRow returns the line of a listener.
func ListenerRow(l Listener, d Daemon) Row {
	c := Connection{Local: l.Local, Remote: anyPeer(l.Local), State: conn.Listen.String(), Unread: l.Waiting, Unsent: l.Backlog}
	return Row{Connection: c, Daemon: d}
}

// stateAbbreviations are the names of ss for states that it shortens.
var stateAbbreviations = map[string]string{
	conn.Established.String(): "ESTAB",
	conn.SynReceived.String(): "SYN-RECV",
	conn.Closed.String():      "UNCONN",
}

// PrintSS writes connections in the format of ss(8) from iproute2, with its option -tn.
func PrintSS(w io.Writer, rows []Row, o SSOptions) error {
	table := [][]string{{"State", "Recv-Q", "Send-Q", "Local Address:", "Port", "Peer Address:", "Port", "Process"}}
	if o.NoHeader {
		table = nil
	}
	for _, r := range rows {
		name, peerPort := r.State, strconv.Itoa(int(r.Remote.Port()))
		if r.Remote.Port() == 0 {
			peerPort = "*"
		}
		if short, ok := stateAbbreviations[r.State]; ok {
			name = short
		}
		process := ""
		if o.Processes {
			process = fmt.Sprintf(" users:((%q,pid=%d))", r.Daemon.Command, r.Daemon.PID)
		}
		table = append(table, []string{name, strconv.Itoa(r.Unread), strconv.FormatInt(r.InFlight+int64(r.Unsent), 10),
			host(r.Local), strconv.Itoa(int(r.Local.Port())), host(r.Remote), peerPort, process})
	}
	widths := make([]int, 8)
	for _, cells := range table {
		for i, c := range cells {
			widths[i] = max(widths[i], len(c))
		}
	}
	var b bytes.Buffer
	for i, cells := range table {
		printRow(&b, cells, widths, o.NoState)
		if n := i - len(table) + len(rows); n >= 0 && o.Info {
			separator := "\n\t "
			if o.OneLine {
				separator = " "
			}
			b.WriteString(strings.TrimRight(separator+strings.Join(infoWords(&rows[n].Connection), " "), " \t\n"))
		}
		b.WriteByte('\n')
	}
	return writePrintable(w, b.Bytes())
}

// writePrintable writes text with ? for control characters. The daemon may be another user's, and the text must not
// reach the terminal as commands.
func writePrintable(w io.Writer, text []byte) error {
	_, err := w.Write(bytes.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text))
	return err
}

// printRow writes a line without its end. Addresses are aligned at their colons.
func printRow(b *bytes.Buffer, cells []string, widths []int, noState bool) {
	const address, peer, peerPort = 3, 5, 6
	var line strings.Builder
	for i, c := range cells {
		switch {
		case i == 0 && noState:
			continue
		case i == address || i == peer:
			fmt.Fprintf(&line, "%*s", widths[i], c)
		case i == peerPort:
			fmt.Fprintf(&line, "%-*s", widths[i], c)
		default:
			fmt.Fprintf(&line, "%-*s ", widths[i], c)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " "))
}

func host(a netip.AddrPort) string {
	if a.Addr().Is4() {
		return a.Addr().String() + ":"
	}
	return "[" + a.Addr().String() + "]:"
}

// infoWords returns the words of ss -i, in its order. Those of a zero value are left out, as there.
func infoWords(c *Connection) (words []string) {
	if c.MSS == 0 { // before ESTABLISHED, and in TIME-WAIT
		return nil
	}
	add := func(shown bool, format string, args ...any) {
		if shown {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	mss := int64(c.MSS)
	add(c.Timestamps, "ts")
	add(c.SACK, "sack")
	add(c.ECN, "ecn")
	add(c.SYNData, "fastopen")
	add(true, "%s", c.CongestionControl)
	add(c.SendScale|c.ReceiveScale != 0, "wscale:%d,%d", c.SendScale, c.ReceiveScale)
	add(c.RTO > 0, "rto:%s", millis(c.RTO))
	add(c.Backoff > 0, "backoff:%d", c.Backoff)
	add(c.RTT > 0, "rtt:%s/%s", millis(c.RTT), millis(c.RTTVar))
	add(true, "mss:%d", c.MSS)
	add(c.PathMTU > 0, "pmtu:%d", c.PathMTU)
	add(c.AdvertisedMSS > 0, "advmss:%d", c.AdvertisedMSS)
	add(c.CongestionWindow > 0, "cwnd:%d", max(1, c.CongestionWindow/mss))
	if c.SlowStartThreshold != nil {
		add(true, "ssthresh:%d", *c.SlowStartThreshold/mss)
	}
	add(c.Sent+c.Resent > 0, "bytes_sent:%d", c.Sent+c.Resent)
	add(c.Resent > 0, "bytes_retrans:%d", c.Resent)
	add(c.Acknowledged > 0, "bytes_acked:%d", c.Acknowledged)
	add(c.Received > 0, "bytes_received:%d", c.Received)
	add(c.SegmentsSent > 0, "segs_out:%d", c.SegmentsSent)
	add(c.SegmentsReceived > 0, "segs_in:%d", c.SegmentsReceived)
	add(c.DataSegmentsSent > 0, "data_segs_out:%d", c.DataSegmentsSent)
	add(c.DataSegmentsReceived > 0, "data_segs_in:%d", c.DataSegmentsReceived)
	add(c.RTT > 0 && c.CongestionWindow > 0, "send %sbps", bits(float64(c.CongestionWindow)*1e6/float64(max(1, c.RTT))))
	for _, last := range []struct {
		name string
		time micros
	}{{"lastsnd", c.SinceSent}, {"lastrcv", c.SinceReceived}, {"lastack", c.SinceACK}} {
		add(last.time >= 1000, "%s:%d", last.name, last.time/1000)
	}
	add(c.PacingRate > 0, "pacing_rate %sbps", bits(float64(c.PacingRate)))
	add(c.DeliveryRate > 0, "delivery_rate %sbps", bits(float64(c.DeliveryRate)))
	add(c.Delivered > 0, "delivered:%d", (c.Delivered+mss-1)/mss)
	add(c.AccECN.DeliveredCE > 0, "delivered_ce:%d", c.AccECN.DeliveredCE)
	add(c.DeliveryLimited, "app_limited")
	return append(words, stateWordsOf(c)...)
}

// stateWordsOf returns the rest of infoWords: waiting, losses and the receiving direction.
func stateWordsOf(c *Connection) (words []string) {
	add := func(shown bool, format string, args ...any) {
		if shown {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	share := func(part micros) float64 { return 100 * float64(part) / float64(max(1, c.Busy)) }
	add(c.Busy >= 1000, "busy:%dms", c.Busy/1000)
	add(c.WindowLimited >= 1000, "rwnd_limited:%dms(%.1f%%)", c.WindowLimited/1000, share(c.WindowLimited))
	add(c.BufferLimited >= 1000, "sndbuf_limited:%dms(%.1f%%)", c.BufferLimited/1000, share(c.BufferLimited))
	add(c.Unacked > 0, "unacked:%d", c.Unacked)
	add(c.Resending > 0 || c.Retransmitted > 0, "retrans:%d/%d", c.Resending, c.Retransmitted)
	add(c.Lost > 0, "lost:%d", c.Lost)
	add(c.SACKed > 0, "sacked:%d", c.SACKed)
	add(c.Duplicates > 0, "dsack_dups:%d", c.Duplicates)
	add(c.Reordering > 3, "reordering:%d", c.Reordering)
	add(c.ReorderSeen > 0, "reord_seen:%d", c.ReorderSeen)
	add(c.ReceiveRTT > 0, "rcv_rtt:%s", millis(c.ReceiveRTT))
	add(c.ReadPerRoundTrip > 0, "rcv_space:%d", c.ReadPerRoundTrip)
	add(c.Unsent > 0, "notsent:%d", c.Unsent)
	add(c.MinRTT > 0, "minrtt:%s", millis(c.MinRTT))
	add(c.OutOfOrder > 0, "rcv_ooopack:%d", c.OutOfOrder)
	add(c.SendWindow > 0, "snd_wnd:%d", c.SendWindow)
	add(c.ReceiveWindow > 0, "rcv_wnd:%d", c.ReceiveWindow)
	return words
}

// millis returns a time in milliseconds as C's %g prints it.
func millis(m micros) string { return strconv.FormatFloat(float64(m)/1000, 'g', 6, 64) }

// bits returns a rate in bits per second, without a fraction.
func bits(bytesPerSecond float64) string { return strconv.FormatFloat(8*bytesPerSecond, 'f', 0, 64) }
