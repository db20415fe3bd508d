//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"minitcp/tun"
)

// Config describes a sandbox.
type Config struct {
	// Init is the subcommand of this program that calls [Init].
	Init string
	// Command is the command with its arguments. It gets the standard streams, the environment, the working directory,
	// the terminal and the inherited descriptors of this process.
	Command []string
	// MTU is the size in bytes of the largest IP packet on the TUN.
	MTU int
	// Addresses are the addresses of the TUN inside. Those of IPv6 are left out if the system has no IPv6.
	Addresses []netip.Prefix
	// ResolvConf is the content of the command's /etc/resolv.conf. Default: that of the host.
	ResolvConf string
}

// deviceName is the name of the TUN inside.
const deviceName = "mini0"

// Sandbox is a command in namespaces of its own.
type Sandbox struct {
	command   string
	link      *link
	device    *tun.Device
	addresses []netip.Prefix
	ended     chan error // the end of Init

	// Stopped receives a value when a signal has stopped the command.
	Stopped chan struct{}
}

// Start makes the namespaces and the TUN. The command starts with [Sandbox.Run].
func Start(cfg Config) (*Sandbox, error) {
	path, err := FindCommand(cfg.Command[0])
	if err != nil {
		return nil, err
	}
	own, child, err := newLink()
	if err != nil {
		return nil, err
	}
	s := &Sandbox{command: cfg.Command[0], link: own, ended: make(chan error, 1), Stopped: make(chan struct{}, 1)}
	if err := s.startInit(cfg, path, child); err != nil {
		own.socket.Close()
		return nil, err
	}
	if err := s.receiveDevice(cfg); err != nil {
		own.socket.Close() // ends Init
		<-s.ended
		return nil, err
	}
	return s, nil
}

// startInit starts the child, to which it passes its end of the link. The child inherits every descriptor without
// FD_CLOEXEC under its own number: this process has inherited them for the command.
func (s *Sandbox) startInit(cfg Config, path string, child *os.File) error {
	defer child.Close()
	fd := int(child.Fd())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		return err
	}
	arguments := append([]string{os.Args[0], cfg.Init, strconv.Itoa(fd), path}, cfg.Command...)
	cmd := &exec.Cmd{
		Path:  "/proc/self/exe",
		Args:  arguments,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: namespaces(),
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the kernel sends Pdeathsig when this thread ends
		err := cmd.Start()
		started <- err
		if err == nil {
			s.ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) {
			return Forbidden(err)
		}
		return fmt.Errorf("cannot start a process in its own namespaces: %w", err)
	}
	return nil
}

// receiveDevice exchanges the first messages with Init, and makes the Device of the TUN.
func (s *Sandbox) receiveDevice(cfg Config) error {
	err := s.link.send(order{Setup: &setup{MTU: cfg.MTU, Addresses: cfg.Addresses, ResolvConf: cfg.ResolvConf}}, nil)
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	var n notice
	fd, err := s.link.receive(&n)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the process in the sandbox has ended before the network was ready")
	case err != nil:
		return err
	case n.Failure != "":
		return errors.New(n.Failure)
	case fd < 0:
		return errors.New("the process in the sandbox has passed no device")
	}
	s.addresses = n.Addresses
	s.device, err = tun.Adopt(fd, tun.Config{Name: deviceName, MTU: cfg.MTU, HostAddresses: n.Addresses})
	return err
}

// Device returns the TUN. Closing it is up to the caller.
func (s *Sandbox) Device() *tun.Device { return s.device }

// Addresses returns the addresses of the TUN inside.
func (s *Sandbox) Addresses() []netip.Prefix { return s.addresses }

// Run starts the command and waits until it has ended. It returns the command's exit status, 128 plus the number of the
// signal that ended it, or a [*CommandError] if it did not start. The other processes inside have ended, too; the
// kernel's TCP inside stays until Close, so that data that the command has written can still leave.
func (s *Sandbox) Run() (status int, err error) {
	if err := s.link.send(order{Run: true}, nil); err != nil && !errors.Is(err, syscall.EPIPE) {
		return 0, err
	}
	for {
		var n notice
		_, err := s.link.receive(&n)
		switch {
		case errors.Is(err, io.EOF):
			return statusSignal + int(syscall.SIGKILL), errors.New("the process in the sandbox was killed, and with it the command")
		case err != nil:
			return 0, err
		case n.Failure != "":
			return 0, &CommandError{Command: s.command, Status: n.Status, Err: errors.New(n.Failure)}
		case n.Ended:
			return n.Status, nil
		case n.Stopped:
			select {
			case s.Stopped <- struct{}{}:
			default:
			}
		}
	}
}

// Signal sends a signal to the command: when it has started, if it has not yet. It does nothing after its end.
func (s *Sandbox) Signal(signal syscall.Signal) { s.link.send(order{Signal: signal}, nil) }

// Close ends every process inside and removes the namespaces.
func (s *Sandbox) Close() error {
	s.link.socket.Close() // ends Init
	err := <-s.ended
	s.ended <- err
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil // Run has returned the status
	}
	return err
}
