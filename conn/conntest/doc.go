// Package conntest drives connections of package conn in tests: in virtual time, with everything random from a seed, so
// that what happened once happens again.
//
//	pair.go     Pair: two ends joined by a link
//	end.go      End: one of them, its application and its driver
//	link.go     Link: what a network does to packets
//	monitor.go  Monitor: what must be true of everything an end sends; monitorecn.go: of what it says of marks
//	pages.go    Pages: memory that is counted
package conntest
