package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxLine = 500      // characters of a name, a title, an address
	maxText = 64 << 10 // bytes of a setting, such as a template
)

// scalar returns a value as it is written, whatever YAML takes it for:
// a project 0123 and a phone number +34600000001 are text.
func (n node) scalar() (string, bool) {
	switch {
	case n.null():
		n.problemf("has no value")
		return "", false
	case n.y.Kind != yaml.ScalarNode:
		n.problemf("wants text, has %s", n.shape())
		return "", false
	}
	return n.y.Value, true
}

// line returns one line of text that can be shown anywhere.
func (n node) line() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	if why := badLine(s); why != "" {
		n.problem(why, "")
		return ""
	}
	return s
}

// badLine says what makes s unfit to be one line of text; it does not show s,
// which may be a secret.
func badLine(s string) string {
	if strings.ContainsRune(s, '\n') {
		return "wants one line"
	}
	if strings.TrimSpace(s) == "" {
		return "is empty"
	}
	if utf8.RuneCountInString(s) > maxLine {
		return fmt.Sprintf("is longer than %d characters", maxLine)
	}
	return badText(s)
}

// badText says what makes s unfit to be text at all: characters that move the
// cursor or turn the direction of writing deceive whoever reads them.
func badText(s string) string {
	if len(s) > maxText {
		return fmt.Sprintf("is longer than %d bytes", maxText)
	}
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029, r == 0xfeff:
			return fmt.Sprintf("has the invisible character %U", r)
		}
	}
	return ""
}

// shown quotes a value for a message. Never call it with a secret.
func shown(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

func isSlug(s string) bool { return slugForm.MatchString(s) }

// slugForm is what names a resource in files and URLs.
var slugForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

const slugRule = "wants a slug: small letters, digits and hyphens, at most 63, not beginning with a hyphen"

// slug returns the slug of another resource; Check sees whether there is one.
func (n node) slug() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	if !isSlug(s) {
		n.problem(fmt.Sprintf("%s; has %s", slugRule, shown(s)), slugged(s))
		return ""
	}
	return s
}

// slugged returns the slug that s may have meant, or "".
func slugged(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(s)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	out := strings.TrimRight(b.String(), "-")
	if !isSlug(out) {
		return ""
	}
	return out
}

// oneOf returns one of the words.
func (n node) oneOf(words ...string) string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	for _, w := range words {
		if s == w {
			return s
		}
	}
	n.problem(fmt.Sprintf("wants one of %s; has %s", strings.Join(words, ", "), shown(s)), n.r.suggest(s, words))
	return ""
}

// duration returns a duration in [low, high]. On a problem it returns low, so
// that what follows does not complain again.
func (n node) duration(low, high time.Duration) time.Duration {
	s, ok := n.scalar()
	if !ok {
		return low
	}
	d, err := ParseDuration(s)
	if err != nil {
		n.problem(err.Error(), "")
		return low
	}
	if d < low || d > high {
		n.problemf("wants %s to %s; has %s", FormatDuration(low), FormatDuration(high), FormatDuration(d))
		return low
	}
	return d
}

// integer returns a whole number in [low, high].
func (n node) integer(low, high int64) int64 {
	s, ok := n.scalar()
	if !ok {
		return low
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n.problemf("wants a whole number; has %s", shown(s))
		return low
	}
	if i < low || i > high {
		n.problemf("wants %d to %d; has %d", low, high, i)
		return low
	}
	return i
}

// lines returns a list of lines without repeats.
func (n node) lines() []string {
	return distinct(n.list(), node.line)
}

// slugs returns a list of slugs without repeats.
func (n node) slugs() []string {
	return distinct(n.list(), node.slug)
}

func distinct(items []node, read func(node) string) []string {
	var out []string
	seen := map[string]bool{}
	for _, item := range items {
		s := read(item)
		if s == "" {
			continue
		}
		if seen[s] {
			item.problemf("%s stands twice in the list", shown(s))
			continue
		}
		seen[s] = true
		out = append(out, s)
	}
	return out
}

// words returns a mapping of lines to lines.
func (n node) words() map[string]string {
	o := n.entries()
	if len(o.order) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, k := range o.order {
		if why := badLine(k); why != "" {
			o.keys[k].problem("the key "+why, "")
			continue
		}
		out[k] = o.vals[k].line()
	}
	return out
}

// The same, for the value of a key that may be absent.

func (o object) line(key string) string {
	if n, ok := o.get(key); ok {
		return n.line()
	}
	return ""
}

func (o object) slug(key string) string {
	if n, ok := o.get(key); ok {
		return n.slug()
	}
	return ""
}

func (o object) lines(key string) []string {
	if n, ok := o.get(key); ok {
		return n.lines()
	}
	return nil
}

func (o object) words(key string) map[string]string {
	if n, ok := o.get(key); ok {
		return n.words()
	}
	return nil
}

func (o object) duration(key string, low, high time.Duration) time.Duration {
	if n, ok := o.get(key); ok {
		return n.duration(low, high)
	}
	return 0
}

func (o object) slugs(key string) []string {
	if n, ok := o.get(key); ok {
		return n.slugs()
	}
	return nil
}
