//go:build linux

// Refuse runs a command for which the kernel refuses io_uring, as a container's seccomp filter does:
//
//	go run ./scripts/refuse io_uring_setup EPERM go test ./tun/...
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

var calls = map[string]uint32{"io_uring_setup": unix.SYS_IO_URING_SETUP, "io_uring_enter": unix.SYS_IO_URING_ENTER}

var failures = map[string]unix.Errno{"EPERM": unix.EPERM, "ENOSYS": unix.ENOSYS, "EINVAL": unix.EINVAL}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refuse:", err)
		os.Exit(1)
	}
}

// run replaces this process with the command, so it returns only if it fails.
func run(args []string) error {
	if len(args) < 3 || calls[args[0]] == 0 || failures[args[1]] == 0 {
		return fmt.Errorf("usage: refuse io_uring_setup|io_uring_enter EPERM|ENOSYS|EINVAL COMMAND [ARGUMENT...]")
	}
	path, err := exec.LookPath(args[2])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter is the thread's, and execve keeps that of the calling thread
	if err := refuse(calls[args[0]], failures[args[1]]); err != nil {
		return fmt.Errorf("cannot install a seccomp filter: %w", err)
	}
	return fmt.Errorf("%s: %w", path, unix.Exec(path, args[2:], os.Environ()))
}

// refuse makes a system call fail with errno, for this thread and the processes it starts. The numbers of these calls
// are the same on every architecture, so the filter does not check it.
func refuse(call uint32, errno unix.Errno) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // seccomp_data.nr, at offset 0
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
