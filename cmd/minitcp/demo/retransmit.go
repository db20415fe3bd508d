//go:build linux

package demo

import (
	"bytes"
	"errors"
	"net"
	"strings"
)

// transfer sends a message on a link with fault f. It returns the segments, and whether the message arrived intact.
func (l *lab) transfer(f fault) (p trace, intact bool, err error) {
	c, from := l.main, l.history.length()
	var sender, receiver net.Conn = c.server, c.client
	if f == loseTheirs || f == damageTheirs {
		sender, receiver = receiver, sender
	}
	l.link.schedule(f)
	sent := message(200, byte(f))
	if _, err := sender.Write(sent); err != nil {
		return nil, false, err
	}
	got, err := readFull(receiver, len(sent))
	if err != nil {
		return nil, false, err
	}
	l.quiesce(c)
	p, _ = l.history.of(c.ends, from)
	return p, bytes.Equal(got, sent), nil
}

// repaired reports whether the first segment with data in one direction was dropped with a note that begins with
// reason, and a later segment carried the same bytes and was not dropped.
func (p trace) repaired(outgoing bool, reason string) bool {
	first := -1
	for i := range p {
		switch v := &p[i]; {
		case !carries(outgoing)(v):
		case first < 0:
			if !v.Dropped || !strings.HasPrefix(v.Note, reason) {
				return false
			}
			first = i
		case !v.Dropped && v.TCP.Seq == p[first].TCP.Seq && v.Len >= p[first].Len:
			return true
		}
	}
	return false
}

// marked reports whether minitcp noted that a segment with data was a retransmission.
func (p trace) marked() bool {
	return p.count(func(s *segment) bool { return carries(toKernel)(s) && strings.Contains(s.Note, "retransmission") }) > 0
}

func damagedOurs(l *lab) error {
	before, err1 := l.kernelCounter("InCsumErrors")
	p, intact, err2 := l.transfer(damageOurs)
	after, err3 := l.kernelCounter("InCsumErrors")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	l.expect(l.link.injected(damageOurs) && after == before+1, "a damaged segment: the kernel counted one bad checksum (TcpInCsumErrors)")
	l.expect(p.repaired(toKernel, "damaged") && p.marked(), "a damaged segment: minitcp retransmitted it")
	l.expect(intact && p.repaired(toKernel, "damaged"), "a damaged segment: the data arrived intact")
	return nil
}

func lostOurs(l *lab) error {
	p, intact, err := l.transfer(loseOurs)
	if err != nil {
		return err
	}
	l.expect(l.link.injected(loseOurs) && p.repaired(toKernel, "lost") && p.marked(), "a lost segment: minitcp retransmitted it")
	l.expect(intact && p.repaired(toKernel, "lost"), "a lost segment: the data arrived intact")
	return nil
}

func damagedTheirs(l *lab) error {
	const counter = "dropped-tcp-checksum"
	before := l.stack.Stats()[counter]
	p, intact, err := l.transfer(damageTheirs)
	if err != nil {
		return err
	}
	l.expect(l.link.injected(damageTheirs) && l.stack.Stats()[counter] == before+1, "a damaged segment from the kernel: minitcp counted one bad checksum (%s)", counter)
	l.expect(intact && p.repaired(toUs, "damaged"), "a damaged segment from the kernel: it was retransmitted and arrived intact")
	return nil
}

func lostTheirs(l *lab) error {
	p, intact, err := l.transfer(loseTheirs)
	if err != nil {
		return err
	}
	l.expect(l.link.injected(loseTheirs) && intact && p.repaired(toUs, "lost"), "a lost segment from the kernel: it was retransmitted and arrived intact")
	return nil
}
