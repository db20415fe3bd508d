package script

// call is a system call with its expected result.
type call struct {
	name      string
	op        operation
	result    int64
	errno     string // expected with the result -1; "" means any
	anyResult bool   // result written as ?
}

// operation performs a system call. The first call of try begins it. While it blocks, try is called again with the same
// attempt.
type operation interface {
	try(h *host, a *attempt) (outcome, bool)
}

// attempt is the progress of a call that blocks.
type attempt struct {
	begun bool
	done  int64 // bytes
}

// outcome is the result of a call.
type outcome struct {
	result      int64
	errno       string // with the result -1
	fault       string // failure other than the result
	unsupported string // reason for which the call was not performed
}

func failure(errno string) (outcome, bool) { return outcome{result: -1, errno: errno}, true }
func success(n int64) (outcome, bool)      { return outcome{result: n}, true }

var blocked = outcome{}

// call parses a system call: name(arguments) = result ERRNO (text).
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
	if p.took("(") { // the text of the error
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

// newOperation returns the operation of a call, or the reason for which the call is not supported.
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
		if op = (connectCall{a.number(0)}); a.at(1).is("AF_UNSPEC") {
			op = disconnectCall{a.number(0)}
			break
		}
		a.anything(1)
	case "read", "recv", "recvfrom":
		op = a.read(name)
	case "write", "send", "sendto":
		op = a.write(name)
	case "recvmsg":
		op = a.recvmsg()
	case "sendmsg":
		op = a.sendmsg()
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
		return nil, "the system call is not supported"
	}
	return op, a.problem
}
