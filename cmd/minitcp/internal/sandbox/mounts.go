//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	resolvConf = "/etc/resolv.conf"
	// scratch is the mount point of a file system while a file on it is bound elsewhere: the directory of the TUN driver,
	// which every system with one has.
	scratch = "/dev/net"
)

// resolverSockets are the sockets of programs that look up names for the C library, outside of the sandbox. Without
// them the C library asks the servers of /etc/resolv.conf.
var resolverSockets = []string{"/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/var/run/nscd/socket"}

// makeMountsPrivate keeps mounts made inside from the host, and mounts the /proc of the PID namespace.
func makeMountsPrivate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return Forbidden(fmt.Errorf("cannot separate the mounts from those of the host: %w", err))
	}
	// Without permission, which a container with a masked /proc refuses, the command sees the /proc of the host. The
	// entries /proc/self and /proc/net are right there as well.
	unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return nil
}

// bindResolver makes content that of /etc/resolv.conf, and hides the sockets of resolverSockets. It does nothing if
// content is "", and leaves out the file if it does not exist.
func bindResolver(content string) error {
	if content == "" {
		return nil
	}
	for _, socket := range resolverSockets {
		if _, err := os.Lstat(socket); err != nil {
			continue
		}
		if err := unix.Mount(os.DevNull, socket, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cannot hide %s: %w", socket, err)
		}
	}
	if _, err := os.Stat(resolvConf); errors.Is(err, os.ErrNotExist) {
		return nil // the C library asks 127.0.0.1, which has no server inside
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("cannot mount a tmpfs on %s: %w", scratch, err)
	}
	file := filepath.Join(scratch, filepath.Base(resolvConf))
	err := os.WriteFile(file, []byte(content), 0o644)
	if err == nil {
		err = os.Chmod(file, 0o644) // whatever the umask
	}
	if err == nil {
		err = unix.Mount(file, resolvConf, "", unix.MS_BIND, "")
	}
	if err != nil {
		err = fmt.Errorf("cannot replace %s: %w", resolvConf, err)
	}
	return errors.Join(err, unix.Unmount(scratch, unix.MNT_DETACH)) // the bound file stays
}
