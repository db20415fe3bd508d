// Package pcap writes what passes a stack's device to a pcapng file, which tcpdump and Wireshark open.
//
//	c, err := pcap.Create(pcap.Config{Path: "mini.pcapng", Interface: "mini0"})
//	s, err := stack.New(device, stack.Config{Tap: c.Tap, …})
//	…
//	s.Close()
//	err = c.Close()
//
// Every packet is in the file as a wire would have carried it: the virtio_net_hdr is gone, and a checksum that was left
// to the device is filled in. With it are the direction, and as a comment our state of the connection: before an
// arriving packet was looked at, and when a leaving one was sent; "no connection" when there was none. Wireshark's
// filter for it is frame.comment. A superframe is one packet of up to 64 KB, as it was, unless the Config asks for the
// segments it stands for.
//
// Times are the wall clock's when the capture began, from where on they follow the stack's own clock, in nanoseconds. What
// arrives bears the time its batch was read, so that a packet that was sent meanwhile may be before it in the file with a
// later time.
//
// Tap copies and never waits. What the file cannot take in time is lost to it, though not to the network: the packet
// after a gap bears the number of those before it that are missing, and so do the statistics at the file's end.
//
// To read it: capture.go is what the stack calls, queue.go lies between it and the goroutine that writes; filter.go
// chooses; section.go and rotation.go are the file, packet.go and cut.go what becomes of a frame in it.
package pcap
