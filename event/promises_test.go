package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/musterhq/muster/event"
)

// broken says which promise an event that Read returned breaks; "" is none.
func broken(e event.Event) string {
	if body := e.AppendJSON(nil); !json.Valid(body) {
		return fmt.Sprintf("its JSON is none: %s", body)
	}
	if why := brokenSizes(e); why != "" {
		return why
	}
	texts := []string{
		e.Key, e.Group, e.Title, e.Source, e.Component, e.Class, e.Service, e.Environment, e.Routing,
		strings.NewReplacer("\n", "", "\t", "").Replace(e.Description),
	}
	for name, value := range e.Labels {
		texts = append(texts, name, value)
	}
	for _, l := range e.Links {
		texts = append(texts, l.URL, l.Text)
		if u, err := url.Parse(l.URL); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Sprintf("link %q", l.URL)
		}
	}
	for _, w := range e.Warnings {
		texts = append(texts, w.Detail)
		if w.Detail == "" || !utf8.ValidString(w.Pointer) {
			return fmt.Sprintf("warning %q", w)
		}
	}
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
			return fmt.Sprintf("text %q", s)
		}
	}
	for _, t := range []time.Time{e.Time, e.Until} {
		if t.Location() != time.UTC || !t.Equal(t.Truncate(time.Microsecond)) || !t.IsZero() && (t.Year() < 1970 || t.Year() > 2261) {
			return fmt.Sprintf("instant %v", t)
		}
	}
	return brokenDetails(e.Details)
}

func brokenSizes(e event.Event) string {
	switch e.Action {
	case event.Trigger, event.Acknowledge, event.Resolve, event.Change:
	default:
		return fmt.Sprintf("action %q", e.Action)
	}
	switch e.Severity {
	case event.SeverityCritical, event.SeverityError, event.SeverityWarning, event.SeverityInfo:
	default:
		return fmt.Sprintf("severity %q", e.Severity)
	}
	tooLong := e.ID != "" || strings.TrimSpace(e.Key) == "" || e.Title == "" ||
		len(e.Key) > event.MaxKey || len(e.Group) > event.MaxKey || len(e.Title) > event.MaxTitle ||
		len(e.Description) > event.MaxDescription || len(e.Source) > event.MaxSource ||
		len(e.Component) > event.MaxName || len(e.Class) > event.MaxName || len(e.Service) > event.MaxName ||
		len(e.Environment) > event.MaxName || len(e.Labels) > event.MaxLabels || len(e.Links) > event.MaxLinks ||
		len(e.Warnings) > event.MaxWarnings || len(e.Details) > event.MaxDetails
	for name, value := range e.Labels {
		tooLong = tooLong || name == "" || len(name) > event.MaxName || len(value) > event.MaxLabelValue
	}
	for _, l := range e.Links {
		tooLong = tooLong || len(l.URL) > event.MaxURL || len(l.Text) > event.MaxName
	}
	if tooLong {
		return "something needed is missing, or something is too long"
	}
	return ""
}

// brokenDetails checks that details are JSON without control characters in any
// string, and that the whole event can be written.
func brokenDetails(details json.RawMessage) string {
	if len(details) == 0 {
		return ""
	}
	d := json.NewDecoder(strings.NewReader(string(details)))
	d.UseNumber()
	for {
		token, err := d.Token()
		if token == nil && err != nil {
			break
		}
		if s, ok := token.(string); ok && strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
			return fmt.Sprintf("details with %q", s)
		}
	}
	if !json.Valid(details) || !utf8.Valid(details) {
		return fmt.Sprintf("details %q", details)
	}
	return ""
}

// misplaced says what is wrong with an error of Read; "" is nothing.
func misplaced(err error, body []byte) string {
	var list event.Errors
	if !errors.As(err, &list) || len(list) == 0 {
		return "it is not Errors"
	}
	lines := strings.Count(string(body), "\n") + 1
	for _, e := range list {
		switch {
		case e.Detail == "" || len(e.Detail) > 300:
			return fmt.Sprintf("detail of %d bytes", len(e.Detail))
		case e.Line < 1 || e.Line > lines || e.Column < 1 || e.Column > len(body)+1:
			return fmt.Sprintf("line %d, column %d", e.Line, e.Column)
		case e.Pointer != "" && e.Pointer[0] != '/', !utf8.ValidString(e.Pointer), !utf8.ValidString(e.Detail):
			return fmt.Sprintf("pointer %q, detail %q", e.Pointer, e.Detail)
		case strings.IndexFunc(e.Detail, unicode.IsControl) >= 0:
			return fmt.Sprintf("control characters in %q", e.Detail)
		}
	}
	return ""
}
