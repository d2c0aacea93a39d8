package event

import (
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/jsonscan"
)

// musterFields are the members of one event in our own JSON.
type musterFields struct {
	action, status, key, group, title, description, severity jsonscan.Value
	source, component, class, service, environment           jsonscan.Value
	time, until, labels, details, links                      jsonscan.Value
}

// member returns where a member goes, or nil if its name is not known.
func (f *musterFields) member(name []byte) *jsonscan.Value {
	switch string(name) {
	case "action":
		return &f.action
	case "status":
		return &f.status
	case "key":
		return &f.key
	case "group":
		return &f.group
	case "title":
		return &f.title
	case "description":
		return &f.description
	case "severity":
		return &f.severity
	case "source":
		return &f.source
	case "component":
		return &f.component
	case "class":
		return &f.class
	case "service":
		return &f.service
	case "environment":
		return &f.environment
	case "time":
		return &f.time
	case "until":
		return &f.until
	case "labels":
		return &f.labels
	case "details":
		return &f.details
	case "links":
		return &f.links
	}
	return nil
}

// musterFields sorts the members; of duplicates, the last one counts.
func (d *draft) musterFields() (f musterFields) {
	for name, v := range d.at.Members() {
		switch at := f.member(name); {
		case at != nil:
			*at = v
		case string(name) == "id" || string(name) == "warnings": // an Event that we gave out, sent back
			d.warn(v, "Muster sets this field itself: ignored")
		default:
			d.warn(v, "unknown field: ignored%s", d.hint(name))
		}
	}
	return f
}

// A word is what a sender may write, and the field that it means.
type word struct{ written, field string }

// words are the fields themselves, and what other tools call the same things.
var words = [...]word{
	{"action", "action"}, {"status", "status"}, {"key", "key"}, {"group", "group"}, {"title", "title"},
	{"description", "description"}, {"severity", "severity"}, {"source", "source"}, {"component", "component"},
	{"class", "class"}, {"service", "service"}, {"environment", "environment"}, {"time", "time"}, {"until", "until"},
	{"labels", "labels"}, {"details", "details"}, {"links", "links"},
	{"summary", "title"}, {"message", "title"}, {"name", "title"}, {"body", "description"}, {"text", "description"},
	{"event_action", "action"}, {"state", "status"}, {"dedup_key", "key"}, {"alias", "key"}, {"fingerprint", "key"},
	{"priority", "severity"}, {"level", "severity"}, {"hostname", "source"}, {"host", "source"}, {"env", "environment"},
	{"timestamp", "time"}, {"starts_at", "time"}, {"expires", "until"}, {"ends_at", "until"}, {"tags", "labels"},
	{"custom_details", "details"}, {"extra", "details"}, {"url", "links"},
}

// maxHints is how many hints are looked for in one body, as each takes long.
const maxHints = 32

// hint returns what to add to the warning about an unknown field.
func (d *draft) hint(name []byte) string {
	if d.body.hints == maxHints || len(name) > maxMistyped {
		return ""
	}
	d.body.hints++
	return hint(strings.ToLower(string(name)))
}

// maxMistyped is the length of a name, in bytes, that cannot be a mistyped one.
const maxMistyped = 24

// hint names the known field that a sender may have meant: the nearest of words,
// if it is no farther than a third of its letters.
func hint(name string) string {
	best, meant := 1<<30, ""
	for _, w := range words {
		if d := distance(name, w.written); d < best && 3*d <= len(w.written)+1 {
			best, meant = d, w.field
		}
	}
	if meant == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", meant)
}

// distance is how many bytes have to be put in, taken out, changed or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
