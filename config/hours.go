package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/oncall"
)

// hours reads a part of the week and returns it in canonical form.
func (n node) hours() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	h, err := parseHours(s)
	if err != nil {
		n.problem(err.Error(), "")
		return ""
	}
	return formatHours(h)
}

// parseHours reads "Mon-Fri 09:00-17:00", "Sat,Sun" or "22:00-06:00". Without
// days it is every day; without times it is the whole day.
func parseHours(s string) (oncall.Hours, error) {
	bad := fmt.Errorf("wants hours such as \"Mon-Fri 09:00-17:00\", \"Sat,Sun\" or \"22:00-06:00\"; has %s", shown(s))
	h := oncall.Hours{From: 0, To: 24 * 60}
	words := strings.Fields(s)
	if len(words) < 1 || len(words) > 2 {
		return h, bad
	}
	times := words[len(words)-1]
	if strings.Contains(times, ":") {
		from, to, _ := strings.Cut(times, "-")
		var okFrom, okTo bool
		h.From, okFrom = parseClock(from)
		h.To, okTo = parseClock(to)
		if !okFrom || !okTo || h.From == 24*60 || h.From == h.To {
			return h, bad
		}
		words = words[:len(words)-1]
	}
	if len(words) == 2 {
		return h, bad
	}
	for _, word := range words {
		days, ok := parseDays(word)
		if !ok {
			return h, bad
		}
		if len(days) < 7 { // all days are no restriction
			h.Days = days
		}
	}
	return h, nil
}

// parseDays reads Mon-Fri, Sat,Sun, Fri-Mon; the result begins with Monday.
func parseDays(s string) ([]time.Weekday, bool) {
	var on [7]bool // from Monday
	for _, part := range strings.Split(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, b := parseDay(first), parseDay(last)
		if a < 0 || b < 0 {
			return nil, false
		}
		for d := a; ; d = (d + 1) % 7 {
			on[(d+6)%7] = true
			if d == b {
				break
			}
		}
	}
	var out []time.Weekday
	for i, yes := range on {
		if yes {
			out = append(out, time.Weekday((i+1)%7))
		}
	}
	return out, true
}

func formatHours(h oncall.Hours) string {
	var words []string
	if len(h.Days) > 0 {
		words = append(words, formatDays(h.Days))
	}
	if h.From != 0 || h.To != 24*60 || len(words) == 0 {
		words = append(words, fmt.Sprintf("%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60))
	}
	return strings.Join(words, " ")
}

// formatDays writes runs of three and more as a range.
func formatDays(days []time.Weekday) string {
	var on [8]bool // from Monday; the eighth ends the last run
	for _, d := range days {
		on[(d+6)%7] = true
	}
	name := func(i int) string { return dayName(time.Weekday((i + 1) % 7)) }
	var parts []string
	for i := 0; i < 7; i++ {
		end := i
		for on[end] {
			end++
		}
		switch n := end - i; {
		case n >= 3:
			parts = append(parts, name(i)+"-"+name(end-1))
			i = end
		case n > 0:
			parts = append(parts, name(i))
		}
	}
	return strings.Join(slices.Clip(parts), ",")
}
