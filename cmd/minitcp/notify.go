//go:build linux

package main

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify sends a state to the service manager that has started this process, if NOTIFY_SOCKET names its socket; see
// sd_notify(3). A failure is a warning: the daemon works without a service manager.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("cannot notify the service manager", "state", state, "error", err.Error())
	}
}
