package script

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"minitcp/conn"
)

// args reads the arguments of a call. problem describes the first invalid argument.
type args struct {
	name    string
	list    []value
	problem string
}

// fail records a problem if it is the first.
func (a *args) fail(format string, x ...any) {
	if a.problem == "" {
		a.problem = fmt.Sprintf(format, x...)
	}
}

// count checks the number of arguments.
func (a *args) count(n int) {
	if len(a.list) != n {
		a.fail("%d arguments, want %d", len(a.list), n)
	}
}

// at returns argument i.
func (a *args) at(i int) value {
	if i >= len(a.list) {
		a.fail("too few arguments")
		return value{}
	}
	return a.list[i]
}

// number returns argument i, which must be a number.
func (a *args) number(i int) int64 {
	v := a.at(i)
	if v.kind != valueNumber {
		a.fail("expected a number, found %s", v)
	}
	return v.number
}

// names is a set of flags.
type names []string

func (n names) has(name string) bool { return slices.Contains(n, name) }

// flags returns argument i, which must be 0 or a combination of the known names.
func (a *args) flags(i int, known ...string) names {
	v := a.at(i)
	if v.kind == valueNumber && v.number == 0 {
		return nil
	}
	if v.kind != valueNames {
		a.fail("expected flags, found %s", v)
		return nil
	}
	for _, n := range v.names {
		if !slices.Contains(known, n) {
			a.fail("%s", n)
		}
	}
	return v.names
}

// oneOf returns argument i, which must be one of the known names.
func (a *args) oneOf(i int, known ...string) string {
	v := a.at(i)
	if v.kind != valueNames || len(v.names) != 1 || !slices.Contains(known, v.names[0]) {
		a.fail("%s", v)
		return ""
	}
	return v.names[0]
}

func (a *args) socket(fd int64) operation {
	a.count(3)
	if v := a.at(0); v.kind != valueEllipsis && !v.is("AF_INET") && !v.is("AF_INET6") && !v.is("PF_INET") {
		a.fail("%s", v)
	}
	kind := a.flags(1, "SOCK_STREAM", "SOCK_NONBLOCK", "SOCK_CLOEXEC")
	if !kind.has("SOCK_STREAM") {
		a.fail("the type is not SOCK_STREAM")
	}
	if v := a.at(2); !v.is("IPPROTO_TCP") && !(v.kind == valueNumber && v.number == 0) {
		a.fail("%s", v)
	}
	return socketCall{fd: fd, nonblocking: kind.has("SOCK_NONBLOCK")}
}

// maxWrite is the maximum number of bytes in one call.
const maxWrite = 4 << 20

// size returns argument i, which must be a number of bytes.
func (a *args) size(i int) int64 {
	n := a.number(i)
	if n < 0 || n > maxWrite {
		a.fail("%d bytes", n)
		return 0
	}
	return n
}

// anything checks that argument i, which has no effect, is "...".
func (a *args) anything(i int) {
	if v := a.at(i); v.kind != valueEllipsis {
		a.fail("expected ..., found %s", v)
	}
}

func (a *args) read(name string) operation {
	r := readCall{fd: a.number(0), count: a.size(2)}
	a.anything(1)
	switch name {
	case "read":
		a.count(3)
		return r
	case "recvfrom":
		a.count(6)
	default:
		a.count(4)
	}
	r.nonblocking = a.flags(3, "MSG_DONTWAIT").has("MSG_DONTWAIT")
	return r
}

func (a *args) write(name string) operation {
	w := writeCall{fd: a.number(0), count: a.size(2)}
	a.anything(1)
	switch name {
	case "write":
		a.count(3)
		return w
	case "sendto":
		a.count(6)
	default:
		a.count(4)
	}
	a.sendFlags(3, &w)
	return w
}

// sendmsg returns the write of the vectors of a message together.
func (a *args) sendmsg() operation {
	a.count(3)
	w := writeCall{fd: a.number(0)}
	vectors, ok := a.at(1).field("msg_iov")
	if !ok {
		a.fail("a message without msg_iov")
	}
	for _, v := range vectors.list {
		if len(v.list) != 2 || v.list[1].kind != valueNumber || v.list[1].number < 0 {
			a.fail("%s", v)
			break
		}
		if w.count += v.list[1].number; w.count > maxWrite {
			a.fail("%d bytes", w.count)
			break
		}
	}
	a.sendFlags(2, &w)
	return w
}

// recvmsg returns the read of a message with one vector, and with a TCP_CM_INQ or without.
func (a *args) recvmsg() operation {
	a.count(3)
	r := readCall{fd: a.number(0)}
	message := a.at(1)
	vectors, _ := message.field("msg_iov")
	if len(vectors.list) != 1 || len(vectors.list[0].list) != 2 || vectors.list[0].list[1].kind != valueNumber {
		a.fail("a message without one vector")
		return r
	}
	r.count = vectors.list[0].list[1].number
	if r.count < 0 || r.count > maxWrite {
		a.fail("%d bytes", r.count)
	}
	if control, ok := message.field("msg_control"); ok {
		kind, n := value{}, value{}
		if len(control.list) == 1 {
			kind, _ = control.list[0].field("cmsg_type")
			n, _ = control.list[0].field("cmsg_data")
		}
		if !kind.is("TCP_CM_INQ") || n.kind != valueNumber {
			a.fail("control data other than TCP_CM_INQ")
		}
		r.left = &n.number
	}
	r.nonblocking = a.flags(2, "MSG_DONTWAIT").has("MSG_DONTWAIT")
	return r
}

// sendFlags takes the flags of a write from argument i.
func (a *args) sendFlags(i int, w *writeCall) {
	const fastOpen = 0x20000000 // Linux's MSG_FASTOPEN
	if v := a.at(i); v.kind == valueNumber && v.number == fastOpen {
		w.fastOpen = true
		return
	}
	f := a.flags(i, "MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_OOB", "MSG_ZEROCOPY", "MSG_FASTOPEN")
	w.nonblocking, w.urgent, w.fastOpen = f.has("MSG_DONTWAIT"), f.has("MSG_OOB"), f.has("MSG_FASTOPEN")
}

func (a *args) fcntl() operation {
	c := fcntlCall{fd: a.number(0), set: a.oneOf(1, "F_GETFL", "F_SETFL") == "F_SETFL"}
	if c.set {
		a.count(3)
		c.nonblocking = a.flags(2, "O_RDWR", "O_NONBLOCK").has("O_NONBLOCK")
	} else if len(a.list) != 2 && len(a.list) != 3 {
		a.count(2)
	}
	return c
}

func (a *args) poll() operation {
	a.count(3)
	c := pollCall{timeout: time.Duration(a.number(2)) * time.Millisecond}
	list := a.at(0)
	if list.kind != valueList || int64(len(list.list)) != a.number(1) {
		a.fail("the number of descriptors differs from the length of the list")
	}
	for _, v := range list.list {
		fd, ok := v.field("fd")
		if !ok || fd.kind != valueNumber {
			a.fail("an element has no fd")
			break
		}
		e := pollEntry{fd: fd.number}
		events, _ := v.field("events")
		revents, _ := v.field("revents")
		e.events = a.pollEvents(events)
		e.want = a.pollEvents(revents)
		c.entries = append(c.entries, e)
	}
	return c
}

func (a *args) pollEvents(v value) (bits pollBits) {
	if v.kind == valueNumber && v.number == 0 {
		return 0
	}
	if v.kind != valueNames {
		a.fail("expected events, found %s", v)
	}
	for _, name := range v.names {
		i := slices.Index(pollNames[:], name)
		if i < 0 {
			a.fail("%s", name)
			return 0
		}
		bits |= 1 << i
	}
	return bits
}

// optionName returns the name of a socket option and checks its level.
func (a *args) optionName(known []string) string {
	level, name := a.at(1), a.at(2)
	for _, k := range known {
		if !name.is(k) {
			continue
		}
		switch prefix, _, _ := strings.Cut(k, "_"); {
		case prefix == "SO" && !level.is("SOL_SOCKET"), prefix == "TCP" && !level.is("SOL_TCP") && !level.is("IPPROTO_TCP"),
			prefix == "IP" && !level.is("SOL_IP") && !level.is("IPPROTO_IP"):
			a.fail("%s of %s", k, level)
		}
		return k
	}
	a.fail("%s", name)
	return ""
}

func (a *args) setsockopt() operation {
	a.count(5)
	c := setCall{fd: a.number(0), name: a.optionName([]string{
		"SO_REUSEADDR", "SO_REUSEPORT", "SO_ZEROCOPY", "TCP_INQ", "SO_RCVBUF", "SO_SNDBUF", "SO_LINGER", "SO_KEEPALIVE", "TCP_NODELAY",
		"TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT", "TCP_MAXSEG", "TCP_LINGER2",
		"TCP_CONGESTION", "TCP_FASTOPEN", "TCP_FASTOPEN_CONNECT", "IP_TOS", "IP_MTU_DISCOVER", "IP_BIND_ADDRESS_NO_PORT", "IP_FREEBIND",
	})}
	v := a.at(3)
	if strings.HasPrefix(c.name, "IP_") {
		return c // of the IP layer, without an effect here
	}
	if c.name == "SO_LINGER" {
		on, ok1 := v.field("onoff")
		seconds, ok2 := v.field("linger")
		if !ok1 || !ok2 || on.kind != valueNumber || seconds.kind != valueNumber || seconds.number < 0 || seconds.number > maxTime {
			a.fail("expected {onoff=…, linger=…}")
		}
		c.linger = conn.Linger{Set: on.number != 0, Timeout: time.Duration(seconds.number) * time.Second}
		return c
	}
	if c.name == "TCP_CONGESTION" {
		if v.kind != valueString || c.congestion.UnmarshalText([]byte(v.names[0])) != nil {
			a.fail("expected the congestion control \"cubic\", \"reno\" or \"bbr\"")
		}
		return c
	}
	n, ok := v.single()
	if !ok || n < 0 || n > 1<<30 {
		a.fail("%s", v)
	}
	c.value = n
	return c
}

func (a *args) getsockopt() operation {
	a.count(5)
	c := getCall{fd: a.number(0), name: a.optionName([]string{
		"SO_ERROR", "SO_KEEPALIVE", "TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT",
		"TCP_MAXSEG", "SO_RCVBUF", "SO_SNDBUF",
	})}
	v := a.at(3)
	if v.kind == valueList && len(v.list) == 1 {
		v = v.list[0]
	}
	switch {
	case v.kind == valueNumber:
		c.want = v.number
	case v.kind == valueNames && len(v.names) == 1 && errnoNumber(v.names[0]) != 0:
		c.want = errnoNumber(v.names[0])
	default:
		a.fail("%s", v)
	}
	return c
}
