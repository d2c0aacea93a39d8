package incident

import "github.com/musterhq/muster/internal/jsonwrite"

// The bodies of the rows that every event writes are made by hand, in a quarter
// of the time of encoding/json; TestAppendJSON holds them to the tags of the
// types, field by field: a new field goes here too.

// AppendJSON appends the alert as json.Marshal would write it.
func (a Alert) AppendJSON(dst []byte) []byte {
	o := jsonwrite.Open(dst)
	o.Text("id", a.ID)
	o.Text("organization", a.Org)
	o.Text("integration", a.Integration)
	o.Text("key", a.Key)
	o.Text("status", string(a.Status))
	o.Some("incident", a.IncidentID)
	o.Some("service", a.Service)
	o.Text("title", a.Title)
	o.Text("severity", string(a.Severity))
	o.Some("source", a.Source)
	o.Map("labels", a.Labels)
	o.Some("first_event", a.FirstEvent)
	o.Some("last_event", a.LastEvent)
	o.Int("count", a.Count)
	o.Time("opened_at", a.OpenedAt)
	o.Time("last_at", a.LastAt)
	o.Known("resolved_at", a.ResolvedAt)
	o.Known("until", a.Until)
	o.Known("triggered", a.Triggered)
	o.Known("cleared", a.Cleared)
	o.Int("version", a.Version)
	return o.Close()
}

// AppendJSON appends the incident as json.Marshal would write it.
func (i Incident) AppendJSON(dst []byte) []byte {
	o := jsonwrite.Open(dst)
	o.Text("id", i.ID)
	o.Text("organization", i.Org)
	o.Int("number", i.Number)
	o.Text("group_key", i.GroupKey)
	o.Text("title", i.Title)
	o.Some("service", i.Service)
	o.Some("team", i.Team)
	o.Text("severity", string(i.Severity))
	o.Text("urgency", string(i.Urgency))
	o.Text("status", string(i.Status))
	o.Object("policy", i.Policy.appendMembers)
	o.Int("revision", i.Revision)
	o.Int("climb", int64(i.Climb))
	o.Int("round", int64(i.Round))
	o.Int("step", int64(i.Step))
	o.Known("due", i.Due)
	o.Time("opened_at", i.OpenedAt)
	o.Known("acknowledged_at", i.AckedAt)
	o.Some("acknowledged_by", i.AckedBy)
	o.Known("snoozed_until", i.SnoozedUntil)
	o.Known("resolved_at", i.ResolvedAt)
	o.Some("resolved_by", i.ResolvedBy)
	o.Known("restored_at", i.RestoredAt)
	o.Known("restored_from", i.RestoredFrom)
	o.Int("firing", int64(i.Firing))
	o.Int("alerts", int64(i.Alerts))
	o.True("exhausted", i.Exhausted)
	o.Some("hold", i.Hold)
	o.Int("seq", i.Seq)
	o.Int("shown", i.Shown)
	o.Int("version", i.Version)
	return o.Close()
}

// AppendJSON appends the entry as json.Marshal would write it.
func (e Entry) AppendJSON(dst []byte) []byte {
	o := jsonwrite.Open(dst)
	o.Int("seq", e.Seq)
	o.Time("at", e.At)
	o.Text("kind", string(e.Kind))
	o.Text("actor", string(e.Actor))
	o.Some("origin", e.Origin)
	o.Int("schema", int64(e.Schema))
	o.Filled("data", e.Data.appendMembers)
	return o.Close()
}

func (d Data) appendMembers(o *jsonwrite.Object) {
	o.Some("title", d.Title)
	o.NonZero("number", d.Number)
	o.Some("group_key", d.GroupKey)
	o.Some("service", d.Service)
	o.Some("team", d.Team)
	o.Some("severity", string(d.Severity))
	o.Some("urgency", string(d.Urgency))
	if d.Policy != nil {
		o.Object("policy", d.Policy.appendMembers)
	}
	o.NonZero("revision", d.Revision)
	o.NonZero("count", int64(d.Count))
	o.NonZero("climb", int64(d.Climb))
	o.NonZero("round", int64(d.Round))
	o.NonZero("step", int64(d.Step))
	o.Known("due", d.Due)
	o.Strings("users", d.Users)
	o.Strings("targets", d.Targets)
	o.Known("until", d.Until)
	o.Some("text", d.Text)
	o.Some("key", d.Key)
	o.Some("user", d.User)
	o.Some("channel", d.Channel)
	o.Some("address", d.Address)
	o.NonZero("attempt", int64(d.Attempt))
	o.Some("run", d.Run)
	o.Some("runbook", d.Runbook)
	o.True("hold", d.Hold)
	o.Some("verdict", d.Verdict)
	o.Some("url", d.URL)
	o.Known("backup", d.Backup)
}

func (p Policy) appendMembers(o *jsonwrite.Object) {
	o.Some("slug", p.Slug)
	o.Any("steps", p.Steps)
	o.Int("repeat", int64(p.Repeat))
}
