package main

import (
	"time"

	"github.com/musterhq/muster/config"
)

const instantHelp = "RFC 3339, 2006-01-02 15:04 or 15:04 in the local zone, or +2h from now"

// instant reads an instant as people write it: RFC 3339; a date and time, or a
// time of today, in the local zone; or +2h from now. A local time that a
// change of the clocks leaves out is refused, rather than guessed.
func (a *app) instant(flag, text string) (time.Time, error) {
	now := a.now().In(a.zone)
	if text == "now" {
		return now, nil
	}
	if text != "" && text[0] == '+' {
		d, err := config.ParseDuration(text[1:])
		if err != nil {
			return time.Time{}, misused("%s: %w", flag, err)
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, a.zone); err == nil {
			return t, a.exists(flag, layout, text, t)
		}
	}
	if clock, err := time.Parse("15:04", text); err == nil {
		t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, a.zone)
		return t, a.exists(flag, "15:04", text, t)
	}
	return time.Time{}, misused("%s: %q is no time; wants %s", flag, text, instantHelp)
}

func (a *app) exists(flag, layout, text string, t time.Time) error {
	if t.Format(layout) != text {
		return misused("%s: there is no %s in the zone %s: the clocks are put forward then", flag, text, a.zone)
	}
	return nil
}
