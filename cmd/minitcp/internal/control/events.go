//go:build linux

package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// feedKey identifies a feed: that of one connection, or that of all connections that a filter selects.
type feedKey struct {
	Ends
	filter string
	own    bool // the viewer may see this connection only, and may be on another host
}

// feeds are the streams of the page's viewers. The viewers of a key share one feed: its goroutine reads the stack and
// encodes each tick once. A feed exists while it has viewers.
type feeds struct {
	mu     sync.Mutex
	byKey  map[feedKey]*feed
	closed bool
	ended  sync.WaitGroup
}

// feed is the stream of the viewers of one key.
type feed struct {
	viewers map[chan []byte]struct{} // guarded by feeds.mu
	stop    chan struct{}
}

// source makes the ticks of a feed.
type source interface {
	interval() time.Duration
	tick(number int) any // a value to encode
	close()
}

// Limits of the numbers of feeds, in all and of viewers that may be on other hosts.
const (
	maxFeeds    = 64
	maxOwnFeeds = 32
)

const (
	// idleFactor is the least ratio of the time between ticks to the time that one takes, so that the view of very many
	// connections takes a tenth of a CPU at most.
	idleFactor = 9
	// ticksPending is the number of ticks that wait for a viewer. A slower viewer misses ticks.
	ticksPending = 4
)

var (
	errFeedsClosed = errors.New("the daemon is stopping")
	errTooMany     = errors.New("too many different views are open; close one")
)

// view adds a viewer of a key and returns its ticks. Cancel removes the viewer. Open makes the source, if the viewer is
// the first.
func (f *feeds) view(k feedKey, open func() source) (ticks <-chan []byte, cancel func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, errFeedsClosed
	}
	d := f.byKey[k]
	if d == nil {
		if len(f.byKey) >= maxFeeds || k.own && f.own() >= maxOwnFeeds {
			return nil, nil, errTooMany
		}
		d = &feed{viewers: make(map[chan []byte]struct{}), stop: make(chan struct{})}
		f.byKey[k] = d
		f.ended.Go(func() { f.run(d, open()) })
	}
	viewer := make(chan []byte, ticksPending)
	d.viewers[viewer] = struct{}{}
	return viewer, func() { f.leave(k, d, viewer) }, nil
}

// own returns the number of feeds of viewers that may be on other hosts.
func (f *feeds) own() (n int) {
	for k := range f.byKey {
		if k.own {
			n++
		}
	}
	return n
}

// leave removes a viewer, and ends the feed of the last one.
func (f *feeds) leave(k feedKey, d *feed, viewer chan []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(d.viewers, viewer)
	if len(d.viewers) == 0 && f.byKey[k] == d {
		delete(f.byKey, k)
		close(d.stop)
	}
}

// run sends ticks until the feed ends.
func (f *feeds) run(d *feed, s source) {
	defer s.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := 1; ; number++ {
		select {
		case <-d.stop:
			return
		case <-timer.C:
		}
		begin := time.Now()
		if b, err := json.Marshal(s.tick(number)); err == nil {
			f.send(d, b)
		}
		took := time.Since(begin)
		timer.Reset(max(s.interval()-took, idleFactor*took))
	}
}

// send gives a tick to each viewer that has room for it.
func (f *feeds) send(d *feed, tick []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for viewer := range d.viewers {
		select {
		case viewer <- tick:
		default:
		}
	}
}

// close ends all feeds, and with them the viewers' streams.
func (f *feeds) close() {
	f.mu.Lock()
	f.closed = true
	for k, d := range f.byKey {
		delete(f.byKey, k)
		close(d.stop)
		for viewer := range d.viewers {
			close(viewer)
		}
		clear(d.viewers)
	}
	f.mu.Unlock()
	f.ended.Wait()
}

// writeTimeout is the time that a viewer has to take a tick before its stream ends.
const writeTimeout = 30 * time.Second

// serveEvents streams ticks as server-sent events.
func (a *access) serveEvents(w http.ResponseWriter, r *http.Request) {
	k := feedKey{filter: r.FormValue("filter")}
	var newSource func() source
	if a.own != nil || r.FormValue("local") != "" {
		e, err := a.ends(r)
		if err != nil {
			badRequest(w, err)
			return
		}
		k = feedKey{Ends: e, own: a.own != nil}
		newSource = func() source { return newConnectionSource(a.Monitor, e) }
	} else {
		filter, err := ParseFilter(k.filter, true)
		if err != nil {
			badRequest(w, err)
			return
		}
		newSource = func() source { return &tableSource{a.Monitor, filter} }
	}
	ticks, cancel, err := a.feeds.view(k, newSource)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for {
		select {
		case tick, ok := <-ticks:
			if !ok {
				return
			}
			out.SetWriteDeadline(time.Now().Add(writeTimeout))
			if _, err := fmt.Fprintf(w, "data: %s\n\n", tick); err != nil || out.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
