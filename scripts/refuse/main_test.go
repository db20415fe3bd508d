//go:build linux

package main

import "testing"

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"io_uring_setup", "EPERM"}, {"read", "EPERM", "true"}, {"io_uring_setup", "EIO", "true"}} {
		if err := run(args); err == nil || err.Error()[:6] != "usage:" {
			t.Errorf("%q: %v, want the usage", args, err)
		}
	}
	if err := run([]string{"io_uring_setup", "EPERM", "/does/not/exist"}); err == nil {
		t.Error("no error for a command that does not exist")
	}
}
