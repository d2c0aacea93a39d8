package event

import (
	"errors"
	"fmt"

	"github.com/musterhq/muster/internal/jsonscan"
)

// A body is a JSON text on its way to becoming events.
type body struct {
	doc    *jsonscan.Doc
	drafts []draft
	errs   Errors
	hints  int // looked for so far
}

// scan checks that data is one JSON value within the limits.
func scan(data []byte, limit int) (*body, error) {
	if len(data) > limit {
		return nil, tooLarge(Error{Line: 1, Column: 1, Detail: fmt.Sprintf("the body is %d bytes long, more than the %d allowed", len(data), limit)})
	}
	doc, err := jsonscan.Scan(data, jsonscan.Limits{Depth: maxDepth, Names: maxNames, Values: maxValues})
	if err != nil {
		var e *jsonscan.Error
		if errors.As(err, &e) {
			return nil, Errors{{e.Pointer, e.Line, e.Column, e.Detail}}
		}
		return nil, Errors{{Line: 1, Column: 1, Detail: err.Error()}}
	}
	return &body{doc: doc}, nil
}

func tooLarge(e Error) error { return fmt.Errorf("%w: %w", ErrTooLarge, Errors{e}) }

// fail notes an error about v, or about the member path of v that is missing.
func (b *body) fail(v jsonscan.Value, path, format string, args ...any) {
	if len(b.errs) == maxErrors {
		return
	}
	line, column := v.Position()
	b.errs = append(b.errs, Error{v.Pointer() + path, line, column, fmt.Sprintf(format, args...)})
}

// each makes one draft of each object of an array.
func (b *body) each(list jsonscan.Value, base string, read func(d *draft)) error {
	n := list.Len()
	if n > MaxEvents {
		line, column := list.Position()
		return tooLarge(Error{base, line, column, fmt.Sprintf("%d events in one body, more than the %d allowed", n, MaxEvents)})
	}
	b.drafts = make([]draft, 0, n)
	i := 0
	for v := range list.Elements() {
		if v.Kind() != jsonscan.Object {
			b.fail(v, "", "%s, want an object", v.Kind())
		} else if len(b.errs) < maxErrors {
			b.draft(v, fmt.Sprintf("%s/%d", base, i), read)
		}
		i++
	}
	return nil
}

// draft makes one draft of the object v.
func (b *body) draft(v jsonscan.Value, base string, read func(d *draft)) {
	b.drafts = append(b.drafts, draft{body: b, at: v, base: base})
	read(&b.drafts[len(b.drafts)-1])
}

// events hands out what was made, or all that was wrong.
func (b *body) events() ([]Event, error) {
	if len(b.errs) > 0 {
		return nil, b.errs
	}
	if len(b.drafts) == 0 {
		return nil, nil
	}
	for _, w := range b.doc.Warnings() {
		d := &b.drafts[0] // what is odd outside the events goes with the first
		for i := range b.drafts {
			if at := b.drafts[i].at; at.Offset() <= w.Offset && w.Offset < at.End() {
				d = &b.drafts[i]
			}
		}
		d.Event.warn(w.Pointer, w.Detail)
	}
	out := make([]Event, len(b.drafts))
	for i := range b.drafts {
		out[i] = b.drafts[i].Event
	}
	return out, nil
}
