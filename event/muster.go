package event

import (
	"net/http"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/jsonscan"
)

// Muster reads our own JSON, as docs/intake.md describes it: one event, an array
// of events, or an object whose member "events" is such an array.
var Muster = Source{Name: "muster", Read: readMuster}

func readMuster(_ http.Header, data []byte) ([]Event, error) {
	b, err := scan(data, MaxBody)
	if err != nil {
		return nil, err
	}
	root := b.doc.Root()
	list, base := root, ""
	if events := root.Get("events"); events.Kind() != jsonscan.None {
		list, base = events, "/events"
	}
	switch {
	case list.Kind() == jsonscan.Array:
		if err := b.each(list, base, (*draft).muster); err != nil {
			return nil, err
		}
	case list == root && root.Kind() == jsonscan.Object:
		b.draft(root, "", (*draft).muster)
	case list == root:
		b.fail(root, "", `%s, want an event, an array of events, or {"events": [...]}`, root.Kind())
	default:
		b.fail(list, "", "%s, want an array of events", list.Kind())
	}
	if list != root && len(b.drafts) > 0 {
		for name, v := range root.Members() {
			if string(name) != "events" {
				b.drafts[0].Event.warn(v.Pointer(), `unknown field beside "events": ignored`)
			}
		}
	}
	return b.events()
}

// muster reads one event.
func (d *draft) muster() {
	f := d.musterFields()
	if d.Action = d.musterAction(f); d.Action == "" {
		return
	}
	d.Title = d.line(f.title, MaxTitle)
	d.Description = d.lines(f.description)
	d.Source = d.line(f.source, MaxSource)
	d.Component = d.line(f.component, MaxName)
	d.Class = d.line(f.class, MaxName)
	d.Service = d.line(f.service, MaxName)
	d.Environment = d.line(f.environment, MaxName)
	d.Time = d.time(f.time)
	d.Until = d.time(f.until)
	if !d.Until.IsZero() && !d.Until.After(d.Time) {
		d.warn(f.until, `not after "time": ignored`)
		d.Until = time.Time{}
	}
	d.Labels = d.labels(f.labels)
	d.Details = d.details(f.details)
	d.links(f.links, "url", "text")
	d.Group = d.key(f.group)
	d.Key = d.key(f.key)
	missing := SeverityInfo // of an event that opens nothing
	if d.Action == Trigger {
		missing = SeverityError
	}
	d.Severity = d.severity(f.severity, missing)
	d.musterIdentity(f)
}

// musterAction reads "action", or "status" in its place. An event that says
// neither is a trigger.
func (d *draft) musterAction(f musterFields) Action {
	action, status := d.word(f.action), d.word(f.status)
	var of Action // what the status stands for
	switch status {
	case "firing":
		of = Trigger
	case "resolved":
		of = Resolve
	}
	switch {
	case action == "" && f.action.Kind() > jsonscan.Null && f.action.Kind() != jsonscan.String:
		d.fail(f.action, "", "%s, want a string", f.action.Kind())
		return ""
	case action == "" && status == "":
		if f.action.Kind() != jsonscan.None || f.status.Kind() != jsonscan.None {
			d.warn(d.at, "neither an action nor a status, taken as a trigger")
		}
		return Trigger
	case action == "":
		if of == "" {
			d.fail(f.status, "", "unknown status %s, want firing or resolved", quote(status))
		}
		return of
	case !Action(action).known():
		d.fail(f.action, "", "unknown action %s, want trigger, acknowledge, resolve or change", quote(action))
		return ""
	case status != "" && of != Action(action):
		d.warn(f.status, `ignored, as "action" says otherwise`)
	}
	return Action(action)
}

// word returns v in lower case, or "" if it is not a string.
func (d *draft) word(v jsonscan.Value) string {
	if v.Kind() != jsonscan.String {
		return ""
	}
	return strings.ToLower(cleanLine(v.Text()))
}

// musterIdentity sees to title and key, which every event must have.
func (d *draft) musterIdentity(f musterFields) {
	opens := d.Action == Trigger || d.Action == Change
	if d.Title == "" && opens {
		d.missing(f.title, "title")
		return
	}
	switch {
	case d.Key != "":
	case d.Action == Trigger:
		d.Key = hashKey("auto:", d.Title, d.Source, d.Service, d.Component)
		d.warn(d.at, `no "key": made one of title, source, service and component; a resolve has to name it`)
	case d.Action == Change:
		d.Key = hashKey("change:", d.Title, d.Source, d.Service, d.Component, d.Environment, d.Time.Format(time.RFC3339Nano))
	default:
		d.missing(f.key, "key")
	}
	if d.Title == "" {
		d.Title = cut(cleanLine(d.Key), MaxTitle)
	}
}

// missing notes that a needed member is absent, or v in its place is no good.
func (d *draft) missing(v jsonscan.Value, name string) {
	switch kind := v.Kind(); kind {
	case jsonscan.None:
		d.fail(d.at, "/"+name, "missing")
	case jsonscan.String:
		d.fail(v, "", "blank")
	default:
		d.fail(v, "", "%s, want a string", kind)
	}
}
