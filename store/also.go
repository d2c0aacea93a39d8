package store

import "context"

type alsoKey struct{}

// Also returns a context whose units, when they are written, do something
// besides in the same commit: what tells, if the answer to it is lost, that they
// were written. Where there are several units, it must be all the same whether it
// is done once or each time.
func Also(ctx context.Context, do func(*Tx) error) context.Context {
	return context.WithValue(ctx, alsoKey{}, do)
}

// withAlso returns a unit with what its context asks for besides.
func withAlso(ctx context.Context, run func(*Tx) error) func(*Tx) error {
	also, ok := ctx.Value(alsoKey{}).(func(*Tx) error)
	if !ok {
		return run
	}
	return func(t *Tx) error {
		if err := run(t); err != nil {
			return err
		}
		return also(t)
	}
}
