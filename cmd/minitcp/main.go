//go:build linux

// Command minitcp runs TCP in user space on a TUN device: run runs another program whose network is minitcp, serve is a
// daemon with a few services, gateway forwards traffic, nc is one connection between stdin and stdout, demo is a
// demonstration. Ss and stats show running daemons.
//
// # Files
//
//	main, root, errors   the command line; errors as one line, and the exit status
//	privilege            the privileges that a device needs, and how to obtain them without root; those that a running
//	                     daemon keeps: see package privileges
//	config               the flags from a file; see package config
//	device, addresses    the flags of a device, and the stack on it
//	emulate…             an emulated link between the two: flags, their values, profiles, the summary
//	signals, notify      orderly end at the first signal, immediate end at the second; the service manager
//	run, runsignals      a command in a network of its own; see package sandbox
//	names                the host's name servers for that command
//	publish, published   its ports for the host: the flag and the sockets; the relays
//	gateway, sockets     the forwarder, and the options of its sockets; see package gateway
//	via, autoroute       its ways out, and the routes of a whole host
//	serve, listen        the daemon and its services by port; hints: commands to try
//	services, streams    echo, discard, daytime, chargen; web: http; files, uploads: files:DIR
//	nc                   one connection between stdin and stdout
//	api, ss, stats       the API of a running daemon, and commands that use it; see package control
//	demo                 the demonstration; see package demo
//	trace, log, capture  output while it runs; private: the mode of those files
//	memory               the release of memory after bursts
//	version, man         the version of the build; the manual pages
//	complete             completion in shells
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Catch SIGPIPE so that a closed stdout is an ordinary write error, and the device and the namespace are still
	// removed. The commands that run starts would inherit an ignored signal, but not a caught one.
	if !signal.Ignored(syscall.SIGPIPE) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}
