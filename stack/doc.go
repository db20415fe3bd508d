// Package stack is a TCP/IP stack on one device, with the API of package net. It finds the connection of each packet,
// supplies the clock, the locks and the timers, wakes blocked calls, and answers packets that belong to no connection.
//
// [Stack.Dial] and [Stack.Listen] return TCP connections and listeners, and [Stack.ListenUDP], [Stack.DialUDP] and
// [Stack.ListenPing] return UDP and ping sockets. [Stack.ForwardTCP], [Stack.ForwardUDP] and [Stack.ForwardPing] take
// connections, datagrams and echo requests to other addresses. A [Handler] serves connections without a goroutine for
// each: its methods run on the goroutines that read the device and run the timers.
//
// Keep-alive is on by default, with the values of package net; see [Config]. A stack runs until [Stack.Close],
// [Stack.Shutdown] or the end of its device. [Stack.Done] and [Stack.Err] report the end.
//
// # Structure
//
// The rules of TCP are in package conn. Each of the stack's calls on a connection has the same steps, whether it is
// made for a segment, an application, a timer or an ICMP error:
//
//	lock the entry
//	make one call of package conn: Receive, Read, Write, Close, Advance, …
//	flush: send the segments of Transmit, set the timer to Deadline, wake the calls that Ready permits
//	unlock the entry
//
// For the segments of a batch of frames, the stack flushes each connection once, at the end of the batch.
//
// No packet changes goroutine. The goroutine that reads the device also parses the packets and sends the answers. Data
// of an application leaves on the application's goroutine, and the part that may not be sent at once on the timer's.
//
// # Locks
//
// The lock of an entry guards its connection. It is held during one call of package conn, including the copy of up
// to 64 KiB from or to the application, and during the flush that follows: an Observer and the device's WriteFrame
// are called with it held, so that the frames of a connection leave in order. Neither may block. A flush sends at
// most 16 frames while the lock is held once. A goroutine never waits for an application with a lock held, and never
// has two entries locked.
//
// The other locks are held for a few operations in memory each. A goroutine with an entry's lock may take any one of
// them: that of a listener, of the handshakes that a queue has begun, of a registry of listeners or sockets, of a shard
// of the table, of a wheel, of a forwarder, of a part of the path MTUs of hosts, of the cookies of active opens, and of
// the lists of out-of-order data, of stalled peers, of entries in TIME-WAIT and of entries that wait for a [Pusher]. A
// goroutine with one of these takes no other, except that resizing the table locks all of its shards, in the order of
// their numbers.
//
// # Reading order
//
// A tour through the way of a segment and of a Write, which goes on in package conn:
//
//	 135 lines  entry.go       a connection's entry, and its lock
//	 260 lines  flush.go       the steps after each call
//	 120 lines  queue.go       the goroutine that reads the device
//	 130 lines  input.go       a packet arrives
//	 245 lines  receive.go     a segment arrives, and goes on in conn's Receive
//	 110 lines  output.go      a segment of conn's Transmit leaves
//	 375 lines  netconn.go     Read, Write, Close
//	 230 lines  internal/wait  blocked calls and deadlines
//	1600 lines  in all
//
// The other files, by subject:
//
//	dial.go, listen.go, listener.go             active and passive opens
//	internal/ports                              the registries of listeners and sockets; ephemeral ports
//	noconn.go                                   segments without a connection
//	syncookies.go, internal/cookies             SYN cookies; the keys of cookies
//	fastopen.go, internal/openers               TCP Fast Open
//	internal/ratelimit                          limits of replies
//	icmp.go, internal/icmp                      ICMP
//	internal/flow, internal/table               from addresses and ports to the entry
//	internal/quota, quota.go                    limits of connections, in all and for each host
//	internal/timing                             timers, time
//	internal/lists                              lists of entries: handshakes to a listener, TIME-WAIT
//	internal/memory, outoforder.go, stalls.go   memory: frames, buffers, data beyond a gap, stalled peers
//	handler.go                                  Handlers
//	copy.go, internal/block, internal/rawread   ReadFrom and WriteTo
//	options.go                                  options of a connection
//	device.go, link.go, internal/gso            devices that are read, and that deliver; superframes in software
//	internal/loopback                           packets to the stack's own addresses
//	output.go, internal/frame                   frames that leave
//	framelimit.go, near.go                      superframes, near peers
//	stack.go, config.go, end.go                 New, Shutdown, settings, the end
//	ownaddress.go, internal/addresses           addresses
//	pathmtu.go, internal/paths                  path MTUs of hosts, and of connected sockets
//	abandon.go, internal/ref                    connections without Close
//	errors.go, internal/neterr                  the errors of package net
//	stats.go, internal/counters, connections.go counters; the connections by address
//	observe.go, trace.go, tap.go, internal/hooks observers, traces, captures (see package pcap)
//	udp*.go, datagram.go, internal/datagrams    UDP sockets, and ping sockets (ping.go)
//	forward*.go, acceptfirst.go, unreachable.go forwarders
//	udpflow.go, internal/nat                    flows of the forwarder of UDP
//	names.go, internal/hostport, internal/eyeballs, internal/resolver
//	                                            host names and addresses
//	fragments.go, internal/reassembly           fragments
//
// The reading order of package conn is in conn/doc.go.
package stack
