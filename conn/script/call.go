package script

// call is a system call with the result it must have.
type call struct {
	name      string
	op        operation
	result    int64
	errno     string // after a result of -1; "": any
	anyResult bool   // = ?
}

// operation does the work of a system call. Try begins it, and is called again and again while it would block, with the
// same attempt.
type operation interface {
	try(h *host, a *attempt) (outcome, bool)
}

// attempt is what a call that blocks has done so far.
type attempt struct {
	begun bool
	done  int64 // octets
}

// outcome is what a call returned.
type outcome struct {
	result      int64
	errno       string // of a result of -1
	fault       string // what is wrong beside the result
	unsupported string // why it could not be done at all
}

func failure(errno string) (outcome, bool) { return outcome{result: -1, errno: errno}, true }
func success(n int64) (outcome, bool)      { return outcome{result: n}, true }

var blocked = outcome{}

// call takes a system call: name(arguments) = result ERRNO (text).
func (p *parser) call() (action, *Error) {
	name := p.take()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	arguments, _, err := p.values(")", 0)
	if err != nil {
		return nil, err
	}
	c := &call{name: name.text}
	if err := p.expect("="); err != nil {
		return nil, err
	}
	if p.took("?") {
		c.anyResult = true
	} else {
		v, err := p.numberValue()
		if err != nil {
			return nil, err
		}
		c.result = v.number
	}
	if t := p.peek(); t.kind == tokenWord && c.result == -1 {
		p.take()
		if errnoNumber(t.text) == 0 {
			return nil, errorf(t.line, "the error %s", shorten(t.text))
		}
		c.errno = t.text
		if c.errno == "EWOULDBLOCK" {
			c.errno = "EAGAIN"
		}
	}
	if p.took("(") { // the error's text
		for !p.took(")") {
			if p.take().kind == tokenEnd {
				return nil, p.unexpected(`")"`)
			}
		}
	}
	op, reason := newOperation(name.text, arguments, c.result)
	if reason != "" {
		return nil, errorf(name.line, "%s: %s", name.text, reason)
	}
	c.op = op
	return c, nil
}

// newOperation makes the operation of a call, or says why there is none.
func newOperation(name string, arguments []value, result int64) (operation, string) {
	a := args{list: arguments, name: name}
	var op operation
	switch name {
	case "socket":
		op = a.socket(result)
	case "bind":
		a.count(3)
		op = bindCall{a.number(0)}
	case "listen":
		a.count(2)
		op = listenCall{fd: a.number(0), backlog: int(min(max(a.number(1), 1), 4096))}
	case "accept":
		a.count(3)
		op = acceptCall{fd: a.number(0), newFD: result}
	case "accept4":
		a.count(4)
		op = acceptCall{fd: a.number(0), newFD: result, nonblocking: a.flags(3, "SOCK_NONBLOCK", "SOCK_CLOEXEC").has("SOCK_NONBLOCK")}
	case "connect":
		a.count(3)
		op = connectCall{a.number(0)}
	case "read", "recv", "recvfrom":
		op = a.read(name)
	case "write", "send", "sendto":
		op = a.write(name)
	case "shutdown":
		a.count(2)
		op = shutdownCall{a.number(0), a.oneOf(1, "SHUT_RD", "SHUT_WR", "SHUT_RDWR")}
	case "close":
		a.count(1)
		op = closeCall{a.number(0)}
	case "fcntl":
		op = a.fcntl()
	case "ioctl":
		a.count(3)
		n, _ := a.at(2).single()
		op = ioctlCall{a.number(0), a.oneOf(1, "SIOCINQ", "FIONREAD", "SIOCOUTQ"), n}
	case "poll":
		op = a.poll()
	case "setsockopt":
		op = a.setsockopt()
	case "getsockopt":
		op = a.getsockopt()
	default:
		return nil, "this system call"
	}
	return op, a.problem
}
