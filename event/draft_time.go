package event

import (
	"time"

	"github.com/musterhq/muster/internal/jsonscan"
)

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
