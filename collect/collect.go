// Package collect reads what rules look at: it follows and parses log files
// and hands their lines over as records. It knows formats and files; it does
// not know what a rule makes of a record, and it reads no clock.
package collect

// Format says how the lines of a log source become records.
type Format struct {
	Kind     string            // "auto" (or empty), "access" or "ndjson"
	Fields   map[string]string // our name of a field to its name in the log; unlisted names are the same
	Defaults map[string]string // values of fields that a line does not have
}
