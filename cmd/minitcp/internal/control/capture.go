//go:build linux

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"minitcp/stack"
	"minitcp/stack/pcap"
)

// captures are the streams of packets to clients.
type captures struct {
	mu      sync.Mutex
	stop    chan struct{} // closed when the daemon ends
	closed  bool
	running int
	ended   sync.WaitGroup
}

const (
	// maxCaptures is the largest number of captures at a time. Each has a queue of captureQueue bytes at most.
	maxCaptures  = 16
	captureQueue = 8 << 20
	// captureGrace is the time that the clients of captures have to take the last packets when the daemon ends.
	captureGrace = time.Second
	// lostTrailer is the trailer of a reply with the number of packets that are missing in it.
	lostTrailer = "X-Minitcp-Lost"
	// captureType is the media type of pcapng.
	captureType = "application/x-pcapng"
)

var errTooManyCaptures = fmt.Errorf("%d captures are running; end one", maxCaptures)

// begin adds a capture, which must call end.
func (c *captures) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errFeedsClosed
	case c.running == maxCaptures:
		return errTooManyCaptures
	}
	c.running++
	c.ended.Add(1)
	return nil
}

func (c *captures) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	c.ended.Done()
}

// close ends all captures. Those whose client takes no more end when the server closes its connections.
func (c *captures) close() {
	c.mu.Lock()
	c.closed = true
	close(c.stop)
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.ended.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(captureGrace):
	}
}

// captureRequest is a request for a capture.
type captureRequest struct {
	filter *Filter // nil for all packets
	count  uint64  // 0 means no limit
	form   pcap.Superframes
}

func parseCapture(query url.Values) (r captureRequest, err error) {
	if text := query.Get("filter"); text != "" {
		if r.filter, err = ParseFilter(text, true); err != nil {
			return r, err
		}
	}
	if text := query.Get("count"); text != "" {
		if r.count, err = strconv.ParseUint(text, 10, 64); err != nil || r.count == 0 {
			return r, fmt.Errorf("count=%q: not a number of packets", text)
		}
	}
	if query.Get("split") != "" {
		r.form = pcap.Cut
	}
	return r, nil
}

// selects reports whether the filter selects a frame.
func (r *captureRequest) selects(f *stack.Frame) bool {
	if r.filter == nil {
		return true
	}
	local, remote, ok := pcap.Ends(f)
	return ok && r.filter.Match(f.State, local, remote)
}

// serveCapture writes the packets that a filter selects as pcapng, until the request's body ends, the client leaves,
// the daemon ends, or there are as many as requested. The request of a GET has no body, and its end means nothing.
func (a *access) serveCapture(w http.ResponseWriter, r *http.Request) {
	// The reply begins before the request's body ends, also that of an error.
	http.NewResponseController(w).EnableFullDuplex()
	if a.readOnly {
		http.Error(w, "no captures, because other hosts can reach this address; use a loopback address or a Unix socket", http.StatusForbidden)
		return
	}
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" { // a page of another origin that leads its viewer here
		http.Error(w, "no captures from links of other origins", http.StatusForbidden)
		return
	}
	request, err := parseCapture(r.URL.Query())
	if err != nil {
		badRequest(w, err)
		return
	}
	if err := a.captures.begin(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer a.captures.end()
	w.Header().Set("Content-Type", captureType)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &captureReply{w: w}
	c, err := pcap.Create(pcap.Config{
		Output:      out,
		Interface:   a.options.Device,
		Select:      request.selects,
		Limit:       request.count,
		Full:        cancel,
		Superframes: request.form,
		Queue:       captureQueue,
		Failed:      func(error) { cancel() },
	})
	if err != nil {
		return // the client has left
	}
	if r.ContentLength != 0 {
		go func() {
			io.Copy(io.Discard, r.Body)
			cancel()
		}()
	}
	stop := a.stack.Observe(stack.Observer{Frame: c.Tap})
	out.start()
	select {
	case <-ctx.Done():
	case <-a.captures.stop:
	}
	stop()
	if lost, ok := errors.AsType[*pcap.LostError](c.Close()); ok {
		w.Header().Set(http.TrailerPrefix+lostTrailer, strconv.FormatUint(lost.Counts.Lost, 10))
	}
}

// captureReply is the reply with a capture. From start on, its writes reach the client at once. The header is written
// before, and shows the client that the capture has begun.
type captureReply struct {
	w       http.ResponseWriter
	mu      sync.Mutex
	started bool
}

func (r *captureReply) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.w.Write(b)
	if err == nil && r.started {
		err = http.NewResponseController(r.w).Flush()
	}
	return n, err
}

func (r *captureReply) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	http.NewResponseController(r.w).Flush() // the next Write has the error
}

// CaptureOptions select the packets of a capture.
type CaptureOptions struct {
	Filter string // of [ParseFilter]; "" for all packets
	Count  uint64 // of packets; 0 means no limit
	Split  bool   // superframes as the segments into which a device cuts them
}

// Capture writes packets of the daemon to w as pcapng, until ctx ends, the daemon ends, or Count packets are written.
// Lost is the number of packets that are missing, because w took them too slowly.
func (c *Client) Capture(ctx context.Context, w io.Writer, o CaptureOptions) (lost uint64, err error) {
	query := url.Values{"filter": {o.Filter}}
	if o.Count > 0 {
		query.Set("count", strconv.FormatUint(o.Count, 10))
	}
	if o.Split {
		query.Set("split", "1")
	}
	body, end := io.Pipe()
	defer context.AfterFunc(ctx, func() { end.Close() })()
	defer end.Close()
	r, err := http.NewRequest(http.MethodPost, "http://minitcp/api/capture?"+query.Encode(), body)
	if err != nil {
		return 0, err
	}
	// A capture has no timeout.
	resp, err := c.send(&http.Client{Transport: c.http.Transport}, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%s: the daemon was killed; the capture has no statistics", c.address)
		}
		return 0, err
	}
	lost, _ = strconv.ParseUint(resp.Trailer.Get(lostTrailer), 10, 64)
	return lost, nil
}
