//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"minitcp/cmd/minitcp/internal/privileges"
	"minitcp/cmd/minitcp/internal/sandbox"
)

const (
	tunDriver = "/dev/net/tun"
	// privateMark is set in the environment of the process that runs in private namespaces, so that it does not create
	// more.
	privateMark = "MINITCP_PRIVATE_NAMESPACE"
)

// isPrivate reports whether this process runs in a user and a network namespace that withPrivilege created for it.
func isPrivate() bool { return os.Getenv(privateMark) != "" }

// withPrivilege calls action if this process may create network devices. Otherwise it runs the program again, with the
// same arguments, in a new user namespace and network namespace, where it may; see user_namespaces(7).
func withPrivilege(action func() error) error {
	switch {
	case isPrivate():
		// The terminal sends SIGINT to both processes, and the parent forwards it as SIGTERM.
		signal.Ignore(syscall.SIGINT)
		if err := loopbackUp(); err != nil {
			return err
		}
		return action()
	case mayConfigure() || !mayOpenDriver():
		return action() // without the driver, a namespace does not help; package tun returns the error
	}
	return inPrivateNamespace()
}

// mayConfigure reports whether this process has CAP_NET_ADMIN.
func mayConfigure() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
}

// mayOpenDriver reports whether this process may open the TUN driver.
func mayOpenDriver() bool {
	f, err := os.OpenFile(tunDriver, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// inPrivateNamespace runs the program in new namespaces and returns its exit status as an error.
func inPrivateNamespace() error {
	runtime.LockOSThread() // the kernel sends the child Pdeathsig when this thread ends
	defer runtime.UnlockOSThread()

	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.Env = append(os.Environ(), privateMark+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGTERM,
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endSignals()...)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return sandbox.Forbidden(err)
	}
	go func() {
		for range signals {
			child.Process.Signal(syscall.SIGTERM) // fails after the child has ended; Wait reports that
		}
	}()
	err := child.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			return fmt.Errorf("a signal ended the process in the private namespace: %v", status.Signal())
		}
		return exitStatus(exit.ExitCode())
	}
	return err
}

// loopbackUp enables the private namespace's loopback device.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("no permission to configure the private network namespace (%w); the system restricts user namespaces: run as root", err)
	}
	return nil
}

// confine gives up the privileges that this process needs no more when its device is open, its sockets listen and its
// routes are set. The flags determine those that it keeps, with the given ones; see capabilities(7).
func (f *deviceFlags) confine(more ...int) error {
	keep := append(more, f.capture.capabilities()...)
	if f.netns != "" {
		keep = append(keep, unix.CAP_SYS_ADMIN) // to enter the namespace, and to remove it
	}
	return privileges.Keep(keep...)
}

// capabilities returns those that a capture needs while it runs. Without CAP_DAC_OVERRIDE, root may not begin a new
// file in the directory of another user.
func (f *captureFlags) capabilities() []int {
	if f.size > 0 {
		return []int{unix.CAP_DAC_OVERRIDE}
	}
	return nil
}

// capabilities returns those that the services need to reach the files of other users, as root does.
func (o *serveOptions) capabilities() []int {
	switch {
	case o.upload.allowed:
		return []int{unix.CAP_DAC_OVERRIDE}
	case o.listen.first(filesService) != 0:
		return []int{unix.CAP_DAC_READ_SEARCH}
	}
	return nil
}

// capabilities returns those that a gateway needs for new sockets, and to remove its routing rules.
func (o *gatewayOptions) capabilities() (list []int) {
	if o.sockets.mark != 0 || o.autoRoute {
		list = append(list, unix.CAP_NET_ADMIN)
	}
	if o.sockets.device != "" {
		list = append(list, unix.CAP_NET_RAW) // Linux before 5.7
	}
	return list
}

// checkNetNS returns an error for --netns without the privilege to use named network namespaces.
func (f *deviceFlags) checkNetNS() error {
	switch {
	case f.netns == "":
	case isPrivate(), !mayConfigure():
		return fmt.Errorf("--netns %s: only root may use named network namespaces; run as root, or omit --netns for a private one", f.netns)
	}
	return nil
}

// prefix returns the words to put before a command so that it runs in the device's network namespace, "" if that is the
// process's own.
func (f *deviceFlags) prefix() string {
	switch {
	case f.netns != "":
		return "ip netns exec " + f.netns + " "
	case isPrivate():
		return "nsenter -t " + strconv.Itoa(os.Getpid()) + " -U -n --preserve-credentials "
	}
	return ""
}
