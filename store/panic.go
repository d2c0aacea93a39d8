package store

import "errors"

// ErrPanic is the error of a unit that panicked: a defect of the program. What
// the panic said is not in it, for it may hold a secret and people read errors.
var ErrPanic = errors.New("a defect of Muster ended it; the log tells more")

// OnPanic sets what is told of a unit that panicked, in the committer: it must
// not write. Set it before Run.
func (s *Store) OnPanic(tell func(p any, stack []byte)) { s.panics = tell }

func (s *Store) panicked(p any, stack []byte) {
	if s.panics != nil {
		s.panics(p, stack)
	}
}
