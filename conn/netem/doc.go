// Package netem emulates a network link: its rate, queue, delay, losses and other faults, packet by packet. It is pure.
// The time and the source of random values are arguments, so that the same seed and the same packets have the same
// fates, in a simulation as in real time.
//
//	config.go     Config: one direction of a link
//	direction.go  Direction: the state of a direction, and the passage of a packet
//	fate.go       Fate: the faults of a packet, drawn from the probabilities
//	line.go       the queue and the line of limited rate; codel.go: CoDel
//	trace.go      Trace: a line whose rate varies
//	transit.go    Transit: packets on their way, the next to arrive first
//	meter.go      Meter: measures delivered packets
package netem
