// Package conntest runs simulations of connections of package conn in tests. Time is virtual and all random values come
// from a seed, so that every run can be repeated.
//
//	pair.go        Pair: two ends joined by a link; group.go: Group: pairs with a common clock and queue
//	end.go         End: one end with its application and driver
//	link.go        Link: a network path, which package netem emulates for the most part
//	box.go         Box: a middlebox or hostile peer on the path
//	reboot.go      Reboot: an end that loses its state
//	foreign.go     Foreign: an end of another implementation of TCP
//	ending.go      endings other than half-close
//	rates.go       variable rates, as those of a cellular network
//	carry.go       transport of packets; event.go: trace events
//	fastopen.go    FastOpen: data in the SYN
//	scenario.go    Scenario: a link and connections drawn from a seed; simulation.go, application.go: its run
//
// After every step these rules are checked:
//
//	monitor.go     Monitor: the segments that an end sends obey TCP; monitorecn.go: and ECN
//	progress.go    an end with data to send makes progress, and timeouts occur for losses only
//	repeats.go     little data is received more than once
//	pages.go       Pages: all memory is released
package conntest
