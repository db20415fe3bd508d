//go:build linux

package sandbox

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

// The error of forbidden namespaces has the setting that forbids them, and the command that permits them.
func TestForbidden(t *testing.T) {
	for _, test := range []struct{ path, value, want string }{
		{"/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=10000"},
		{"/proc/sys/user/max_pid_namespaces", "0", "sysctl -w user.max_pid_namespaces=10000"},
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0", "(operation not permitted); run as root, in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN"},
	} {
		err := forbidden(syscall.EPERM, func(path string) string {
			if path == test.path {
				return test.value
			}
			return ""
		})
		if !strings.HasSuffix(err.Error(), test.want) || !errors.Is(err, syscall.EPERM) {
			t.Errorf("%s = %s: %v, want %q", test.path, test.value, err, test.want)
		}
	}
}
