package event

import (
	"strconv"
	"time"
)

// The years that an instant of a sender may have: later ones do not fit into
// 64 bits of nanoseconds, and no alert is older than Unix.
const (
	minYear = 1970
	maxYear = 2261
)

// maxInstant is longer than any instant, in bytes.
const maxInstant = 64

// layouts are how senders write instants beside RFC 3339. Those without a zone
// are taken as UTC.
var layouts = [...]string{
	"2006-01-02T15:04:05Z0700", // PagerDuty's own examples; fractions are accepted by each layout
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05 Z0700",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
}

// instant reads an instant, in UTC and cut to microseconds. The zero time of
// Go, which Alertmanager writes for "not yet", reads as itself.
func instant(s string) (t time.Time, ok bool) {
	if len(s) > maxInstant {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	for i := 0; err != nil && i < len(layouts); i++ {
		t, err = time.Parse(layouts[i], s)
	}
	if err != nil {
		return time.Time{}, false
	}
	return settleInstant(t)
}

// unixInstant reads a number of seconds, milliseconds, microseconds or
// nanoseconds since 1970; its size tells which. Fractions of seconds count.
func unixInstant(s string) (t time.Time, ok bool) {
	if len(s) > maxInstant {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n < 1e11:
			t = time.Unix(n, 0)
		case n < 1e14:
			t = time.UnixMilli(n)
		case n < 1e17:
			t = time.UnixMicro(n)
		default:
			t = time.Unix(0, n)
		}
		return settleInstant(t)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f < 1e11) {
		return time.Time{}, false
	}
	return settleInstant(time.UnixMicro(int64(f * 1e6)))
}

func settleInstant(t time.Time) (time.Time, bool) {
	if t.IsZero() {
		return time.Time{}, true
	}
	t = t.UTC().Truncate(time.Microsecond)
	if y := t.Year(); y < minYear || y > maxYear {
		return time.Time{}, false
	}
	return t, true
}
