package gate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Known is a finding that the baseline knows.
type Known struct {
	Fingerprint string
	Kind        string
	Where       string // function (file), for people
	Owner       string
	Since       time.Time // a day, UTC
	Until       time.Time // the last day on which it passes, UTC; zero: for good
	Reason      string
}

// A Baseline is what a repository lives with: findings by fingerprint.
type Baseline map[string]Known

// longest is how far ahead a finding can be accepted, in years. What stays
// longer is looked at again at least that often; only a line taken out by hand,
// in review, makes it stay for good.
const longest = 1

// Accept returns the baseline with a finding in it, from today to the day until,
// and the reason why it may stay. Of one that was accepted before, the day on
// which that began is kept, so that its age is true.
func (b Baseline) Accept(f Finding, reason string, until, today time.Time) (Baseline, error) {
	until, today = day(until), day(today)
	reason = strings.TrimSpace(reason)
	switch last := today.AddDate(longest, 0, 0); {
	case !isFingerprint(f.Fingerprint):
		return nil, fmt.Errorf("accept: %q is no fingerprint: %s", clip(f.Fingerprint), fingerprintForm)
	case reason == "":
		return nil, fmt.Errorf("accept %s: the reason is missing: say why it may stay", f.Fingerprint)
	case until.Before(today):
		return nil, fmt.Errorf("accept %s: until %s is in the past", f.Fingerprint, dayText(until))
	case until.After(last):
		return nil, fmt.Errorf("accept %s: until %s is more than a year ahead; at most %s", f.Fingerprint, dayText(until), dayText(last))
	}
	since := today
	if before, ok := b[f.Fingerprint]; ok && before.Since.Before(today) {
		since = before.Since
	}
	out := b.clone()
	out[f.Fingerprint] = Known{
		Fingerprint: f.Fingerprint,
		Kind:        cmp.Or(oneLine(f.Kind), string(f.Class), "unknown"),
		Where:       oneLine(where(f.At)),
		Owner:       oneLine(strings.Join(f.Owners, " ")),
		Since:       since,
		Until:       until,
		Reason:      oneLine(reason),
	}
	return out, nil
}

// Without returns the baseline less the entries that are gone.
func (b Baseline) Without(gone []Known) Baseline {
	out := b.clone()
	for _, k := range gone {
		delete(out, k.Fingerprint)
	}
	return out
}

func (b Baseline) clone() Baseline {
	if b == nil {
		return Baseline{}
	}
	return maps.Clone(b)
}

// where is a place for people, without the line: a baseline does not change
// because code above it did.
func where(f Frame) string {
	switch {
	case f.Function != "" && f.File != "":
		return f.Function + " (" + f.File + ")"
	case f.Function != "":
		return f.Function
	case f.File != "":
		return f.File
	}
	return f.Object
}

// baselineVersion is that of the file's form.
const baselineVersion = 1

const baselineHead = `# Findings that this repository lives with. The gate lets each pass until its day, and no new one.
# Written by muster, and read by people: one block for each fingerprint, in order. The lines with one
# digit stay, also with nothing below them: they keep apart what two branches add.
`

// Text writes the baseline as ParseBaseline reads it. The same baseline is
// always the same text. Below a line for each first digit of fingerprints stand
// the blocks in their order, so that git merges branches that add in different
// places.
func (b Baseline) Text() []byte {
	var out strings.Builder
	out.WriteString(baselineHead)
	fmt.Fprintf(&out, "version: %d\nknown:\n", baselineVersion)
	fingerprints := slices.Sorted(maps.Keys(b))
	for _, digit := range hexDigits {
		fmt.Fprintf(&out, "# %c\n", digit)
		for len(fingerprints) > 0 && strings.HasPrefix(fingerprints[0], string(digit)) {
			b[fingerprints[0]].write(&out)
			fingerprints = fingerprints[1:]
		}
	}
	return []byte(out.String())
}

func (k Known) write(out *strings.Builder) {
	fmt.Fprintf(out, "  %q:\n", k.Fingerprint)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "    %s: %s\n", name, value)
		}
	}
	field("kind", quoted(k.Kind))
	field("where", quoted(k.Where))
	field("owner", quoted(k.Owner))
	field("since", dayText(k.Since))
	field("until", dayText(k.Until))
	field("reason", quoted(k.Reason))
}

// quoted writes text as a double-quoted scalar of YAML, and "" as nothing. All
// that is not to be seen is escaped: a reviewer reads what is there.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			fmt.Fprintf(&b, `\U%08X`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// oneLine is text of a report as it stands in a baseline.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(clip(s), "\ufffd")), " ")
}

const (
	hexDigits       = "0123456789abcdef"
	fingerprintForm = "32 hex digits"
)

func isFingerprint(s string) bool {
	return len(s) == 32 && strings.Trim(s, hexDigits) == ""
}

// day is the day that an instant lies in, UTC.
func day(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func dayText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// age counts the days from one day to another, for people.
func age(since, now time.Time) string {
	n := int(day(now).Sub(day(since)) / (24 * time.Hour))
	if n == 1 {
		return "1 day"
	}
	return strconv.Itoa(n) + " days"
}
