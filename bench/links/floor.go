//go:build linux

package links

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	floorPort = 5010
	datagram  = 1472 // bytes; with the headers of UDP and IPv4, a packet of the link's MTU
	headers   = 28
)

// floor measures the link with datagrams: the rate at which they arrive when the rate of sending exceeds the link's.
// The ping is measured before.
func (m *measurement) floor(ctx context.Context, s *Sample, warmup, duration time.Duration) error {
	peer, err := m.listen()
	if err != nil {
		return err
	}
	defer peer.Close()
	var socket *net.UDPConn
	err = m.network.Near.Do(func() (err error) {
		socket, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(farAddress.Addr(), floorPort)))
		return err
	})
	if err != nil {
		return err
	}
	defer socket.Close()
	if s.P50, err = ping(socket); err != nil {
		return err
	}
	s.P95 = s.P50
	var received atomic.Int64
	go func() {
		buffer := make([]byte, datagram)
		for {
			n, err := peer.Read(buffer)
			if err != nil {
				return
			}
			received.Add(int64(n + headers))
		}
	}()
	go m.flood(socket)
	if err := m.wait(ctx, warmup); err != nil {
		return err
	}
	begin, start := received.Load(), time.Now()
	if err := m.wait(ctx, duration); err != nil {
		return err
	}
	s.Value = float64(received.Load()-begin) * 8 / 1e6 / time.Since(start).Seconds()
	s.Goodput = []float64{s.Value}
	s.Link = m.network.Link.Report().There
	s.Timeouts, s.Spurious = -1, -1
	return nil
}

// listen opens the peer's socket, with room for bursts.
func (m *measurement) listen() (peer *net.UDPConn, err error) {
	err = m.network.Far.Do(func() (err error) {
		peer, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(farAddress.Addr(), floorPort)))
		return err
	})
	if err == nil {
		err = peer.SetReadBuffer(4 << 20)
	}
	if err != nil {
		return nil, err
	}
	// One datagram comes back, for the ping.
	go func() {
		buffer := make([]byte, 1)
		if _, from, err := peer.ReadFromUDPAddrPort(buffer); err == nil {
			peer.WriteToUDPAddrPort(buffer, from)
		}
	}()
	return peer, nil
}

// ping returns the time of one round trip in milliseconds.
func ping(socket *net.UDPConn) (float64, error) {
	start := time.Now()
	if err := socket.SetReadDeadline(start.Add(5 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := socket.Write([]byte{0}); err != nil {
		return 0, err
	}
	if _, err := socket.Read(make([]byte, 1)); err != nil {
		return 0, errors.New("a ping did not come back")
	}
	return time.Since(start).Seconds() * 1e3, nil
}

// flood sends a fifth more than the rate of the link until the socket is closed.
func (m *measurement) flood(socket *net.UDPConn) {
	packet := make([]byte, datagram)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	sent, start := int64(0), time.Now()
	for now := range tick.C {
		due := int64(1.2 * float64(m.row.path.rate) / 8 * now.Sub(start).Seconds())
		for ; sent < due; sent += datagram + headers {
			if _, err := socket.Write(packet); err != nil {
				return
			}
		}
	}
}
