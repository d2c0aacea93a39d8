package event

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/jsonscan"
)

// A draft is an event in the making, and the object it is made of.
type draft struct {
	Event
	body *body
	at   jsonscan.Value
	base string // the pointer to at
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

// time returns v as an instant, or the zero time with a warning.
func (d *draft) time(v jsonscan.Value) time.Time {
	switch v.Kind() {
	case jsonscan.None, jsonscan.Null:
		return time.Time{}
	case jsonscan.String:
		text := v.Text()
		if text == "" {
			return time.Time{}
		}
		t, ok := instant(text)
		if !ok {
			d.warn(v, "%s is not an instant of RFC 3339 between %d and %d: ignored", quote(text), minYear, maxYear)
		}
		return t
	case jsonscan.Number:
		t, ok := unixInstant(v.Text())
		if !ok {
			d.warn(v, "%s is not a Unix time between %d and %d: ignored", quote(v.Text()), minYear, maxYear)
		}
		return t
	}
	d.warn(v, "%s, want an instant: ignored", v.Kind())
	return time.Time{}
}
