package tun

import (
	"errors"
	"strings"
	"syscall"
)

// A Reason is the kind of an [Error]. It is an error itself, for errors.Is(err, tun.ErrBusy).
type Reason uint8

// What can be wrong.
const (
	ErrNoDriver     Reason = iota + 1 // there is no /dev/net/tun
	ErrPermission                     // a privilege is missing
	ErrBusy                           // the device's name is taken
	ErrName                           // the name of the device or namespace cannot be one
	ErrMTU                            // the MTU is out of range
	ErrTxQueueLen                     // the queue length is out of range
	ErrQueues                         // the number of queues is out of range
	ErrAddress                        // an address cannot be a host's
	ErrAddressInUse                   // an address or its network is on another device
	ErrNoIPv6                         // the kernel was built or told to have no IPv6
	ErrNamespace                      // the namespace cannot be made or entered
	ErrKernel                         // the kernel refused for a reason of its own: see Error.Err
)

var reasons = [...]string{
	ErrNoDriver:     "no TUN driver",
	ErrPermission:   "privilege missing",
	ErrBusy:         "device busy",
	ErrName:         "bad name",
	ErrMTU:          "bad MTU",
	ErrTxQueueLen:   "bad queue length",
	ErrQueues:       "bad number of queues",
	ErrAddress:      "bad address",
	ErrAddressInUse: "address in use",
	ErrNoIPv6:       "no IPv6",
	ErrNamespace:    "namespace unusable",
	ErrKernel:       "refused by the kernel",
}

// Error names the reason in two or three words.
func (r Reason) Error() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return "tun: " + reasons[r]
	}
	return "tun: unknown reason"
}

// Error says why a device or namespace could not be had, and what to do about it. Its text is one line.
type Error struct {
	Subject string // the device, namespace or file it is about
	Reason  Reason // its kind
	Problem string // what is wrong
	Advice  string // what to do; may be empty
	Err     error  // what the kernel said; may be nil
}

// Error joins the parts to one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("tun: ")
	if e.Subject != "" {
		b.WriteString(e.Subject + ": ")
	}
	b.WriteString(e.Problem)
	if e.Err != nil {
		b.WriteString(" (" + e.Err.Error() + ")")
	}
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// Unwrap lets errors.Is find the Reason as well as what the kernel said, for instance os.ErrPermission.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// A FrameError says why one frame could not be sent. The frame is lost, as on any network, and the device goes on.
// It holds the kernel's number, which errors.Is finds: syscall.ENOBUFS, EAGAIN or ENOMEM when memory or the queue was
// short, EIO while the device is down, EMSGSIZE or EINVAL when no such frame can be sent.
type FrameError syscall.Errno

// Error says it in words.
func (e FrameError) Error() string { return "tun: frame lost: " + syscall.Errno(e).Error() }

// Unwrap returns the kernel's number as a syscall.Errno.
func (e FrameError) Unwrap() error { return syscall.Errno(e) }

var (
	// ErrGone is what a [Device] says that somebody else has deleted. It will not come back.
	ErrGone = errors.New("tun: the device was deleted by somebody else")
	// ErrNeedsOffload is what an [Adapter] says to a frame that it would have to complete or cut. The frame is lost.
	ErrNeedsOffload = errors.New("tun: frame lost: the device takes only finished packets")

	errBatch = errors.New("tun: ReadBatch without room for a frame")
)
