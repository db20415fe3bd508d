//go:build linux

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// order is a message to Init. The first one holds Setup, the second one Run.
type order struct {
	Setup  *setup         `json:",omitempty"`
	Run    bool           `json:",omitempty"`
	Signal syscall.Signal `json:",omitempty"` // for the command
}

// setup describes the inside of the sandbox.
type setup struct {
	MTU        int
	Addresses  []netip.Prefix // of the TUN
	ResolvConf string         // content of /etc/resolv.conf; "" leaves the file as it is
}

// notice is a message from Init. The first one has the descriptor of the TUN with it, unless it holds Failure.
type notice struct {
	Failure   string         `json:",omitempty"` // the text of the error that ends Init
	Addresses []netip.Prefix `json:",omitempty"` // of the TUN
	Stopped   bool           `json:",omitempty"` // a signal has stopped the command
	Ended     bool           `json:",omitempty"` // the command has ended, and every other process inside
	Status    int            `json:",omitempty"` // exit status of the command, or in place of one
}

// link is one end of the socket between both sides. The socket preserves the boundaries of messages.
type link struct{ socket *net.UnixConn }

// newLink returns both ends of a socket. The second one is the descriptor for the child, which inherits it.
func newLink() (*link, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socket pair: %w", err)
	}
	child := os.NewFile(uintptr(pair[1]), "socket to the parent")
	own, err := openLink(pair[0])
	if err != nil {
		child.Close()
	}
	return own, child, err
}

// openLink returns the link on a descriptor, which it takes over.
func openLink(fd int) (*link, error) {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	c, err := net.FileConn(file) // duplicates the descriptor, with FD_CLOEXEC
	if err != nil {
		return nil, err
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("descriptor %d is a %v socket, not a Unix socket", fd, c.LocalAddr().Network())
	}
	return &link{socket}, nil
}

// maxMessage is the size limit of a message in bytes: an /etc/resolv.conf with many comments fits.
const maxMessage = 64 << 10

// send sends a message, with a descriptor unless file is nil.
func (l *link) send(message any, file *os.File) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("a message of %d bytes is larger than %d", len(b), maxMessage)
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	_, _, err = l.socket.WriteMsgUnix(b, rights, nil)
	return err
}

// receive waits for a message and returns the descriptor with it, or -1. The error is io.EOF if the other side has
// ended.
func (l *link) receive(message any) (fd int, err error) {
	b, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := l.socket.ReadMsgUnix(b, oob)
	switch {
	case errors.Is(err, syscall.ECONNRESET), err == nil && n == 0:
		return -1, io.EOF
	case err != nil:
		return -1, err
	}
	fd = receivedFD(oob[:oobn])
	return fd, json.Unmarshal(b[:n], message)
}

// receivedFD returns the descriptor in the control data of a message, or -1.
func receivedFD(oob []byte) int {
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(list) != 1 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&list[0])
	if err != nil || len(fds) != 1 {
		return -1
	}
	return fds[0]
}
