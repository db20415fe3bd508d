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
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	tunDriver = "/dev/net/tun"
	// privateMark is in the environment of the process that runs in private namespaces, so that it does not make more.
	privateMark = "MINITCP_PRIVATE_NAMESPACE"
)

// isPrivate reports whether this process is alone in a user and a network namespace that withPrivilege made.
func isPrivate() bool { return os.Getenv(privateMark) != "" }

// withPrivilege calls action if this process may make network devices. If it may not, the program is run once more in
// a user namespace and a network namespace of its own, where it may, with the same arguments; see user_namespaces(7).
func withPrivilege(action func() error) error {
	switch {
	case isPrivate():
		// The terminal sends ^C to both processes, and the other one passes it on as SIGTERM.
		signal.Ignore(syscall.SIGINT)
		if err := loopbackUp(); err != nil {
			return err
		}
		return action()
	case mayConfigure() || !mayOpenDriver():
		return action() // without the driver nothing helps; package tun knows what to say
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

func mayOpenDriver() bool {
	f, err := os.OpenFile(tunDriver, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// inPrivateNamespace runs the program in new namespaces and ends as it ends.
func inPrivateNamespace() error {
	runtime.LockOSThread() // the child's Pdeathsig is about this thread
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
		return namespaceError(err)
	}
	go func() {
		for range signals {
			child.Process.Signal(syscall.SIGTERM) // fails when it has ended, which Wait will say
		}
	}()
	err := child.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
			return fmt.Errorf("the process in the private namespace was ended by: %v", status.Signal())
		}
		return exitStatus(exit.ExitCode())
	}
	return err
}

// namespaceError says why there is no private namespace. The kernel's own answer does not tell.
func namespaceError(err error) error {
	reason := ""
	for _, setting := range []struct{ path, bad, advice string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"},
		{"/proc/sys/user/max_net_namespaces", "0", "sysctl -w user.max_net_namespaces=10000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if value, _ := os.ReadFile(setting.path); strings.TrimSpace(string(value)) == setting.bad {
			reason = fmt.Sprintf("; %s is %s: run as root, or as root permit it with: %s", setting.path, setting.bad, setting.advice)
			break
		}
	}
	if reason == "" {
		reason = "; run as root, or with CAP_NET_ADMIN"
	}
	return fmt.Errorf("no right to make a network device, nor a user namespace to have it in (%w)%s", err, reason)
}

// loopbackUp lets the private namespace talk to itself.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("no right to configure the private network namespace (%w); the system restricts user namespaces: run as root", err)
	}
	return nil
}

// checkNetNS refuses --netns to those who cannot have it.
func (f *deviceFlags) checkNetNS() error {
	switch {
	case f.netns == "":
	case isPrivate(), !mayConfigure():
		return fmt.Errorf("--netns %s: only root may use named network namespaces; run as root, or leave --netns out for a private one", f.netns)
	}
	return nil
}

// prefix is what goes before a command so that it runs where the device is; "" when it is here.
func (f *deviceFlags) prefix() string {
	switch {
	case f.netns != "":
		return "ip netns exec " + f.netns + " "
	case isPrivate():
		return "nsenter -t " + strconv.Itoa(os.Getpid()) + " -U -n --preserve-credentials "
	}
	return ""
}
