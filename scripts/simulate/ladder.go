package main

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"time"

	"minitcp/cmd/minitcp/ladder"
	"minitcp/conn/conntest"
	"minitcp/stack"
)

var (
	here  = netip.MustParseAddr("192.0.2.1") // TEST-NET-1; no packet leaves the process
	there = netip.MustParseAddr("192.0.2.2")

	here6, there6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// The flow with number i is between port firstPort+i and servicePort.
const (
	firstPort   = 10000
	servicePort = 80
)

// draw plays a scenario and draws its ladder, as seen from the ends that dial: their segments appear when they leave,
// those of the other ends when they arrive or are lost.
func draw(s conntest.Scenario, w io.Writer) int {
	fmt.Fprintln(w, s)
	l := ladder.New(w, ladder.Options{LocalName: "a", PeerName: "b"})
	_, err := s.Run(func(flow int, v *conntest.Event) {
		drawEvent(l, flow, v)
		l.Wait() // so that the queue has room for the next step; Close returns the error
	})
	if l.Close() != nil {
		return 1 // the output is closed
	}
	if err != nil {
		fmt.Fprintf(w, "\n%v\n", err)
		return 1
	}
	return 0
}

// drawEvent draws an event if it is visible from end a.
func drawEvent(l *ladder.Ladder, flow int, v *conntest.Event) {
	a, b := v.From, v.To
	leaves := a.Name == "a"
	if !leaves {
		a, b = b, a
	}
	t := stack.TraceEvent{
		Time: time.Duration(v.Now), Outgoing: leaves,
		Local: netip.AddrPortFrom(here, uint16(firstPort+flow)), Remote: netip.AddrPortFrom(there, servicePort),
		TCP: v.Segment.TCP, ECN: v.Segment.ECN, Len: len(v.Segment.Data), RelativeSeq: -1, RelativeAck: -1,
		Before: a.State(), After: a.State(), Note: cmp.Or(v.Lost, v.Note.String()), Dropped: v.Lost != "",
	}
	if size := v.Segment.SegmentSize; size > 0 {
		t.Segments = (t.Len + size - 1) / size
	}
	switch {
	case leaves && v.Arrived && v.Lost != "": // already drawn, when it left
		l.Step(ladder.Step{Time: t.Time, Local: t.Local, Remote: t.Remote, State: t.After, Peer: b.State().String(), Text: v.Lost})
	case leaves != v.Arrived, v.Lost != "":
		if v.Arrived {
			t.Before, t.After = v.Before, v.After
		}
		l.Draw(&t, b.State().String())
	}
}
