// Package emulator is a link with a rate, a delay, a queue and faults between two network namespaces. It does the
// work of Linux's netem, which not every kernel has.
//
//	trace       a line whose rate varies
//	direction   one way: the fate of a packet. It is pure: the time is an argument
//	transit     packets on their way, the next to arrive first
//	observer    counts segments that were sent before, in the same way for every TCP
//	link        two directions between two TUNs, moved by one thread
//	device      a TUN with single packets, not superframes
package emulator
