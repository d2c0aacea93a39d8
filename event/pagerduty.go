package event

import (
	"net/http"

	"github.com/musterhq/muster/internal/jsonscan"
)

// PagerDuty reads the Events API v2 of PagerDuty, as /v2/enqueue takes it. The
// routing key stands in the body, or in the header X-Routing-Key; it becomes
// Event.Routing. The Details of its Errors are fit for the "errors" of
// PagerDuty's own answer.
//
// It refuses what PagerDuty refuses for want of a field. Severities that
// PagerDuty does not know are mapped and not refused, as senders make them by
// templates and do not send again after a refusal.
//
// https://developer.pagerduty.com/docs/send-alert-event
var PagerDuty = Source{Name: "pagerduty", Read: readPagerDuty}

// maxPagerDuty is how long PagerDuty lets a body be.
const maxPagerDuty = 512 << 10

// ReadChange makes a change event of a body of PagerDuty's /v2/change/enqueue.
// It is to that as Read is to /v2/enqueue.
//
// https://developer.pagerduty.com/docs/send-change-event
func ReadChange(h http.Header, data []byte) ([]Event, error) {
	return settled(readPagerDutyBody(data, func(d *draft) { d.pagerDutyChange(h) }))
}

func readPagerDuty(h http.Header, data []byte) ([]Event, error) {
	return readPagerDutyBody(data, func(d *draft) { d.pagerDuty(h) })
}

func readPagerDutyBody(data []byte, read func(d *draft)) ([]Event, error) {
	b, err := scan(data, maxPagerDuty)
	if err != nil {
		return nil, err
	}
	if root := b.doc.Root(); root.Kind() == jsonscan.Object {
		b.draft(root, "", read)
	} else {
		b.fail(root, "", "event is %s, but must be an object", root.Kind())
	}
	return b.events()
}

// pagerDuty reads a trigger, acknowledge or resolve.
func (d *draft) pagerDuty(h http.Header) {
	d.routing(h)
	payload := d.at.Get("payload")
	d.Action = d.pagerDutyAction()
	opens := d.Action == Trigger
	d.pagerDutyPayload(payload, opens)

	missing := SeverityInfo
	if opens {
		missing = SeverityError
	}
	severity := payload.Get("severity")
	if d.Severity = d.severity(severity, missing); opens && severity.Kind() <= jsonscan.Null {
		d.warn(payload, "no severity, taken as %s", missing)
	}

	dedup := d.at.Get("dedup_key")
	switch d.Key = d.key(dedup); {
	case d.Key != "":
	case opens: // the same for a sender's retry of the same payload
		d.Key = hashKey("pd:", string(payload.Raw()))
	case d.Action != "":
		d.required(d.at, dedup, "dedup_key", "")
	}
	if d.Title == "" {
		d.Title = cut(cleanLine(d.Key), MaxTitle)
	}
}

// pagerDutyAction reads "event_action".
func (d *draft) pagerDutyAction() Action {
	v := d.at.Get("event_action")
	switch action := Action(d.word(v)); action {
	case Trigger, Acknowledge, Resolve:
		return action
	case "":
		d.required(d.at, v, "event_action", "")
		if d.at.Get("event_type").Kind() == jsonscan.String {
			d.fail(d.at, "/event_type", "'event_type' belongs to the Events API v1; this is v2")
		}
	default:
		d.fail(v, "", "'event_action' is %s, but must be one of 'trigger', 'acknowledge' or 'resolve'", quote(string(action)))
	}
	return ""
}

// pagerDutyPayload reads what triggers and changes have in common. A resolve
// may carry a payload too, but needs none of it.
func (d *draft) pagerDutyPayload(payload jsonscan.Value, needed bool) {
	switch kind := payload.Kind(); {
	case kind == jsonscan.Object:
	case needed:
		d.required(d.at, payload, "payload", "")
		return
	case kind > jsonscan.Null:
		d.warn(payload, "%s, want an object: ignored", kind)
	}
	summary, source := payload.Get("summary"), payload.Get("source")
	if d.Title = d.line(summary, MaxTitle); d.Title == "" && needed {
		d.required(payload, summary, "summary", "payload.")
	}
	if d.Source = d.line(source, MaxSource); d.Source == "" && d.Action == Trigger {
		d.required(payload, source, "source", "payload.")
	}
	d.Component = d.line(payload.Get("component"), MaxName)
	d.Class = d.line(payload.Get("class"), MaxName)
	d.Time = d.time(payload.Get("timestamp"))

	custom := payload.Get("custom_details")
	if k := custom.Kind(); k != jsonscan.Object && k > jsonscan.Null {
		d.warn(custom, "%s, where PagerDuty wants an object", k)
	}
	d.Details = d.details(custom)
	d.pagerDutyLabels(payload)
	d.pagerDutyLinks()
}

// pagerDutyLabels keeps what an event has no field for. PagerDuty's group does
// not group incidents there, so it must not do so here.
func (d *draft) pagerDutyLabels(payload jsonscan.Value) {
	d.label("group", payload.Get("group"))
	d.label("client", d.at.Get("client"))
}

func (d *draft) label(name string, v jsonscan.Value) {
	text := d.line(v, MaxLabelValue)
	if text == "" {
		return
	}
	if d.Labels == nil {
		d.Labels = map[string]string{}
	}
	d.Labels[name] = text
}

func (d *draft) pagerDutyLinks() {
	d.link(d.at.Get("client_url"), d.Labels["client"])
	d.links(d.at.Get("links"), "href", "text")
	d.links(d.at.Get("images"), "src", "alt")
	for image := range d.at.Get("images").Elements() {
		if href := image.Get("href"); href.Kind() > jsonscan.Null {
			d.link(href, d.line(image.Get("alt"), MaxName))
		}
	}
}

// pagerDutyChange reads a change.
func (d *draft) pagerDutyChange(h http.Header) {
	d.routing(h)
	d.Action, d.Severity = Change, SeverityInfo
	payload := d.at.Get("payload")
	d.pagerDutyPayload(payload, true)
	d.Key = hashKey("change:", string(payload.Raw()))
}

// routing finds the routing key. What is wrong with it is told without it.
func (d *draft) routing(h http.Header) {
	v := d.at.Get("routing_key")
	switch v.Kind() {
	case jsonscan.String:
		d.Routing = cleanLine(v.Text())
	case jsonscan.None, jsonscan.Null:
	default:
		d.required(d.at, v, "routing_key", "")
		return
	}
	if d.Routing == "" {
		d.Routing = cleanLine(h.Get("X-Routing-Key"))
	}
	if d.Routing == "" {
		d.required(d.at, v, "routing_key", "")
	}
}

// required notes that the member v of parent is no good; prefix is what leads
// to the parent, as PagerDuty writes it.
func (d *draft) required(parent, v jsonscan.Value, name, prefix string) {
	want := "a string"
	if name == "payload" {
		want = "an object"
	}
	switch kind := v.Kind(); {
	case kind == jsonscan.None:
		d.fail(parent, "/"+name, "'%s%s' is missing or blank", prefix, name)
	case kind == jsonscan.Null, kind == jsonscan.String && name != "payload":
		d.fail(v, "", "'%s%s' is missing or blank", prefix, name)
	default:
		d.fail(v, "", "'%s%s' is %s, but must be %s", prefix, name, kind, want)
	}
}
