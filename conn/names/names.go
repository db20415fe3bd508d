// Package names has the texts of constants that are numbered from 0.
package names

import (
	"fmt"
	"strings"
)

// Of returns the name of a constant, or "unknown" if it has none.
func Of[T ~uint8](list []string, constant T) string {
	if int(constant) < len(list) {
		return list[constant]
	}
	return "unknown"
}

// Parse sets the constant to the one with the name in text. The error of a name that is not in the list names the kind
// of the constants and all names.
func Parse[T ~uint8](list []string, text []byte, kind string, constant *T) error {
	for i, name := range list {
		if name == string(text) {
			*constant = T(i)
			return nil
		}
	}
	last := len(list) - 1
	return fmt.Errorf("unknown %s: want %s or %s", kind, strings.Join(list[:last], ", "), list[last])
}
