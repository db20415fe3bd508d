package script

// The octet with sequence number n is always the same, whoever sends it and however often, so that any that is out of
// place shows.
func octetAt(n uint32) byte { return byte(n ^ n>>8 ^ n>>16 ^ n>>24) }

func fill(p []byte, first uint32) {
	for i := range p {
		p[i] = octetAt(first + uint32(i))
	}
}

// misplaced is the first octet that is not what belongs there, -1 if all do.
func misplaced(p []byte, first uint32) int {
	for i := range p {
		if p[i] != octetAt(first+uint32(i)) {
			return i
		}
	}
	return -1
}
