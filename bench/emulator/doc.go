// Package emulator is an emulated link between two network namespaces, for the benchmarks. It does the work of Linux's
// netem, which not every kernel has. Package emulate emulates the link itself.
//
//	link        a link between two TUNs, and its measurements
//	observer    counts segments that were sent before, in the same way for every TCP
package emulator
