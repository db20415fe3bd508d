//go:build linux

package control

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"minitcp/conn"
	"minitcp/conn/wire"
	"minitcp/stack"
)

// next returns the next tick of a viewer.
func next[T any](t *testing.T, ticks <-chan []byte) (v T) {
	t.Helper()
	b, ok := <-ticks
	if !ok {
		t.Fatal("the stream has ended")
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func endsOf(c *stack.Conn) Ends { return Ends{addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())} }

// viewConnection begins to view a connection.
func viewConnection(t *testing.T, m *Monitor, e Ends) (ticks <-chan []byte, cancel func()) {
	t.Helper()
	ticks, cancel, err := m.feeds.view(feedKey{Ends: e}, func() source { return newConnectionSource(m, e) })
	if err != nil {
		t.Fatal(err)
	}
	return ticks, cancel
}

func TestConnectionFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack(t)
		m := newMonitor(t, s)
		client, server := connect(t, s)
		ticks, cancel := viewConnection(t, m, endsOf(client))
		first := next[connectionTick](t, ticks)
		if first.Connection == nil || first.Connection.State != "ESTABLISHED" || len(first.Segments) != 0 || first.Limits != nil {
			t.Errorf("first tick: %+v", first)
		}
		client.Write([]byte("hello"))
		io.ReadFull(server, make([]byte, 5))
		tick := next[connectionTick](t, ticks)
		if len(tick.Segments) == 0 || tick.Limits == nil {
			t.Fatalf("%+v, want the segment with data", tick)
		}
		i := client.Info()
		if d := tick.Segments[0]; !d.Outgoing || d.Seq != 1 || d.Ack != 1 || d.Len != 5 || d.Flags != "PSH,ACK" || d.Window != i.ReceiveWindow {
			t.Errorf("%+v, want PSH,ACK with bytes 1 to 5 and window %d", d, i.ReceiveWindow)
		}
		client.SetLinger(0)
		client.Close()
		if tick = next[connectionTick](t, ticks); tick.Connection != nil || tick.Finished == nil || tick.Finished.By != "local" || !strings.Contains(tick.Segments[len(tick.Segments)-1].Flags, "RST") {
			t.Errorf("%+v, want the end by a RST", tick)
		}
		cancel()
		cancel()
		synctest.Wait()
		if n := len(m.feeds.byKey); n != 0 {
			t.Errorf("%d feeds without viewers", n)
		}
	})
}

// A viewer that does not read misses ticks. Others get every one, and the stack is not delayed.
func TestSlowViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, newStack(t))
		filter, _ := ParseFilter("", true)
		source := func() source { return &tableSource{m, filter} }
		slow, _, err := m.feeds.view(feedKey{}, source)
		if err != nil {
			t.Fatal(err)
		}
		quick, _, _ := m.feeds.view(feedKey{}, source)
		for want := 1; want <= 20; want++ {
			if got := next[tableTick](t, quick).Tick; got != want {
				t.Fatalf("tick %d, want %d", got, want)
			}
		}
		synctest.Wait()
		if len(slow) != ticksPending {
			t.Errorf("%d ticks wait for the slow viewer, want %d", len(slow), ticksPending)
		}
		m.Close()
		for range ticksPending {
			<-slow
		}
		if _, ok := <-slow; ok {
			t.Error("the stream goes on after Close")
		}
		if _, _, err := m.feeds.view(feedKey{}, source); err != errFeedsClosed {
			t.Errorf("after Close: %v, want %v", err, errFeedsClosed)
		}
	})
}

func TestTooManyViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, newStack(t))
		filter, _ := ParseFilter("", true)
		for i := range maxFeeds {
			if _, _, err := m.feeds.view(feedKey{filter: fmt.Sprint(i)}, func() source { return &tableSource{m, filter} }); err != nil {
				t.Fatal(err)
			}
		}
		if w := get(m.handler(false), "GET", "/api/events?filter=dst+10.0.0.1"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d, want 503", w.Code)
		}
		if _, _, err := m.feeds.view(feedKey{filter: "0"}, nil); err != nil {
			t.Errorf("another viewer of the same view: %v", err)
		}
	})
}

// Viewers on other hosts leave views for the operator.
func TestTooManyOwnViews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack(t)
		m := newMonitor(t, s)
		view := func(i int, own bool) error {
			e := Ends{ownAddrPort(80), ownAddrPort(uint16(i))}
			_, _, err := m.feeds.view(feedKey{Ends: e, own: own}, func() source { return newConnectionSource(m, e) })
			return err
		}
		for i := range maxOwnFeeds {
			if err := view(i, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := view(maxOwnFeeds, true); err != errTooMany {
			t.Errorf("%v, want %v", err, errTooMany)
		}
		if err := view(maxOwnFeeds, false); err != nil {
			t.Errorf("the operator's view: %v", err)
		}
	})
}

func ownAddrPort(port uint16) netip.AddrPort { return netip.AddrPortFrom(ownAddress.Addr(), port) }

// The table has the connections with the most data, and the number of all.
func TestLargeTable(t *testing.T) {
	var list []stack.ConnInfo
	for i := range 2 * maxRows {
		list = append(list, stack.ConnInfo{Info: conn.Info{Counts: conn.Counts{Sent: uint64(i * 7919 % (2 * maxRows))}}})
	}
	list = largest(list)
	if len(list) != maxRows || list[0].Info.Sent != 2*maxRows-1 || list[maxRows-1].Info.Sent != maxRows {
		t.Errorf("%d connections with %d to %d bytes", len(list), list[0].Info.Sent, list[len(list)-1].Info.Sent)
	}
}

// TestEvents reads the table's stream over HTTP.
func TestEvents(t *testing.T) {
	s := newStack(t)
	m := newMonitor(t, s)
	connect(t, s)
	server := httptest.NewServer(m.handler(false))
	defer server.Close()
	defer m.Close() // ends the stream
	response, err := http.Get(server.URL + "/api/events?filter=sport+%3D+80")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Error(got)
	}
	lines := bufio.NewReader(response.Body)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var tick tableTick
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &tick); err != nil {
		t.Fatal(err)
	}
	if tick.Tick == 0 || tick.Total != 1 || len(tick.Connections) != 1 || tick.Connections[0].Local != netip.MustParseAddrPort("10.77.0.2:80") || tick.Stats["connections"] != 2 {
		t.Errorf("%+v", tick)
	}
	for _, query := range []string{"filter=bogus", "local=1&remote=2"} {
		if w := get(m.handler(false), "GET", "/api/events?"+query); w.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", query, w.Code)
		}
	}
}

func TestPage(t *testing.T) {
	m := newMonitor(t, newStack(t))
	for _, h := range []http.Handler{m.handler(false), m.ConnectionHandler(netip.AddrPort{}, netip.AddrPort{})} {
		for path, kind := range map[string]string{"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css", "/icon.svg": "image/svg+xml"} {
			w := get(h, "GET", path)
			if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("%s: %d, %v", path, w.Code, w.Header())
			}
			if body := w.Body.String(); strings.Contains(body, "https://") || strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), "http://") {
				t.Errorf("%s names another place", path)
			}
		}
		for _, path := range []string{"/page.go", "/..%2fpage.go", "/.", "/page"} {
			if w := get(h, "GET", path); w.Code < 300 {
				t.Errorf("%s: status %d", path, w.Code)
			}
		}
	}
}

func TestThin(t *testing.T) {
	list := make([]stack.TraceEvent, 3000)
	for i := range list {
		list[i].Len = i
	}
	list[1501].Note = "retransmission"
	list[1502].TCP.Flags = wire.FIN
	kept := thin(list)
	var found int
	last := -1
	for _, v := range kept {
		if v.Len <= last {
			t.Errorf("segment %d follows %d", v.Len, last)
		}
		last = v.Len
		if v.Len == 1501 || v.Len == 1502 {
			found++
		}
	}
	if found != 2 || len(kept) < maxSegments/2-10 || len(kept) > maxSegments+maxSegments/2 {
		t.Errorf("%d segments, %d of the two remarkable ones", len(kept), found)
	}
	if short := list[:maxSegments]; len(thin(short)) != maxSegments {
		t.Error("a short list is not complete")
	}
	for i := range list {
		list[i].Note = "out of order"
	}
	if kept := thin(list); len(kept) > maxSegments+maxSegments/2 {
		t.Errorf("%d segments of remarkable ones only", len(kept))
	}
}

func TestRecorder(t *testing.T) {
	e := Ends{netip.MustParseAddrPort("10.77.0.2:80"), netip.MustParseAddrPort("10.77.0.1:1")}
	r := recorder{ends: e}
	for range maxRecorded + 3 {
		r.record(&stack.TraceEvent{Local: e.Local, Remote: e.Remote})
		r.record(&stack.TraceEvent{Local: e.Remote, Remote: e.Local})
	}
	if list, missed := r.take(); len(list) != maxRecorded || missed != 3 {
		t.Errorf("%d segments, %d missed; want %d and 3", len(list), missed, maxRecorded)
	}
	if list, missed := r.take(); len(list) != 0 || missed != 0 {
		t.Errorf("%d segments, %d missed; want none", len(list), missed)
	}
	r.take()
	event := &stack.TraceEvent{Local: e.Local, Remote: e.Remote}
	if allocs := testing.AllocsPerRun(maxRecorded/2, func() { r.record(event) }); allocs != 0 {
		t.Errorf("%v allocations for a segment", allocs)
	}
}

func TestEncodeSegment(t *testing.T) {
	s := connectionSource{last: stack.ConnInfo{Began: time.Second, Info: conn.Info{SendScale: 3, ReceiveScale: 7}}}
	v := stack.TraceEvent{Time: 1500 * time.Millisecond, RelativeSeq: 1, RelativeAck: 101, Note: "retransmission", Segments: 1}
	v.TCP = wire.TCP{Ack: 50, Window: 1000, Flags: wire.ACK} // the initial number is 2^32 - 51
	v.TCP.Options.SACKCount = 1
	v.TCP.Options.SACK[0].Left, v.TCP.Options.SACK[0].Right = 60, 70
	want := segment{Time: 500_000, Seq: 1, Ack: 101, Window: 8000, Flags: "ACK", Note: "retransmission", Segments: 1, SACK: [][2]int64{{111, 121}}}
	if got := s.encode(&v); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	v.Outgoing = true
	if got := s.encode(&v); got.Window != 128_000 || !got.Again {
		t.Errorf("%+v, want the window 128000 and a retransmission", got)
	}
	v.TCP.Flags = wire.SYN
	if got := s.encode(&v); got.Window != 1000 {
		t.Errorf("window %d of a SYN, want 1000", got.Window)
	}
}

func TestLimits(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name   string
		before conn.Info
		after  conn.Info
		want   limits
	}{
		{"idle", conn.Info{}, conn.Info{}, limits{Application: 1}},
		{"peer's window", conn.Info{Busy: 5 * second, WindowLimited: 5 * second}, conn.Info{Busy: 6 * second, WindowLimited: 6 * second, Unsent: 1}, limits{ReceiverWindow: 1}},
		{"buffer", conn.Info{}, conn.Info{Busy: second, BufferLimited: second / 2, Unsent: 1, InFlight: 10, CongestionWindow: 10, MSS: 1}, limits{SendBuffer: 0.5, CongestionWindow: 0.5}},
		{"congestion window", conn.Info{}, conn.Info{Busy: second, Unsent: 1, PacingRate: 1, InFlight: 9000, CongestionWindow: 10000, MSS: 1448}, limits{CongestionWindow: 1}},
		{"pacing", conn.Info{}, conn.Info{Busy: second / 4, Unsent: 1, PacingRate: 1, InFlight: 5000, CongestionWindow: 10000, MSS: 1448}, limits{Application: 0.75, Pacing: 0.25}},
		{"waiting for the last ACK", conn.Info{}, conn.Info{Busy: second, InFlight: 5000, CongestionWindow: 10000}, limits{Application: 1}},
	} {
		if got := limitsOf(&test.before, &test.after, second); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	if got := limitsOf(&conn.Info{}, &conn.Info{}, 0); got != (limits{}) {
		t.Errorf("without an interval: %+v", got)
	}
}
