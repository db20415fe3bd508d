package script

import (
	"time"

	"minitcp/conn"
)

// socket is what a file descriptor of the script leads to.
type socket struct {
	s           *settings
	fd          int64
	nonblocking bool
	options     socketOptions

	listening bool
	backlog   int
	queue     []*socket // to be accepted

	flow      *flow
	tcp       *conn.Conn // nil before connect
	connected bool       // connect or accept has said so
	errTaken  bool       // SO_ERROR or connect has told how the connection ended
	read      uint32     // octets
	wrote     uint32
}

// socketOptions are what setsockopt changes. The zero value is the script's defaults; an accepted socket begins with its
// listener's.
type socketOptions struct {
	receiveBuffer, sendBuffer int
	keepAlive                 conn.KeepAlive
	nagle                     *conn.NagleMode
	linger                    conn.Linger
	userTimeout, finWait2     time.Duration
	maxSegment                int
	congestion                *conn.CongestionControl
}

// config is the configuration of a new connection.
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

// changed tells the socket's connection, if it has one, about its options.
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
	h.settle(u.flow)
}

// takeError is how the socket's connection ended, once; "" if it has not.
func (u *socket) takeError() string {
	if u.tcp == nil || u.errTaken {
		return ""
	}
	name := errnoOf(u.tcp.Err())
	u.errTaken = name != ""
	return name
}

// find is the socket with the descriptor, nil if there is none.
func (h *host) find(fd int64) *socket {
	for _, u := range h.sockets {
		if u.fd == fd {
			return u
		}
	}
	return nil
}

// close lets go of a socket.
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
		h.settle(u.flow)
	}
}

// stopListening forgets unfinished handshakes and resets connections nobody has accepted.
func (h *host) stopListening(l *socket) {
	l.listening = false
	for _, f := range h.flows {
		if f.listener == l {
			f.tcp, f.listener = nil, nil
		}
	}
	for _, u := range l.queue {
		u.tcp.Close(h.now, conn.Linger{Set: true})
		h.settle(u.flow)
	}
	l.queue = nil
}
