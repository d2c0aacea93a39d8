package event

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/jsonscan"
)

// Alertmanager reads the webhook of Prometheus Alertmanager, version 4, and 3
// as far as it is the same. Each alert of the group becomes an event by its own
// status; an alert that is not in the body is not resolved by that.
//
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
var Alertmanager = Source{Name: "alertmanager", Read: readAlertmanager}

// A group is what Alertmanager says of all alerts of one body.
type group struct {
	key       string // a Group for our events
	status    jsonscan.Value
	truncated jsonscan.Value
	version   jsonscan.Value
}

func readAlertmanager(_ http.Header, data []byte) ([]Event, error) {
	b, err := scan(data, MaxBody)
	if err != nil {
		return nil, err
	}
	root := b.doc.Root()
	var g group
	var alerts, groupKey jsonscan.Value
	for name, v := range root.Members() {
		switch string(name) {
		case "alerts":
			alerts = v
		case "groupKey":
			groupKey = v
		case "status":
			g.status = v
		case "truncatedAlerts":
			g.truncated = v
		case "version":
			g.version = v
		}
	}
	switch kind := alerts.Kind(); {
	case root.Kind() == jsonscan.Array:
		b.fail(root, "", "an array, want the object of a webhook; Alertmanager's API v2 sends arrays")
	case root.Kind() != jsonscan.Object:
		b.fail(root, "", "%s, want an object", root.Kind())
	case kind == jsonscan.None:
		b.fail(root, "/alerts", "missing")
	case kind == jsonscan.Null: // how Go writes a list that is empty
	case kind != jsonscan.Array:
		b.fail(alerts, "", "%s, want an array", kind)
	default:
		if k := groupKey.Kind(); (k == jsonscan.String || k == jsonscan.Number) && groupKey.Text() != "" {
			g.key = hashKey("am:", groupKey.Text()) // it is long, full of quotes, and grows with its labels
		}
		if err := b.each(alerts, "/alerts", g.alert); err != nil {
			return nil, err
		}
		g.warn(b)
	}
	return b.events()
}

// warn tells what is odd about the group, with its first event.
func (g group) warn(b *body) {
	if len(b.drafts) == 0 {
		return
	}
	e := &b.drafts[0].Event
	if n := cleanLine(g.truncated.Text()); g.truncated.Kind() == jsonscan.Number && strings.Trim(n, "-0.") != "" {
		e.warn("/truncatedAlerts", cut(n, 20)+" alerts are left out by max_alerts of the sender; they are not resolved by that")
	}
	switch v := cleanLine(g.version.Text()); v {
	case "", "null", "4", "3":
	case "1":
		e.warn("/version", `version "1" is what Grafana sends; read like version "4"`)
	default:
		e.warn("/version", "unknown version "+quote(v)+`, read like version "4"`)
	}
}

// An alert is one alert of a group.
type alert struct {
	status, labels, annotations, startsAt, endsAt, fingerprint jsonscan.Value
	generatorURL, dashboardURL, panelURL                       jsonscan.Value
}

// alert reads one alert.
func (g group) alert(d *draft) {
	var a alert
	for name, v := range d.at.Members() {
		switch string(name) {
		case "status":
			a.status = v
		case "labels":
			a.labels = v
		case "annotations":
			a.annotations = v
		case "startsAt":
			a.startsAt = v
		case "endsAt":
			a.endsAt = v
		case "fingerprint":
			a.fingerprint = v
		case "generatorURL":
			a.generatorURL = v
		case "dashboardURL":
			a.dashboardURL = v
		case "panelURL":
			a.panelURL = v
		}
	}
	d.Group = g.key
	d.Action = g.action(d, a)
	d.Time = d.time(a.startsAt)
	if d.Action == Resolve {
		if ended := d.time(a.endsAt); !ended.IsZero() {
			d.Time = ended
		}
	}
	d.Labels = d.labels(a.labels)
	for name, value := range d.Labels {
		if value == "" { // in Prometheus, the same as no label
			delete(d.Labels, name)
		}
	}
	if d.Key = d.key(a.fingerprint); d.Key == "" {
		d.Key = fingerprint(d.Labels)
		d.warn(d.at, "no fingerprint: made one of the labels, as Alertmanager does")
	}
	d.alertLabels(a)
	d.annotations(a)
}

// action returns what an alert asks for. What is not said to be resolved fires.
func (g group) action(d *draft, a alert) Action {
	status := a.status
	if d.word(status) == "" {
		d.warn(d.at, "an alert without a status: taken from its group, or as firing")
		status = g.status
	}
	switch word := d.word(status); word {
	case "firing", "alerting", "":
	case "resolved", "ok", "normal":
		return Resolve
	default:
		d.warn(a.status, "unknown status %s, taken as firing", quote(word))
	}
	return Trigger
}

// alertLabels takes what an event has fields for from the labels.
func (d *draft) alertLabels(a alert) {
	l := d.Labels
	d.Class = cut(l["alertname"], MaxName)
	d.Source = cut(l["instance"], MaxSource)
	if d.Component = cut(l["component"], MaxName); d.Component == "" {
		d.Component = cut(l["job"], MaxName)
	}
	if d.Environment = cut(l["environment"], MaxName); d.Environment == "" {
		d.Environment = cut(l["env"], MaxName)
	}
	if slug(l["service"]) {
		d.Service = l["service"]
	}
	missing := SeverityError
	if d.Action == Resolve {
		missing = SeverityInfo
	}
	if text := l["severity"]; text != "" {
		var exact bool
		if d.Severity, exact = severity(text); !exact {
			d.warn(a.labels.Get("severity"), "severity %s, taken as %s", quote(text), d.Severity)
		}
	} else {
		d.Severity = missing
		if d.Action == Trigger {
			d.warn(d.at, "no severity label, taken as %s", missing)
		}
	}
}

// slug says whether a service label can be the slug of a service: what people
// write for people ("Shop System") is only a label.
func slug(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || i > 0 && (c == '-' || c == '_' || c == '.')) {
			return false
		}
	}
	return s != "" && len(s) <= MaxName
}

// annotations takes title, description and links from the annotations. If there
// are others, Details holds all of them.
func (d *draft) annotations(a alert) {
	var summary, title, description, message jsonscan.Value
	others := false
	d.link(a.generatorURL, "Source")
	d.link(a.dashboardURL, "Dashboard")
	d.link(a.panelURL, "Panel")
	for name, v := range a.annotations.Members() {
		switch string(name) {
		case "summary":
			summary = v
		case "title":
			title = v
		case "description":
			description = v
		case "message":
			message = v
		case "runbook_url", "runbook":
			d.link(v, "Runbook")
		case "dashboard_url", "dashboard", "dashboardURL":
			d.link(v, "Dashboard")
		default:
			others = true
		}
	}
	if k := a.annotations.Kind(); k != jsonscan.Object && k != jsonscan.None && k != jsonscan.Null {
		d.warn(a.annotations, "%s, want an object: ignored", k)
	}
	if others {
		if rest := d.details(a.annotations); rest != nil {
			d.Details = slices.Concat([]byte(`{"annotations":`), rest, []byte("}"))
		}
	}
	if d.Description = d.lines(description); d.Description == "" {
		d.Description = d.lines(message)
	}
	d.Title = d.line(summary, MaxTitle)
	if d.Title == "" {
		d.Title = d.line(title, MaxTitle)
	}
	if d.Title == "" {
		d.Title = d.alertTitle()
	}
}

// alertTitle makes a title of the labels.
func (d *draft) alertTitle() string {
	title := d.Labels["alertname"]
	switch instance := d.Labels["instance"]; {
	case title == "":
		d.warn(d.at, "an alert with neither a summary nor an alertname")
		return "alert without a name"
	case instance != "":
		title += " (" + instance + ")"
	}
	return cut(title, MaxTitle)
}

// fingerprint computes what Prometheus calls the fingerprint of a label set:
// FNV-1a of 64 bits over the names in order, each followed by its value, with a
// byte 0xff after both; 16 hexadecimal digits.
//
// https://pkg.go.dev/github.com/prometheus/common/model#LabelSet.Fingerprint
func fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		for _, s := range []string{name, labels[name]} {
			h.Write([]byte(s))
			h.Write([]byte{0xff})
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
