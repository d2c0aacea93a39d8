// Package detect decides when a ratio of log records is too high: it counts
// records per second of their own time and judges a sliding window at each
// whole second. It knows conditions, windows, hysteresis and backtests; it
// reads no clock, file or database: time comes with the records and with the
// caller's now.
package detect

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// State is what a rule says of one series.
type State string

// The states of a series.
const (
	OK           State = "ok"           // enough records, not above the threshold
	Insufficient State = "insufficient" // fewer records in the window than the rule's MinTotal
	Firing       State = "firing"       // an episode is open
)

// Rule says which records count, which of them are bad, and how many are too many.
type Rule struct {
	Slug         string
	Where        Condition     // the records that count; zero: all
	Bad          Condition     // the bad ones among them
	Above        float64       // fires when bad/total > Above; 0 <= Above < 1
	Window       time.Duration // whole seconds, at least one
	MinTotal     int64         // fewer records in the window are insufficient data; 0 means 1
	By           []string      // one series per combination of these fields; an absent field is ""
	ResolveAfter time.Duration // how long it must stay at or below Above; 0 means a minute
	Lateness     time.Duration // how much older than the newest record a record may come; 0 means 5 s, negative none
	MaxGroups    int           // series at a time; 0 means 1000; records beyond are counted in the series Overflow
}

// Fields returns the names of the fields that a record needs for the rule,
// sorted.
func (r Rule) Fields() []string {
	names := slices.Concat(r.Where.Fields(), r.Bad.Fields(), r.By)
	slices.Sort(names)
	return slices.Compact(names)
}

// Validate reports the first number of the rule that makes no sense.
func (r Rule) Validate() error {
	switch {
	case r.Bad.IsZero():
		return errors.New("bad: the condition is missing; every record would be bad")
	case !(r.Above >= 0 && r.Above < 1):
		return fmt.Errorf("above: %v: must be at least 0 and below 1", r.Above)
	case r.Window < time.Second || r.Window%time.Second != 0:
		return fmt.Errorf("window: %v: must be whole seconds, at least one", r.Window)
	case r.MinTotal < 0:
		return fmt.Errorf("min_total: %d: must not be negative", r.MinTotal)
	case r.ResolveAfter%time.Second != 0:
		return fmt.Errorf("resolve_after: %v: must be whole seconds", r.ResolveAfter)
	case r.MaxGroups < 0:
		return fmt.Errorf("max_groups: %d: must not be negative", r.MaxGroups)
	case slices.Contains(r.By, ""):
		return errors.New("by: a field has no name")
	}
	return nil
}
