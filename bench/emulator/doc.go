// Package emulator is a link with a rate, a delay, a queue and faults, between two network namespaces: what Linux's
// netem does in the kernel, where a kernel has it.
//
//	trace       a line whose rate varies
//	direction   one way: what happens to a packet and when. It is pure: the time is an argument
//	transit     packets on their way, the next to arrive first
//	observer    which segments were sent before, seen from outside, for every TCP alike
//	link        two directions between two TUNs, moved by one thread
//	device      a TUN that gives single packets, not superframes
package emulator
