//go:build linux

// Command minitcp runs TCP in user space on a TUN device: as a daemon with a few services (serve), as one connection
// (nc), and as a lesson (demo).
//
// # Files
//
//	main, root, errors   the command line; one line and an exit status for what goes wrong
//	privilege            what a device needs, and how to have it without root
//	device, addresses    the flags of a device, and the stack on it
//	signals              one to end, a second to end at once
//	serve, listen        the daemon, and what it offers where; hints: what to try
//	services, streams    echo, discard, daytime, chargen; web: http; files, uploads: files:DIR
//	nc                   one connection between stdin and stdout
//	demo                 the demonstration; see package demo
//	trace, log, capture  output while it runs; private: the mode of its files
//	version              which minitcp this is
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A closed stdout is an error of that file, after which the device and the namespace still want to be removed.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}
