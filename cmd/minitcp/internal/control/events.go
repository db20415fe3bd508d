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

const (
	maxFeeds = 64
	// ticksPending is the number of ticks that wait for a viewer. A slower viewer misses ticks.
	ticksPending = 4
)

var (
	errFeedsClosed = errors.New("the daemon is stopping")
	errTooMany     = fmt.Errorf("more than %d different views are open", maxFeeds)
)

// view adds a viewer of a key and returns its ticks. Cancel removes the viewer. Make makes the source, if the viewer is
// the first.
func (f *feeds) view(k feedKey, make func() source) (ticks <-chan []byte, cancel func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, nil, errFeedsClosed
	}
	d := f.byKey[k]
	if d == nil {
		if len(f.byKey) >= maxFeeds {
			return nil, nil, errTooMany
		}
		d = &feed{viewers: map[chan []byte]struct{}{}, stop: newSignal()}
		f.byKey[k] = d
		f.ended.Go(func() { f.run(d, make()) })
	}
	viewer := newTicks()
	d.viewers[viewer] = struct{}{}
	return viewer, func() { f.leave(k, d, viewer) }, nil
}

func newSignal() chan struct{} { return make(chan struct{}) }
func newTicks() chan []byte    { return make(chan []byte, ticksPending) }

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
	ticker := time.NewTicker(s.interval())
	defer ticker.Stop()
	for number := 1; ; number++ {
		if b, err := json.Marshal(s.tick(number)); err == nil {
			f.send(d, b)
		}
		select {
		case <-d.stop:
			return
		case <-ticker.C:
		}
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
	newSource := func() source { return nil }
	if a.own != nil || r.FormValue("local") != "" {
		e, err := a.ends(r)
		if err != nil {
			badRequest(w, err)
			return
		}
		k = feedKey{Ends: e}
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
