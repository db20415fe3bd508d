// Package pcap writes the packets of a stack's device to a pcapng file, which tcpdump and Wireshark open.
//
//	c, err := pcap.Create(pcap.Config{Path: "mini.pcapng", Interface: "mini0"})
//	s, err := stack.New(device, stack.Config{Tap: c.Tap, …})
//	…
//	s.Close()
//	err = c.Close()
//
// Every packet has the form that it would have on a wire: without the virtio_net_hdr, and with the checksum that was
// left to the device. The file also has its direction and, as a comment, the state of the connection: before an
// arriving packet was processed, or when a packet was sent, or "no connection". The filter of Wireshark for the comment
// is frame.comment. A superframe is one packet of up to 64 KB unless Config.Superframes is Cut.
//
// Times are nanoseconds of the wall clock at the start of the capture, and from then on follow the clock of the stack.
// An arriving packet has the time at which its batch was read, so that a packet sent meanwhile may precede it in the
// file with a later time.
//
// With Config.Output, the packets go to a Writer instead of a file. [stack.Stack.Observe] attaches a Capture to a stack
// that runs already.
//
// Tap copies the packet and never waits. Packets for which the queue has no room are missing from the file, and only
// there. The first packet after a gap has the number of missing ones, and the statistics at the end of the file the
// total.
//
// The source: capture.go has the API, and queue.go the queue to the goroutine that writes. filter.go selects packets,
// section.go and rotation.go write the files, and packet.go and cut.go encode a frame.
package pcap
