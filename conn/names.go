package conn

// nameOf returns the name of a constant, or "unknown" if it has none.
func nameOf[T ~uint8](names []string, constant T) string {
	if int(constant) < len(names) {
		return names[constant]
	}
	return "unknown"
}
