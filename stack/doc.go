// Package stack puts many TCP connections on one device: it finds the connection a frame belongs to, brings the clock
// and the locks, wakes whoever waits, answers for ports nobody listens on, and offers it all in the shape of package
// net.
//
// It knows no TCP rules; those are package conn's. What it does to a connection is always the same, whoever the caller
// is (the end of a batch of frames, an application's call, a timer, an ICMP error):
//
//	lock the entry
//	one call of Receive, Read, Write, Close, Advance, …
//	settle: drain Transmit into frames, arm the timer for Deadline, wake those who wait for what Ready now says
//	unlock
//
// Nothing blocks while it holds a lock, and no packet changes goroutine: frames are read, parsed and answered on the
// goroutine that reads the device; an application's data leaves on the application's own.
//
// The locks, in the order in which they may be taken: an entry's, then a listener's, then a shard of the table, the
// wheel, the list of early data, the list of entries in TIME-WAIT, or a peer's. Two entries are never locked at once.
//
// Who wants no goroutine for each connection gives them a [Handler], which is called where the packets are read.
//
// A stack runs until [Stack.Close], [Stack.Shutdown] or the end of its device; [Stack.Done] and [Stack.Err] report the end.
//
// To read it, begin with settle.go, then input.go and receive.go (what arrives), output.go and big.go (what leaves), frames.go
// and pages.go (memory), early.go (data beyond a gap), timewait.go (entries in TIME-WAIT), netconn.go and half.go (the application), handler.go (one without
// goroutines), dial.go and listener.go (how connections begin), stray.go and limit.go (segments without a connection),
// abandon.go (connections without Close), near.go (peers on this machine), end.go (how the stack ends).
// table.go and wheel.go stand alone.
package stack
