//go:build linux

// Package privileges gives up the capabilities of this process.
package privileges

import (
	"fmt"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Keep gives up all capabilities of the process except some, on every thread, and sets no_new_privs. Those that the
// process does not have are not added.
//
// The bounding set stays as it is. It limits the capabilities that execve adds, and with no_new_privs execve adds none.
// Each capability that leaves it costs a system call on every thread, which together take longer than the rest of the
// start of a daemon.
func Keep(capabilities ...int) error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot set no_new_privs: %w", err)
	}
	old, kept := cap.GetProc(), cap.NewSet()
	for _, c := range capabilities {
		v := cap.Value(c)
		if has, err := old.GetFlag(cap.Permitted, v); err != nil || !has {
			continue
		}
		for _, set := range []cap.Flag{cap.Permitted, cap.Effective} {
			if err := kept.SetFlag(set, true, v); err != nil {
				return err
			}
		}
	}
	if err := kept.SetProc(); err != nil { // with the inheritable set, the ambient set becomes empty, too
		return fmt.Errorf("cannot give up capabilities: %w", err)
	}
	return nil
}
