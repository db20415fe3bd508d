package tun

import (
	"errors"
	"strings"
	"syscall"
)

// A Reason is the kind of an [Error]. It is an error itself, for errors.Is(err, tun.ErrBusy).
type Reason uint8

// The reasons of an Error.
const (
	ErrNoDriver     Reason = iota + 1 // /dev/net/tun does not exist
	ErrPermission                     // a privilege is missing
	ErrBusy                           // a device of this name exists
	ErrName                           // the name of the device or namespace is invalid
	ErrMTU                            // the MTU is out of range
	ErrTxQueueLen                     // the queue length is out of range
	ErrQueues                         // the number of queues is out of range
	ErrAddress                        // an address is not a host's
	ErrAddressInUse                   // an address or its network is on another device
	ErrNoIPv6                         // the kernel has no IPv6, or it is disabled
	ErrNamespace                      // the namespace cannot be made, opened or entered
	ErrKernel                         // the kernel refused for another reason: see Error.Err
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

// Error returns the reason in two or three words.
func (r Reason) Error() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return "tun: " + reasons[r]
	}
	return "tun: unknown reason"
}

// Error is the error of a device or namespace that cannot be opened or used. Its text is one line.
type Error struct {
	Subject string // the device, namespace or file concerned
	Reason  Reason // the kind of error
	Problem string // the problem in a few words
	Advice  string // the remedy; may be empty
	Err     error  // the kernel's error; may be nil
}

// Error returns the parts in one line.
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

// Unwrap returns the Reason and the kernel's error, so that errors.Is finds either, for instance os.ErrPermission.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// A FrameError is the error of one frame that could not be sent. The frame is lost, as on any network, and the device
// continues to work. The value is the kernel's errno, which errors.Is finds: syscall.ENOBUFS, EAGAIN or ENOMEM if the
// queue was full or memory was short, EIO while the device is down, EMSGSIZE or EINVAL if the frame is invalid.
type FrameError syscall.Errno

// Error returns the text of the errno.
func (e FrameError) Error() string { return "tun: frame lost: " + syscall.Errno(e).Error() }

// Unwrap returns the errno as a syscall.Errno.
func (e FrameError) Unwrap() error { return syscall.Errno(e) }

var (
	// ErrGone is the error of a [Device] that another program has deleted. It is permanent.
	ErrGone = errors.New("tun: the device was deleted by another program")
	// ErrNeedsOffload is the error of an [Adapter] for a superframe or a partial checksum. The frame is lost.
	ErrNeedsOffload = errors.New("tun: frame lost: the device accepts neither superframes nor partial checksums")

	errBatch = errors.New("tun: ReadBatch: no buffer for a frame")
)
