package script

// byteAt returns the byte with the sequence number n. It is a function of n in both directions, so that a byte in the
// wrong place is detected.
func byteAt(n uint32) byte { return byte(n ^ n>>8 ^ n>>16 ^ n>>24) }

// fill sets p to the bytes from the sequence number first on.
func fill(p []byte, first uint32) {
	for i := range p {
		p[i] = byteAt(first + uint32(i))
	}
}

// misplaced returns the index of the first byte of p that is not the one of its sequence number, or -1.
func misplaced(p []byte, first uint32) int {
	for i := range p {
		if p[i] != byteAt(first+uint32(i)) {
			return i
		}
	}
	return -1
}
