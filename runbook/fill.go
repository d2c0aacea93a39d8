package runbook

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Placeholders are the names that may stand between {{ and }} in a URL, a body
// or a text. The list is fixed: there are no functions, no conditions and no
// way to a secret, since who writes a runbook need not be trusted with them,
// and who writes alert text is trusted with nothing.
var Placeholders = []string{
	"incident.id", "incident.title", "incident.opened_at", "incident.fired_at",
	"target.organization", "target.service", "target.environment",
}

func valueOf(name string, env Env) (string, bool) {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch name {
	case "incident.id":
		return env.Incident.ID, true
	case "incident.title":
		return env.Incident.Title, true
	case "incident.opened_at":
		return stamp(env.Incident.OpenedAt), true
	case "incident.fired_at":
		return stamp(env.Incident.firedAt()), true
	case "target.organization":
		return env.Target.Organization, true
	case "target.service":
		return env.Target.Service, true
	case "target.environment":
		return env.Target.Environment, true
	}
	return "", false
}

// fill puts values in the place of {{names}}. Values are escaped for where they
// stand and never looked at for placeholders themselves. Errors name the
// position, counted in bytes from 1.
func fill(text string, env Env, escape func(string) string) (string, error) {
	var out strings.Builder
	for at := 0; ; {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			out.WriteString(text[at:])
			return out.String(), nil
		}
		out.WriteString(text[at : at+open])
		at += open
		end := strings.Index(text[at:], "}}")
		if end < 0 {
			return "", fmt.Errorf("position %d: {{ without }}", at+1)
		}
		name := strings.TrimSpace(text[at+2 : at+end])
		value, ok := valueOf(name, env)
		if !ok {
			return "", fmt.Errorf("position %d: there is no placeholder %q; there are %s", at+1, name, strings.Join(Placeholders, ", "))
		}
		out.WriteString(escape(value))
		at += end + 2
	}
}

// plainText keeps a value on one line and free of what could hide or turn
// text: control characters, and the marks that change its direction.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
