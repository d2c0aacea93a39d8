package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// units of a duration, longest first; a day has 24 hours.
type unit struct {
	name string
	of   time.Duration
}

func units() []unit {
	return []unit{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
}

// ParseDuration reads a duration such as 5m, 1h30m or 7d: whole numbers with
// the units d (24 hours), h, m, s and ms, each at most once, longest first.
func ParseDuration(text string) (time.Duration, error) {
	bad := func(why string) (time.Duration, error) {
		return 0, fmt.Errorf("wants a duration such as 5m, 1h30m or 7d; has %s%s", shown(text), why)
	}
	if text == "" {
		return bad("")
	}
	if strings.Trim(text, "0123456789") == "" {
		return bad(", without a unit")
	}
	rest, from := text, 0
	var sum time.Duration
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 {
			return bad("")
		}
		count, err := strconv.ParseInt(rest[:digits], 10, 64)
		rest = rest[digits:]
		name := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
		rest = rest[len(name):]
		i := from
		for i < len(units()) && units()[i].name != name {
			i++
		}
		if i == len(units()) {
			return bad("")
		}
		of := units()[i].of
		if errors.Is(err, strconv.ErrRange) || count > (math.MaxInt64-int64(sum))/int64(of) {
			return bad(", which is too long")
		}
		sum += time.Duration(count) * of
		from = i + 1
	}
	return sum, nil
}

// FormatDuration writes a duration as ParseDuration reads it, to the
// millisecond: 90 s are 1m30s, 36 h are 1d12h. A negative one is written with
// a minus sign, which ParseDuration does not take.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	if d < 0 {
		b.WriteByte('-')
		d = -d
	}
	for _, u := range units() {
		if n := d / u.of; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.of
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
