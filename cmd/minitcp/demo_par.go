//go:build linux

package main

import (
	"bytes"
	"errors"
	"net"
	"strings"
)

// transfer sends a message that meets with a mishap and returns what was seen. whole: it arrived as it was.
func (s *stage) transfer(m mishap) (p passage, whole bool, err error) {
	c, from := s.main, s.history.length()
	var sender, receiver net.Conn = c.server, c.client
	if m == loseTheirs || m == damageTheirs {
		sender, receiver = receiver, sender
	}
	s.link.arrange(m)
	sent := message(200, byte(m))
	if _, err := sender.Write(sent); err != nil {
		return nil, false, err
	}
	got, err := readFull(receiver, len(sent))
	if err != nil {
		return nil, false, err
	}
	s.settled(c)
	p, _ = s.history.of(c.ends, from)
	return p, bytes.Equal(got, sent), nil
}

// repaired reports whether the first segment with data in one direction came to nothing for the reason the note begins
// with, and the same octets were then sent again and arrived.
func (p passage) repaired(outgoing bool, reason string) bool {
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

// saidAgain reports whether our TCP said of a segment with data that it is sent again.
func (p passage) saidAgain() bool {
	return p.count(func(s *sighting) bool { return carries(toKernel)(s) && strings.Contains(s.Note, "retransmission") }) > 0
}

func damagedOurs(s *stage) error {
	before, err1 := s.kernelCounter("InCsumErrors")
	p, whole, err2 := s.transfer(damageOurs)
	after, err3 := s.kernelCounter("InCsumErrors")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.find(s.link.happened(damageOurs) && after == before+1, "a damaged segment: the kernel counted one bad checksum (TcpInCsumErrors)")
	s.find(p.repaired(toKernel, "damaged") && p.saidAgain(), "a damaged segment: we sent it again")
	s.find(whole && p.repaired(toKernel, "damaged"), "a damaged segment: the octets arrived as they were")
	return nil
}

func lostOurs(s *stage) error {
	p, whole, err := s.transfer(loseOurs)
	if err != nil {
		return err
	}
	s.find(s.link.happened(loseOurs) && p.repaired(toKernel, "lost") && p.saidAgain(), "a lost segment: we sent it again")
	s.find(whole && p.repaired(toKernel, "lost"), "a lost segment: the octets arrived as they were")
	return nil
}

func damagedTheirs(s *stage) error {
	const counter = "dropped-tcp-checksum"
	before := s.stack.Stats()[counter]
	p, whole, err := s.transfer(damageTheirs)
	if err != nil {
		return err
	}
	s.find(s.link.happened(damageTheirs) && s.stack.Stats()[counter] == before+1, "a damaged segment of the kernel's: we counted one bad checksum (%s)", counter)
	s.find(whole && p.repaired(toUs, "damaged"), "a damaged segment of the kernel's: it was sent again and arrived as it was")
	return nil
}

func lostTheirs(s *stage) error {
	p, whole, err := s.transfer(loseTheirs)
	if err != nil {
		return err
	}
	s.find(s.link.happened(loseTheirs) && whole && p.repaired(toUs, "lost"), "a lost segment of the kernel's: it was sent again and arrived as it was")
	return nil
}
