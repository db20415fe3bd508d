//go:build linux

// Package sandbox runs a command in a network of its own, whose only way out is a TUN that the calling process reads.
//
// [Start] makes the namespaces with a child process, which runs this program again and calls [Init]. Init is process 1
// of a PID namespace. It configures the network, passes the descriptor of the TUN to the caller, and starts the command
// when the caller is ready. The kernel removes the namespaces, with their processes, mounts and devices, when Init
// ends. Init ends with the command, and when the caller ends, whatever the cause.
//
// # Files
//
//	sandbox    outside: the child, and the TUN
//	namespaces outside: the choice of namespaces, and the setting that forbids them
//	command    outside: the file of a command, and the exit status if there is none
//	message    the messages between both sides
//	init       inside: process 1
//	network    inside: the loopback device, the TUN, routes
//	mounts     inside: /proc, /etc/resolv.conf
package sandbox
