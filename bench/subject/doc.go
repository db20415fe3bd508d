// Package subject is the process under test: a server on one of the TCPs that are compared. The benchmark runs it as a
// child, so that what it uses of CPU and memory can be told from what the client uses, and asks it for figures on its
// standard input; at the end of that it exits.
//
// All targets but the floor run the same four services, written against net.Conn as a Go program would be.
//
//	targets    what there is to compare
//	main       the child's side of the pipe; process: the parent's
//	services   sink, source, echo, hold; counters: what is asked for
//	minitcp, gvisor, shipped, kernel, floor…   a target each; link: gVisor at its best, on our device
//	paths      the targets at the end of emulated links
//	device     a TUN for targets that do not use package tun
package subject
