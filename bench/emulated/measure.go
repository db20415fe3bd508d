//go:build linux

// Package emulated measures how exactly minitcp's emulated link does as its flags ask, from outside: by datagrams that
// pass minitcp gateway to a server, which returns them.
package emulated

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"minitcp/bench/pattern"
	"minitcp/bench/site"
	"minitcp/bench/subject"
)

// Setting is one setting of the link, and the figure that is measured.
type Setting struct {
	Flags string // "" for no link
	Kind  Kind
	Asked float64 // in the unit of the kind
}

// Kind is a property of the link.
type Kind uint8

const (
	Rate  Kind = iota // bits per second
	Delay             // seconds
	Loss              // share
)

// Settings are the settings in the order of the table.
var Settings = []Setting{
	{"--rate up:1mbit --queue 2s", Rate, 1e6}, {"--rate up:10mbit --queue 2s", Rate, 10e6}, {"--rate down:10mbit --queue 2s", Rate, 10e6},
	{"--rate up:100mbit --queue 2s", Rate, 100e6}, {"--rate down:300mbit --queue 2s", Rate, 300e6},
	{"--delay up:1ms", Delay, 1e-3}, {"--delay up:10ms", Delay, 10e-3}, {"--delay down:40ms", Delay, 40e-3}, {"--delay up:300ms", Delay, 300e-3},
	{"--loss up:0.1%", Loss, 0.001}, {"--loss up:1%", Loss, 0.01}, {"--loss down:5%", Loss, 0.05}, {"--loss down:30%", Loss, 0.3},
}

// Limits of the error.
const (
	rateError  = 0.01 // of the rate
	delayError = 0.5e-3
	// lossErrors is the number of standard deviations of a binomial distribution that a share of lost packets may be off.
	lossErrors = 3
)

// Result is the measurement of a setting.
type Result struct {
	Setting
	Measured float64
	Limit    float64 // of the absolute difference of Measured and Asked
	Packets  int     // that the figure is made of
}

// Met reports whether the error is within the limit.
func (r *Result) Met() bool { return math.Abs(r.Measured-r.Asked) <= r.Limit }

// Measure measures each of the settings for a time.
func Measure(ctx context.Context, settings []Setting, duration time.Duration, each func(Result)) error {
	base, err := measure(ctx, Setting{Kind: Delay}, duration, 0)
	if err != nil {
		return err
	}
	for _, s := range settings {
		r, err := measure(ctx, s, duration, base.Measured)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Flags, err)
		}
		each(r)
	}
	return nil
}

// measure measures a setting in a network, and with a gateway, of its own. Base is the time of a round trip without a
// link in seconds.
func measure(ctx context.Context, s Setting, duration time.Duration, base float64) (r Result, err error) {
	target := subject.Emulated(s.Flags)
	network, err := site.New(target)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	var server, gateway *subject.Process
	err = network.Server.Do(func() (err error) {
		server, err = subject.Start("kernel-"+subject.CongestionControl, pattern.Sampled, subject.MaxReads)
		return err
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	gateway, err = network.StartForwarder(func(client *os.File) (*subject.Process, error) {
		return subject.Start(target.Argument(), pattern.Sampled, subject.MaxReads, client)
	})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, gateway.Stop()) }()
	var c *net.UDPConn
	err = network.Client.Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(network.Address, subject.PortEcho)))
		return err
	})
	if err != nil {
		return r, err
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	if err := enlarge(c); err != nil {
		return r, err
	}
	r.Setting = s
	switch s.Kind {
	case Rate:
		r.Limit = rateError * s.Asked
		r.Measured, r.Packets, err = rateOf(c, s.Asked, duration)
	case Delay:
		r.Limit = delayError
		r.Measured, r.Packets, err = delayOf(c, duration)
		r.Measured -= base
	case Loss:
		r.Measured, r.Packets, err = lossOf(c, duration)
		r.Limit = lossErrors * math.Sqrt(s.Asked*(1-s.Asked)/float64(max(r.Packets, 1)))
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r, err
}

const (
	headers  = 20 + 8 // bytes of IPv4 and UDP
	datagram = 1400   // bytes of data
	// surplus is the ratio of the rate of a sender to that of the link, so that packets always wait, even after the sender
	// has had no CPU for a while.
	surplus = 2
	// settling is the time in which the queue fills.
	settling = 500 * time.Millisecond
	// pause is the time without a datagram after which none is on its way.
	pause = 400 * time.Millisecond
	// lossRate is the number of datagrams per second whose loss is measured.
	lossRate = 10000
	// buffer is the size of the receive buffer in bytes.
	buffer = 4 << 20
)

// enlarge sets the size of the receive buffer, beyond the limit for other users than root.
func enlarge(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) })
	return errors.Join(failed, err)
}

// rateOf returns the bits per second of IP packets that arrive while more are sent.
func rateOf(c *net.UDPConn, rate float64, duration time.Duration) (float64, int, error) {
	stop := time.Now().Add(settling + duration)
	sent := make(chan error, 1)
	go func() {
		_, err := pace(c, datagram, rate*surplus/8/(datagram+headers), stop)
		sent <- err
	}()
	var first, last time.Time
	n := 0
	b := make([]byte, datagram)
	c.SetReadDeadline(stop)
	for begin := time.Now(); ; {
		if _, err := c.Read(b); err != nil {
			break // the deadline, or the sender fails as well
		}
		last = time.Now()
		if last.Sub(begin) < settling {
			first = last
			continue
		}
		n++
	}
	if err := <-sent; err != nil {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, errors.New("nothing has arrived")
	}
	return float64(n*(datagram+headers)*8) / last.Sub(first).Seconds(), n, nil
}

// pace sends datagrams at a number per second until a time.
func pace(c *net.UDPConn, size int, perSecond float64, stop time.Time) (n int, err error) {
	b := make([]byte, size)
	for begin := time.Now(); time.Now().Before(stop); {
		for due := int(time.Since(begin).Seconds() * perSecond); n < due; n++ {
			if _, err := c.Write(b); err != nil {
				return n, err
			}
		}
		time.Sleep(time.Millisecond)
	}
	return n, nil
}

// leastPings is the least number of pings.
const leastPings = 5

// delayOf returns the median time of a round trip in seconds.
func delayOf(c *net.UDPConn, duration time.Duration) (float64, int, error) {
	var times []float64
	b := make([]byte, 64)
	for begin := time.Now(); time.Since(begin) < duration || len(times) < leastPings; {
		sent := time.Now()
		if _, err := c.Write(b); err != nil {
			return 0, 0, err
		}
		c.SetReadDeadline(sent.Add(5 * time.Second))
		if _, err := c.Read(b); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(sent).Seconds())
	}
	slices.Sort(times)
	return times[len(times)/2], len(times), nil
}

// lossOf returns the share of datagrams that do not come back.
func lossOf(c *net.UDPConn, duration time.Duration) (float64, int, error) {
	stop := time.Now().Add(duration)
	came := make(chan int, 1)
	go func() {
		n := 0
		for b := make([]byte, 64); ; {
			c.SetReadDeadline(time.Now().Add(pause))
			if _, err := c.Read(b); err == nil {
				n++
			} else if time.Now().After(stop.Add(pause)) {
				came <- n
				return
			}
		}
	}()
	n, err := pace(c, 64, lossRate, stop)
	arrived := <-came
	if err == nil && n == 0 {
		err = errors.New("nothing was sent")
	}
	return 1 - float64(arrived)/float64(max(n, 1)), n, err
}
