package oncall

import (
	"fmt"
	"time"
)

// A Date is a day of the civil (proleptic Gregorian) calendar, in no zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the date that the calendar on the wall shows at t, in t's own
// location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// Add returns the date n days later; n may be negative.
func (d Date) Add(n int) Date {
	return DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, time.UTC))
}

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Weekday()
}

// String writes the date as 2026-03-29.
func (d Date) String() string {
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// number counts days, so that dates can be subtracted.
func (d Date) number() int {
	// Unix time has no leap seconds: every UTC day has 86 400 of them.
	const day = 24 * 60 * 60
	sec := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix()
	if sec < 0 {
		sec -= day - 1
	}
	return int(sec / day)
}

// Instant returns the instant at which the clocks of zone first show the
// date and time of day, or, where they skip it, a later one. So
//
//   - a time that does not exist (clocks go forward) becomes the first instant
//     after the gap: 02:30 on a spring day in Berlin is 03:00 summer time, and
//     any time of 30 December 2011 in Samoa is midnight of the 31st;
//   - a time that comes twice (clocks go back) is the first of the two.
//
// hour may be 24 (with minute 0) for the end of the day. A nil zone is UTC.
//
// It does not rely on time.Date, which maps a skipped time backward (02:30 to
// 01:30) and does not say which of two equal wall times it returns.
func Instant(d Date, hour, minute int, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	// wall is the reading of the clock, written as if the zone were UTC.
	wall := time.Date(d.Year, d.Month, d.Day, hour, minute, 0, 0, time.UTC)

	// No zone has ever been 26 hours from UTC, so at this instant the clocks
	// of the zone still show an earlier time. From here walk forward from one
	// change of the clocks to the next.
	at := wall.Add(-26 * time.Hour).In(zone)
	for {
		_, offset := at.Zone()
		start, end := at.ZoneBounds()
		t := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		switch {
		case !start.IsZero() && t.Before(start):
			return start // the clocks jumped over it
		case end.IsZero() || t.Before(end):
			return t
		}
		at = end
	}
}
