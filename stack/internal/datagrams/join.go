package datagrams

// Joinable returns how many of n datagrams, of which the first is one, can leave in one frame: those of the first one's
// size, and a shorter one after them, with at most maxBytes of data. Size returns the size of a datagram. Fits reports
// whether it has the first one's addresses.
func Joinable(n, maxBytes int, size func(i int) int, fits func(i int) bool) int {
	first := size(0)
	if first == 0 {
		return 1
	}
	bytes := first
	for i := 1; i < n; i++ {
		one := size(i)
		bytes += one
		switch {
		case one <= 0, one > first, bytes > maxBytes, !fits(i):
			return i
		case one < first:
			return i + 1
		}
	}
	return n
}
