//go:build linux

package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"minitcp/conn"
	"minitcp/tun"
)

// sockDiag looks up the kernel's TCP sockets of one network namespace; see sock_diag(7).
type sockDiag struct {
	socket *nl.NetlinkSocket
}

// newSockDiag opens a sockDiag in the namespace, whose loopback device must be up.
func newSockDiag(n *tun.Namespace) (*sockDiag, error) {
	d := new(sockDiag)
	err := n.Do(func() (err error) {
		if d.socket, err = nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_INET_DIAG); err != nil {
			return err
		}
		if err = d.try(); err != nil {
			d.Close()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the states of the kernel's sockets (%w); load the kernel module with: modprobe tcp_diag", err)
	}
	return d, nil
}

// try looks up a socket that exists: without the module for TCP, the kernel reports every socket as missing.
func (d *sockDiag) try() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	found, err := d.find(l.Addr().(*net.TCPAddr).AddrPort(), netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	if err == nil && found.State != conn.Listen {
		err = errors.New("sock_diag does not find a socket that exists")
	}
	return err
}

// Close closes the netlink socket.
func (d *sockDiag) Close() { d.socket.Close() }

// kernelSocket is the kernel's report on a socket.
type kernelSocket struct {
	State          conn.State // CLOSED if there is no such socket
	Unacknowledged int        // bytes written and not acknowledged; a FIN counts as one
}

// find returns the socket with these addresses, of which local is the kernel's. It finds sockets in TIME-WAIT, too.
func (d *sockDiag) find(local, remote netip.AddrPort) (kernelSocket, error) {
	request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, 0)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_INET_DIAG: {Socket: d.socket}}
	request.AddData(inetDiagRequest{local, remote})
	answers, err := request.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	switch {
	case errors.Is(err, unix.ENOENT):
		return kernelSocket{}, nil
	case err != nil:
		return kernelSocket{}, err
	case len(answers) != 1 || len(answers[0]) < inetDiagMessageLen:
		return kernelSocket{}, errors.New("sock_diag sent a reply of unknown form")
	}
	return parseInetDiag(answers[0]), nil
}

// Sizes of inet_diag_req_v2 and inet_diag_msg (linux/inet_diag.h).
const (
	inetDiagRequestLen = 56
	inetDiagMessageLen = 72
)

// inetDiagRequest is an inet_diag_req_v2 for one TCP socket.
type inetDiagRequest struct{ local, remote netip.AddrPort }

func (r inetDiagRequest) Len() int { return inetDiagRequestLen }

func (r inetDiagRequest) Serialize() []byte {
	b := make([]byte, inetDiagRequestLen)
	b[0], b[1] = unix.AF_INET, unix.IPPROTO_TCP
	if r.local.Addr().Is6() {
		b[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(b[4:], ^uint32(0)) // any state
	binary.BigEndian.PutUint16(b[8:], r.local.Port())
	binary.BigEndian.PutUint16(b[10:], r.remote.Port())
	copy(b[12:28], r.local.Addr().AsSlice())
	copy(b[28:44], r.remote.Addr().AsSlice())
	// Interface 0 is any interface. INET_DIAG_NOCOOKIE matches any socket with these addresses.
	binary.NativeEndian.PutUint64(b[48:], ^uint64(0))
	return b
}

// kernelStates maps the kernel's numbers of states to ours (linux/tcp_states.h).
var kernelStates = [...]conn.State{
	1:  conn.Established,
	2:  conn.SynSent,
	3:  conn.SynReceived,
	4:  conn.FinWait1,
	5:  conn.FinWait2,
	6:  conn.TimeWait,
	7:  conn.Closed,
	8:  conn.CloseWait,
	9:  conn.LastAck,
	10: conn.Listen,
	11: conn.Closing,
	12: conn.SynReceived, // TCP_NEW_SYN_RECV: a handshake that has no socket yet
}

// parseInetDiag parses an inet_diag_msg.
func parseInetDiag(b []byte) kernelSocket {
	s := kernelSocket{Unacknowledged: int(binary.NativeEndian.Uint32(b[60:]))}
	if n := int(b[1]); n < len(kernelStates) {
		s.State = kernelStates[n]
	}
	return s
}
