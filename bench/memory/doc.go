// Package memory measures what very many idle connections cost a process: memory, and what Go's garbage collector then
// does to those that are busy. Both ends are minitcp's, in this process, joined in memory, so that neither a kernel's
// memory nor its ports are in the way.
//
//	plan      steps, and what is measured in each
//	network   two stacks, and connections between them
//	busy      connections that are not idle, and what they notice
package memory
