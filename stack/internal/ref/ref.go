// Package ref has references that do or do not keep an object alive.
package ref

import "weak"

// To is a reference to a T. It is weak, so that the garbage collector finds objects that the application has forgotten,
// or strong, for those that the application need not keep.
type To[T any] struct {
	weak   weak.Pointer[T]
	strong *T
}

// Weak returns a reference that does not keep the object alive.
func Weak[T any](p *T) To[T] { return To[T]{weak: weak.Make(p)} }

// Strong returns a reference that keeps the object alive.
func Strong[T any](p *T) To[T] { return To[T]{strong: p} }

// Get returns the object, nil if there is none or it has been collected.
func (r *To[T]) Get() *T {
	if r.strong != nil {
		return r.strong
	}
	return r.weak.Value()
}

// IsSet reports whether r refers to an object, which may have been collected.
func (r *To[T]) IsSet() bool { return *r != To[T]{} }
