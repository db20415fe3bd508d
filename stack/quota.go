package stack

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
