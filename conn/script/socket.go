package script

import (
	"time"

	"minitcp/conn"
)

// socket is the socket of a file descriptor in the script.
type socket struct {
	s           *settings
	fd          int64
	nonblocking bool
	options     socketOptions

	listening bool
	backlog   int
	queue     []*socket // accept queue

	flow          *flow
	tcp           *conn.Conn // nil before connect
	connected     bool       // whether connect or accept succeeded
	fastOpening   bool       // whether the first write waits, or will wait, for the end of a handshake with Fast Open
	errorReported bool       // whether the application has received the connection's error
	read          uint32     // bytes
	wrote         uint32
}

// socketOptions are the options that setsockopt changes. The zero value means the script's defaults. An accepted socket
// inherits its listener's.
type socketOptions struct {
	receiveBuffer, sendBuffer int
	keepAlive                 conn.KeepAlive
	nagle                     *conn.NagleMode
	linger                    conn.Linger
	userTimeout, finWait2     time.Duration
	maxSegment                int
	fastOpen                  bool // of a listener
	fastOpenConnect           bool
	congestion                *conn.CongestionControl
}

// config returns the configuration of a new connection.
func (u *socket) config() *conn.Config {
	o, c := &u.options, u.s.config
	if o.receiveBuffer > 0 {
		c.ReceiveBuffer = o.receiveBuffer
	}
	if o.sendBuffer > 0 {
		c.SendBuffer = o.sendBuffer
	}
	if o.nagle != nil {
		c.Nagle = *o.nagle
	}
	if o.finWait2 > 0 {
		c.FinWait2Timeout = o.finWait2
	}
	if o.congestion != nil {
		c.CongestionControl = *o.congestion
	}
	c.KeepAlive, c.UserTimeout = o.keepAlive, o.userTimeout
	c = c.WithDefaults()
	return &c
}

// changed applies the options to the socket's connection, if it has one.
func (u *socket) changed(h *host) {
	if u.tcp == nil {
		return
	}
	o := &u.options
	if o.nagle != nil {
		u.tcp.SetNagle(*o.nagle)
	}
	if o.congestion != nil {
		u.tcp.SetCongestionControl(*o.congestion)
	}
	u.tcp.SetKeepAlive(h.now, o.keepAlive)
	u.tcp.SetUserTimeout(h.now, o.userTimeout)
	if o.receiveBuffer > 0 {
		u.tcp.SetReceiveBuffer(o.receiveBuffer)
	}
	if o.sendBuffer > 0 {
		u.tcp.SetSendBuffer(o.sendBuffer)
	}
	h.flush(u.flow)
}

// takeError returns the name of the error that ended the connection, once, and otherwise "".
func (u *socket) takeError() string {
	if u.tcp == nil || u.errorReported {
		return ""
	}
	name := errnoOf(u.tcp.Err())
	u.errorReported = name != ""
	return name
}

// find returns the socket of a descriptor, or nil.
func (h *host) find(fd int64) *socket {
	for _, u := range h.sockets {
		if u.fd == fd {
			return u
		}
	}
	return nil
}

// taken reports whether a descriptor is in use. Scripts for Linux may use it again: packetdrill has numbers of its own.
func (h *host) taken(fd int64) bool {
	u := h.find(fd)
	if u != nil && h.s.asLinux {
		u.fd = -1
		return false
	}
	return u != nil
}

// close closes a socket.
func (h *host) close(u *socket) {
	for i := range h.sockets {
		if h.sockets[i] == u {
			h.sockets = append(h.sockets[:i], h.sockets[i+1:]...)
			break
		}
	}
	if u.listening {
		h.stopListening(u)
	}
	if u.tcp != nil {
		u.tcp.Close(h.now, u.options.linger)
		h.flush(u.flow)
	}
}

// stopListening drops the incomplete handshakes of a listener and resets the connections in its accept queue.
func (h *host) stopListening(l *socket) {
	l.listening = false
	for _, f := range h.flows {
		if f.listener == l {
			f.tcp, f.listener = nil, nil
		}
	}
	for _, u := range l.queue {
		u.tcp.Close(h.now, conn.Linger{Set: true})
		h.flush(u.flow)
	}
	l.queue = nil
}
