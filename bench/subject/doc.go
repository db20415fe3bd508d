// Package subject is the process under test: a server on one of the TCPs that are compared. The benchmark runs it as a
// child, so that its CPU time and memory are apart from the client's. The child reads requests for figures from its
// standard input, and exits at the end of it.
//
// All targets except for the floor and minitcp-inline run the same services, written against net.Conn as a Go program
// would be.
//
//	targets    the TCPs that are compared
//	main       the child's end of the pipe; process: the parent's
//	services   sink, source, echo and others; counters: the figures
//	minitcp, gvisor, shipped, kernel, floor…   one target each; link: the device of gVisor at its best
//	forward…   the program between a client and a server, on each stack
//	paths      the targets at the end of emulated links
//	device     a TUN for targets that do not use package tun
package subject
