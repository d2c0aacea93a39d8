package event

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// settle sees to what every Event must fulfil, whatever source it came from.
// Sources keep most of it themselves, where they can warn with a pointer. It
// returns what is wrong beyond repair, which is a fault of the source.
func (e *Event) settle() (wrong string) {
	switch {
	case !e.Action.known():
		return "has no known action"
	case !e.Severity.known():
		return "has no known severity"
	}
	e.Key = e.settleKey(e.Key, "key")
	e.Group = e.settleKey(e.Group, "group")
	e.Title = e.settleText(cleanLine(e.Title), "title", MaxTitle)
	switch {
	case e.Key == "":
		return "has no key"
	case e.Title == "":
		return "has no title"
	}
	e.Description = e.settleText(cleanLines(e.Description), "description", MaxDescription)
	e.Source = e.settleText(cleanLine(e.Source), "source", MaxSource)
	e.Component = e.settleText(cleanLine(e.Component), "component", MaxName)
	e.Class = e.settleText(cleanLine(e.Class), "class", MaxName)
	e.Service = e.settleText(cleanLine(e.Service), "service", MaxName)
	e.Environment = e.settleText(cleanLine(e.Environment), "environment", MaxName)
	e.Time = e.settleTime(e.Time, "time")
	e.Until = e.settleTime(e.Until, "until")
	e.settleLabels()
	if len(e.Details) > 0 && (len(e.Details) > MaxDetails || !json.Valid(e.Details)) {
		e.Details = nil
		e.warn("", "details left out: too long, or not JSON")
	}
	e.settleLinks()
	return ""
}

func (a Action) known() bool {
	switch a {
	case Trigger, Acknowledge, Resolve, Change:
		return true
	}
	return false
}

// warn adds a warning, and says so once where no more are added.
func (e *Event) warn(pointer, detail string) {
	switch n := len(e.Warnings); {
	case n < MaxWarnings-1:
		e.Warnings = append(e.Warnings, Warning{pointer, detail})
	case n == MaxWarnings-1:
		e.Warnings = append(e.Warnings, Warning{"", "there are more warnings than are shown"})
	}
}

func (e *Event) settleKey(s, name string) string {
	key, hashed := settleKey(s)
	if hashed {
		e.warn("", name+" replaced by its hash, as it is too long or has control characters")
	}
	return key
}

func (e *Event) settleText(clean, name string, limit int) string {
	if len(clean) <= limit {
		return clean
	}
	e.warn("", fmt.Sprintf("%s cut to %d bytes", name, limit))
	return cut(clean, limit)
}

func (e *Event) settleTime(t time.Time, name string) time.Time {
	t, ok := settleInstant(t)
	if !ok {
		e.warn("", name+" ignored, as its year is out of range")
	}
	return t
}

// settleLabels keeps, of too many labels, the first by name, so that a repeat
// keeps the same ones.
func (e *Event) settleLabels() {
	fine := len(e.Labels) <= MaxLabels
	for name, value := range e.Labels {
		if !fineLabel(name, value) {
			fine = false
			break
		}
	}
	if fine {
		return
	}
	kept := make(map[string]string, min(len(e.Labels), MaxLabels))
	left := 0
	for _, name := range slices.Sorted(maps.Keys(e.Labels)) {
		value := cleanLine(e.Labels[name])
		clean := cleanLine(name)
		switch {
		case clean == "" || len(clean) > MaxName:
			e.warn("", fmt.Sprintf("label %s left out, as its name is empty or longer than %d bytes", quote(clean), MaxName))
			continue
		case len(kept) == MaxLabels:
			left++
			continue
		case len(value) > MaxLabelValue:
			e.warn("", fmt.Sprintf("label %s cut to %d bytes", quote(clean), MaxLabelValue))
			value = cut(value, MaxLabelValue)
		}
		if hasControls(name) || hasControls(e.Labels[name]) {
			e.warn("", fmt.Sprintf("label %s: %s", quote(clean), controlsOut))
		}
		kept[clean] = value
	}
	if left > 0 {
		e.warn("", fmt.Sprintf("%d labels left out, as there are more than %d", left, MaxLabels))
	}
	e.Labels = kept
	if len(kept) == 0 {
		e.Labels = nil
	}
}

func fineLabel(name, value string) bool {
	return name != "" && len(name) <= MaxName && len(value) <= MaxLabelValue && cleanLine(name) == name && cleanLine(value) == value
}

func (e *Event) settleLinks() {
	given := e.Links
	fine := len(given) <= MaxLinks
	for _, l := range given {
		clean, _ := webURL(l.URL)
		fine = fine && clean == l.URL && clean != "" && len(l.Text) <= MaxName && cleanLine(l.Text) == l.Text
	}
	if fine {
		return
	}
	e.Links = nil
	for _, l := range given {
		if note := e.addLink(l.URL, l.Text); note != "" {
			e.warn("", note)
		}
	}
}
