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
		case len(d.Warnings) < MaxWarnings: // a hint is too dear to be made for nothing
			d.warn(v, "unknown field: ignored%s", hint(string(name)))
		}
	}
	return f
}

// fieldNames are the names that member knows, for hints.
var fieldNames = [...]string{
	"action", "status", "key", "group", "title", "description", "severity", "source", "component", "class",
	"service", "environment", "time", "until", "labels", "details", "links",
}

// hint names the known field that a sender may have meant: what other tools
// call the same thing, or the nearest name by at most a third of its letters.
func hint(name string) string {
	name = strings.ToLower(name)
	meant := map[string]string{
		"summary": "title", "message": "title", "name": "title", "body": "description", "text": "description",
		"event_action": "action", "state": "status", "dedup_key": "key", "alias": "key", "fingerprint": "key",
		"priority": "severity", "level": "severity", "host": "source", "hostname": "source", "env": "environment",
		"timestamp": "time", "starts_at": "time", "expires": "until", "ends_at": "until", "tags": "labels",
		"custom_details": "details", "extra": "details", "url": "links",
	}[name]
	if meant == "" && len(name) <= 2*len("environment") {
		best := 1 << 30
		for _, f := range fieldNames {
			if d := distance(name, f); d < best && 3*d <= len(f)+1 {
				best, meant = d, f
			}
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
