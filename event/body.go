package event

import (
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/jsonscan"
)

// A body is a JSON text on its way to becoming events.
type body struct {
	doc    *jsonscan.Doc
	data   []byte
	drafts []draft
	errs   Errors
	hints  int // looked for so far
}

// A draft is an event in the making, and the object it is made of.
type draft struct {
	Event
	body *body
	at   jsonscan.Value
	base string // the pointer to at
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
	return &body{doc: doc, data: data}, nil
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

// warn adds a warning about v, which is within the draft's object.
func (d *draft) warn(v jsonscan.Value, format string, args ...any) {
	if len(d.Warnings) >= MaxWarnings { // do not work out a pointer for nothing
		return
	}
	d.Event.warn(d.base+v.PointerFrom(d.at), fmt.Sprintf(format, args...))
}

// fail notes an error about v, or about the member path of v that is missing.
func (d *draft) fail(v jsonscan.Value, path, format string, args ...any) {
	d.body.fail(v, path, format, args...)
}

// text returns what v says, whatever scalar it is; an array or object, which is
// not text, is "" with a warning. Null is "".
func (d *draft) text(v jsonscan.Value) string {
	switch kind := v.Kind(); kind {
	case jsonscan.String:
		return v.Text()
	case jsonscan.Number, jsonscan.Bool:
		d.warn(v, "%s, taken as text", kind)
		return v.Text()
	case jsonscan.Array, jsonscan.Object:
		d.warn(v, "%s, want a string: ignored", kind)
	}
	return ""
}

// line returns the text of v as one clean line within limit.
func (d *draft) line(v jsonscan.Value, limit int) string {
	text := d.text(v)
	return d.tidied(v, text, cleanLine(text), limit)
}

// lines returns the text of v as clean lines within MaxDescription.
func (d *draft) lines(v jsonscan.Value) string {
	text := d.text(v)
	return d.tidied(v, text, cleanLines(text), MaxDescription)
}

// tidied cuts a text that was cleaned, and tells what was done to it.
func (d *draft) tidied(v jsonscan.Value, text, clean string, limit int) string {
	if clean != text && hasControls(text) {
		d.warn(v, controlsOut)
	}
	return d.cut(v, clean, limit)
}

const controlsOut = "control characters taken out"

func (d *draft) cut(v jsonscan.Value, s string, limit int) string {
	if len(s) > limit {
		d.warn(v, "%d bytes long, cut to %d", len(s), limit)
		return cut(s, limit)
	}
	return s
}

// key returns v as a key.
func (d *draft) key(v jsonscan.Value) string {
	key, hashed := settleKey(d.text(v))
	if hashed {
		d.warn(v, "replaced by its hash, as it is longer than %d bytes or has control characters", MaxKey)
	}
	return key
}

// severity returns v as a severity; when it says nothing, as missing.
func (d *draft) severity(v jsonscan.Value, missing Severity) Severity {
	text := cleanLine(d.text(v))
	if text == "" {
		if v.Kind() == jsonscan.String && d.Action == Trigger {
			d.warn(v, "an empty severity, taken as %s", missing)
		}
		return missing
	}
	mapped, exact := severity(text)
	if !exact {
		d.warn(v, "severity %s, taken as %s", quote(text), mapped)
	}
	return mapped
}

// labels returns the members of v as labels.
func (d *draft) labels(v jsonscan.Value) map[string]string {
	if v.Kind() != jsonscan.Object {
		if v.Kind() != jsonscan.None && v.Kind() != jsonscan.Null {
			d.warn(v, "%s, want an object of labels: ignored", v.Kind())
		}
		return nil
	}
	n := v.Len()
	if n == 0 {
		return nil
	}
	labels := make(map[string]string, n)
	for name, value := range v.Members() {
		var text string
		switch value.Kind() {
		case jsonscan.Array, jsonscan.Object:
			text = string(value.AppendClean(nil, cleanLine))
			d.warn(value, "%s, taken as text", value.Kind())
		default:
			text = d.text(value)
		}
		labels[string(name)] = d.tidied(value, text, cleanLine(text), MaxLabelValue)
	}
	return labels
}

// details returns v as compact, clean JSON.
func (d *draft) details(v jsonscan.Value) []byte {
	if v.Kind() == jsonscan.None || v.Kind() == jsonscan.Null {
		return nil
	}
	clean := v.Raw()
	if len(clean) <= 2*MaxDetails { // white space and escapes may shrink
		controls := false
		clean = v.AppendClean(make([]byte, 0, len(clean)), func(s string) string {
			controls = controls || hasControls(s)
			return cleanLines(s)
		})
		if controls {
			d.warn(v, controlsOut)
		}
	}
	if len(clean) > MaxDetails {
		d.warn(v, "%d bytes long, more than the %d allowed: left out", len(clean), MaxDetails)
		return nil
	}
	return clean
}

// link adds the address v, if there is one.
func (d *draft) link(v jsonscan.Value, text string) {
	if v.Kind() == jsonscan.String && strings.TrimSpace(v.Text()) == "" {
		return
	}
	if address := d.text(v); address != "" {
		if note := d.addLink(address, text); note != "" {
			d.warn(v, "%s", note)
		}
	}
}

// links adds an array of objects with these members. In place of an object, an
// address alone will do.
func (d *draft) links(v jsonscan.Value, address, text string) {
	switch v.Kind() {
	case jsonscan.None, jsonscan.Null:
		return
	case jsonscan.Array:
	default:
		d.warn(v, "%s, want an array of links: ignored", v.Kind())
		return
	}
	for l := range v.Elements() {
		if len(d.Links) == MaxLinks {
			d.warn(l, "there are more than %d links: left out from here on", MaxLinks)
			return
		}
		switch l.Kind() {
		case jsonscan.Object:
			if l.Get(address).Kind() == jsonscan.None {
				d.warn(l, "a link without %q: left out", address)
				continue
			}
			d.link(l.Get(address), d.line(l.Get(text), MaxName))
		default:
			d.link(l, "")
		}
	}
}
