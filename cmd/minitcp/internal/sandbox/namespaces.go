//go:build linux

package sandbox

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces returns the attributes of a process with namespaces of its own. A process without CAP_SYS_ADMIN gets a
// user namespace, too, in which it has the same user and group. The capabilities that Init needs are ambient there,
// because exec takes all others from a user other than root.
func namespaces() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if has(unix.CAP_SYS_ADMIN) && has(unix.CAP_NET_ADMIN) {
		return a
	}
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN}
	return a
}

// has reports whether this process has a capability.
func has(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return err == nil && data[capability/32].Effective&(1<<(capability%32)) != 0
}

// Forbidden returns err, the failure to make namespaces or to use them, with the setting that forbids it. The kernel's
// error does not name the setting.
func Forbidden(err error) error {
	return forbidden(err, func(path string) string {
		value, _ := os.ReadFile(path)
		return strings.TrimSpace(string(value))
	})
}

// forbidden implements Forbidden with read, which returns the value of a setting, "" if the system does not have it.
func forbidden(err error, read func(path string) string) error {
	reason := "; run as root, in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"
	for _, setting := range []struct{ path, bad, good string }{
		{"user/max_user_namespaces", "0", "10000"},
		{"user/max_net_namespaces", "0", "10000"},
		{"user/max_mnt_namespaces", "0", "10000"},
		{"user/max_pid_namespaces", "0", "10000"},
		{"kernel/unprivileged_userns_clone", "0", "1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "0"},
	} {
		path := "/proc/sys/" + setting.path
		if read(path) == setting.bad {
			reason = fmt.Sprintf("; %s is %s: run as root, or permit it as root with: sysctl -w %s=%s",
				path, setting.bad, strings.ReplaceAll(setting.path, "/", "."), setting.good)
			break
		}
	}
	return fmt.Errorf("no permission to make a network device, nor a user namespace for it (%w)%s", err, reason)
}
