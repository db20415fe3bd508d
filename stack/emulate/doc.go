// Package emulate puts a [stack.Device] behind an emulated link: rate, queue, delay, jitter, losses, reordering,
// duplication and corruption, in real time. Package netem decides the fate of each packet; this package holds the
// packets until their time has come.
//
//	device.go     Device: the two directions around a device
//	direction.go  direction: the packets of one direction that are on their way
//	writer.go     writer: packets to the device, joined to superframes
//	memory.go     memory: buffers of packets
//	wait.go       waiting for the next packet; sleep_linux.go, sleep_other.go: its last part
package emulate
