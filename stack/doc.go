// Package stack puts many TCP connections on one device: it finds the connection a frame belongs to, brings the clock
// and the locks, wakes whoever waits, answers for ports nobody listens on, and offers it all in the shape of package
// net.
//
// It knows no TCP rules; those are package conn's. What it does to a connection is always the same, whoever the caller
// is (the end of a batch of frames, an application's call, a timer, an ICMP error):
//
//	lock the entry
//	one call of Receive, Read, Write, Close, Advance, …
//	flush: drain Transmit into frames, arm the timer for Deadline, wake the calls that Ready now permits
//	unlock
//
// No packet changes goroutine: frames are read, parsed and answered on the goroutine that reads the device; an application's
// data leaves on the application's own, and what a call may not send at once on the timer's.
//
// # Locks
//
// An entry's lock guards its connection. It is held during one call of package conn, with the copy of up to 64 KiB from or to
// the application, and during the settling that follows: Config.Trace, Config.Tap and the device's WriteFrame are called with
// it held, so that the frames of a connection leave in order. None of the three may block. Settling sends at most 16 frames
// while the lock is held once. A goroutine never waits for an application with a lock held, and never has two entries locked.
//
// The other locks are held for a few operations in memory each. A goroutine with an entry's lock may take any one of them: a
// listener's, the one of the registry of listeners (to look up a port), a shard of the table, a wheel's, a forwarder's, and
// those of the lists of early data, of entries in TIME-WAIT and of entries that wait for a Pusher. A goroutine with one of these takes no other, except that
// resizing the table locks all of its shards, in the order of their numbers.
//
// Who wants no goroutine for each connection gives them a [Handler], which is called where the packets are read.
//
// A stack runs until [Stack.Close], [Stack.Shutdown] or the end of its device; [Stack.Done] and [Stack.Err] report the end.
//
// To read it, begin with flush.go, then input.go and receive.go (what arrives), output.go and big.go (what leaves), frames.go
// and pages.go (memory), early.go (data beyond a gap), timewait.go (entries in TIME-WAIT), netconn.go and half.go (the application), handler.go (one without
// goroutines), dial.go and listener.go (how connections begin), stray.go and limit.go (segments without a connection),
// abandon.go (connections without Close), near.go (peers on this machine), end.go (how the stack ends),
// link.go (devices that deliver packets themselves).
// table.go and wheel.go stand alone.
package stack
