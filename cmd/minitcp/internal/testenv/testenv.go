//go:build linux

// Package testenv checks the environment of tests: root and the TUN driver.
package testenv

import (
	"os"
	"testing"
)

// Driver is the path of the TUN driver.
const Driver = "/dev/net/tun"

// RequireDevice ends a test that cannot make namespaces and devices here.
func RequireDevice(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		NotTested(t, "root")
	}
	f, err := os.OpenFile(Driver, os.O_RDWR, 0)
	if err != nil {
		NotTested(t, Driver)
	}
	f.Close()
}

// NotTested ends a test that needs something this machine does not have. With CI=true in the environment the test
// fails, because a skip would hide that nothing was tested. Otherwise it is skipped with a message.
func NotTested(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("NOT TESTED: this test needs", missing)
	}
	t.Skip("NOT TESTED: this test needs", missing)
}
