//go:build linux

package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"minitcp/conn"
	"minitcp/stack"
)

// Options describe a daemon to its viewers.
type Options struct {
	Command string       // such as serve
	Device  string       // name of the network device
	Log     *slog.Logger // for warnings; nil for none
	// Finished gets a line for each connection that ends, at the level Debug; nil for none.
	Finished *slog.Logger
}

// Monitor shows and steers a stack.
type Monitor struct {
	stack    *stack.Stack
	options  Options
	began    time.Time
	finished *finished
	feeds    feeds
	captures captures
	stop     func() // ends the observation of connections' ends
	logging  sync.WaitGroup

	http      *http.Server // nil before Listen
	listener  net.Listener
	serving   sync.WaitGroup
	closeOnce sync.Once
}

// New returns a Monitor of a stack that has just been made. Close must be called when the stack has ended, or before.
func New(s *stack.Stack, o Options) *Monitor {
	m := &Monitor{stack: s, options: o, began: time.Now()}
	m.feeds.byKey = make(map[feedKey]*feed)
	m.captures.stop = make(chan struct{})
	m.finished = newFinished()
	logged := o.Finished != nil && o.Finished.Enabled(context.Background(), slog.LevelDebug)
	if logged {
		lines := m.finished.lines
		m.logging.Go(func() { logLines(o.Finished, lines) })
	}
	m.stop = s.Observe(stack.Observer{Opened: m.finished.opened, Ended: func(v *stack.ConnEnd) { m.finished.ended(v, logged) }})
	return m
}

// Listen serves the API at an address until Close. A Unix socket has mode 0600.
func (m *Monitor) Listen(a Address) error {
	l, err := a.listen()
	if err != nil {
		return err
	}
	m.listener = l
	m.http = &http.Server{Handler: m.handler(isPublic(l)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	if m.options.Log != nil {
		m.http.ErrorLog = slog.NewLogLogger(m.options.Log.Handler(), slog.LevelWarn)
	}
	m.serving.Go(func() {
		if err := m.http.Serve(l); !errors.Is(err, http.ErrServerClosed) && m.options.Log != nil {
			m.options.Log.Warn("the API ends here; traffic continues", "error", err.Error())
		}
	})
	return nil
}

// Addr returns the address of the API, "" before Listen: unix:PATH or HOST:PORT.
func (m *Monitor) Addr() string {
	if m.listener == nil {
		return ""
	}
	if a := m.listener.Addr(); a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return m.listener.Addr().String()
}

// Close ends the API, its viewers' streams, captures and the log of ends.
func (m *Monitor) Close() error {
	var err error
	m.closeOnce.Do(func() {
		m.feeds.close()
		m.captures.close()
		if m.http != nil {
			err = m.http.Close() // removes a Unix socket, too
			m.serving.Wait()
			m.captures.ended.Wait()
		}
		m.stop()
		unlogged := m.finished.closeLog()
		m.logging.Wait()
		if unlogged > 0 {
			m.options.Finished.Warn("some connections that finished have no line: the log was too slow", "count", unlogged)
		}
	})
	return err
}

// Dialed records the time in which a gateway has connected to a destination.
func (m *Monitor) Dialed(took time.Duration) { m.finished.dialed(took) }

// states returns the number of connections in each state.
func (m *Monitor) states() (states stateCounts) {
	for c := range m.stack.AllConnections() {
		states[c.State]++
	}
	return states
}

// stateCounts are the numbers of connections by state.
type stateCounts [conn.TimeWait + 1]uint64

// daemon describes the process.
func (m *Monitor) daemon() Daemon {
	return Daemon{Command: m.options.Command, PID: os.Getpid(), Device: m.options.Device, Began: m.began}
}
