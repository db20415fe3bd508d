// Package conntest drives connections of package conn in tests: in virtual time, with everything random from a seed, so
// that what happened once happens again.
//
//	pair.go        Pair: two ends joined by a link; group.go: Group: pairs that share one
//	end.go         End: one of them, its application and its driver
//	link.go        Link: what a network does to packets; fate.go: to one of them; pipe.go, codel.go: in a queue
//	box.go         Box: a middlebox or hostile peer between them
//	reboot.go      Reboot: the loss of everything an end knows
//	rates.go       rates that vary, as those of a cellular network
//	carry.go       how they get from one end to the other; flight.go: those on their way; event.go: who is told of it
//	scenario.go    Scenario: a link and connections over it, drawn from a seed; simulation.go, application.go: how it is played
//
// What must be true of every step:
//
//	monitor.go     Monitor: of everything an end sends; monitorecn.go: of what it says of marks
//	stall.go       there is progress, or a reason why not; timers run out for losses only
//	twice.go       little is sent again that had arrived
//	pages.go       Pages: memory is given back
package conntest
