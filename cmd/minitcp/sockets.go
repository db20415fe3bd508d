//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketFlags holds the options of the gateway's sockets.
type socketFlags struct {
	mark   uint32
	device string
}

// control returns the function that sets the options of a socket, nil without any.
func (f socketFlags) control() func(network, address string, c syscall.RawConn) error {
	if f == (socketFlags{}) {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = f.set(int(fd)) })
		return errors.Join(err, failed)
	}
}

func (f socketFlags) set(fd int) error {
	if f.mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(int32(f.mark))); err != nil {
			return fmt.Errorf("--mark %d: %w", f.mark, err)
		}
	}
	if f.device != "" {
		if err := unix.BindToDevice(fd, f.device); err != nil {
			return fmt.Errorf("--interface %s: %w", f.device, err)
		}
	}
	return nil
}

// try makes a socket with the options, closes it, and returns the error.
func (f socketFlags) try() error {
	if f.device != "" {
		if _, err := net.InterfaceByName(f.device); err != nil {
			return fmt.Errorf("--interface %s: there is no such network interface", f.device)
		}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := f.set(fd); err != nil {
		return fmt.Errorf("%w; it needs root", err)
	}
	return nil
}
