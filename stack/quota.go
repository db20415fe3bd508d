package stack

import (
	"unsafe"

	"minitcp/conn"
)

// The budget of memory counts the states that peers create: handshakes, connections and TIME-WAIT. A connection counts
// with the part that it has while it is idle; the state of a transfer takes 0.8 KiB more, and its buffers count apart.
const (
	handshakeMemory  = uint16(unsafe.Sizeof(entry{}) + unsafe.Sizeof(conn.Handshake{}))
	connectionMemory = uint16(unsafe.Sizeof(entry{}) + unsafe.Sizeof(conn.Conn{}) + unsafe.Sizeof(Conn{}) + unsafe.Sizeof(user{}))
	timeWaitMemory   = uint16(unsafe.Sizeof(entry{}) + unsafe.Sizeof(conn.TimeWaitConn{}))
)

// charge makes the budget count e with a number of bytes. E's lock is held.
func (s *Stack) charge(e *entry, bytes uint16) {
	if bytes != e.charged {
		s.cfg.Conn.Pool.Charge(int(bytes) - int(e.charged))
		e.charged = bytes
	}
}

// enterQuota counts e's connection, which a peer has opened, in the limits of Config. It returns false if there are as
// many connections as permitted: e must not become one. E's lock is held.
func (s *Stack) enterQuota(e *entry) bool {
	if !s.quota.Enter(e.Key.Remote.Addr()) {
		return false
	}
	e.limited = true
	return true
}

// leaveQuota undoes enterQuota, if it has counted e. E's lock is held.
func (s *Stack) leaveQuota(e *entry) {
	if e.limited {
		e.limited = false
		s.quota.Leave(e.Key.Remote.Addr())
	}
}
