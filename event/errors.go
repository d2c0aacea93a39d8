package event

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrTooLarge marks a body, or a number of events in it, over a limit.
	ErrTooLarge = errors.New("too large")
	// ErrUnknownKind marks a kind that no Source has.
	ErrUnknownKind = errors.New("unknown kind of source")
)

// An Error tells why a body cannot be read, and where.
type Error struct {
	Pointer string `json:"pointer"` // RFC 6901; "" for the whole body
	Line    int    `json:"line"`    // from 1
	Column  int    `json:"column"`  // from 1, in characters
	Detail  string `json:"detail"`  // a clause for the sender's owner; never holds a secret
}

func (e Error) Error() string {
	if e.Pointer == "" {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
	}
	return fmt.Sprintf("line %d, column %d, %s: %s", e.Line, e.Column, e.Pointer, e.Detail)
}

// Errors are all that keep one body from being read, in the order found and
// never empty. Read returns it, possibly wrapped together with ErrTooLarge or
// ErrUnknownKind: use errors.As.
type Errors []Error

func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "; ")
}
