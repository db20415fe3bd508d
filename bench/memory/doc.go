// Package memory measures the cost of very many idle connections in a process: their memory, and the effect of Go's
// garbage collector on busy connections. Both ends are minitcp's, in this process, joined in memory, so that neither
// the memory of a kernel nor its ports are a limit.
//
//	plan      the steps, and the figures of each
//	network   two stacks, and connections between them
//	busy      connections that are not idle
package memory
