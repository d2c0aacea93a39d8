package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/docs/knowledge"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

const (
	ticketStack = 20 // lines of a stack in a ticket
	ticketFixes = 3  // earlier fixes that a ticket names
)

// defectRow is the one row of the outbox that brings a defect's ticket up to
// date. There is one for each defect, so that nobody else writes to the ticket
// meanwhile; what it does is decided when it is sent.
func defectRow(s *setup, d gate.Defect, at time.Time) store.Outgoing {
	t := s.ticketOf(d)
	body, _ := json.Marshal(outward{Connection: t.Connection, Defect: d.ID, At: at}) // strings and an instant: cannot fail
	return store.Outgoing{
		ID: d.ID + "/ticket", Org: s.org.ID, Kind: rowDefect, Destination: store.Destination(s.org.ID, t.Connection), Place: d.ID, Due: at, Body: body,
	}
}

// ticketOf returns where the ticket of a defect is; if there is none yet, where
// the first of its team, its gate and its service wants it. A Kind of "" is
// nowhere.
func (s *setup) ticketOf(d gate.Defect) config.Ticket {
	g := s.doc.Gates[d.Gate]
	var now config.Ticket
	for _, t := range []config.Ticket{s.doc.Teams[d.Team].Ticket, g.Ticket, s.doc.Services[g.Service].Ticket} {
		if now.Kind == "" {
			now = t
		}
	}
	is := d.Ticket
	if is.ID == "" {
		return now
	}
	there := config.Ticket{Kind: is.Kind, Connection: is.Connection, Settings: maps.Clone(is.Settings)}
	if now.Kind == is.Kind && now.Connection == is.Connection && len(now.Secrets) > 0 { // which are not kept with the ticket
		there.Secrets = now.Secrets
		for _, name := range now.Secrets {
			there.Settings[name] = now.Settings[name]
		}
	}
	return there
}

// opened keeps where a ticket is.
func opened(d gate.DefectTicket, t config.Ticket) gate.DefectTicket {
	d.Kind, d.Connection, d.Settings = t.Kind, t.Connection, map[string]string{}
	for name, value := range t.Settings {
		if !slices.Contains(t.Secrets, name) {
			d.Settings[name] = value
		}
	}
	return d
}

// keepTicket brings the ticket of a defect to what is known of the defect now:
// it is there, it is open or closed as the defect is, and its comments tell why.
// Each step can be done again, and is done once.
func (e *Engine) keepTicket(ctx context.Context, s *setup, o store.Outgoing) (outcome, error) {
	var to outward
	if err := json.Unmarshal(o.Body, &to); err != nil {
		return outcome{}, fmt.Errorf("ticket of a defect: %w: %w", wire.ErrRefused, err)
	}
	d, err := e.Store.DefectByID(ctx, o.Org, to.Defect)
	if errors.Is(err, store.ErrNotFound) {
		return outcome{}, errMoot
	}
	if err != nil {
		return outcome{}, err
	}
	where := s.ticketOf(d)
	if where.Kind == "" {
		return outcome{}, fmt.Errorf("ticket of a defect: %w: no tracker is configured for it any more", wire.ErrRefused)
	}
	tracker, l, set, err := e.tracker(s, where)
	if err != nil {
		return outcome{}, err
	}
	e.At(stationSending)
	done, err := e.bringTicket(ctx, s, d, tracker, l, set)
	e.heard(o.Org, l.connection, err)
	if err != nil {
		return outcome{}, err
	}
	done = opened(done, where)
	return outcome{at: now(), store: func(t *store.Tx, s *setup, at time.Time) error {
		d, err := t.Defect(s.org.ID, d.ID) // it may have moved on meanwhile; then the row is due again
		if err != nil {
			return err
		}
		d.Ticket = done
		return t.PutDefects([]gate.Defect{d}, at)
	}}, nil
}

// bringTicket does what a defect's ticket lacks, and returns what it is then.
func (e *Engine) bringTicket(ctx context.Context, s *setup, d gate.Defect, tracker ticket.Tracker, l link, set config.Settings) (gate.DefectTicket, error) {
	done := d.Ticket
	done.Error = ""
	if done.ID == "" {
		fixes, err := e.Store.MendedDefects(ctx, d.Org, d.Class, ticketFixes)
		if err != nil {
			return done, err
		}
		ref, err := tracker.Create(ctx, l.wire, l.settings, set, ticket.Issue{
			Key: ticketKey(s, d), Title: d.Title(), Body: defectText(d, fixes, e.URL),
			Labels: []string{"defect", "class::" + string(d.Class), "team::" + d.Team},
		})
		if err != nil {
			return done, err
		}
		done.ID, done.URL, done.State, done.Told = ref.ID, ref.URL, gate.DefectOpen, d.Asked
		if ref.Closed { // it was there before, and this database does not know of it
			done.State = gate.DefectClosed
		}
	}
	ref := ticket.Ref{ID: done.ID, URL: done.URL}
	comment := func(key, text string) error {
		return tracker.Comment(ctx, l.wire, l.settings, set, ref, d.ID+"/"+key, text)
	}
	switch {
	case d.State == gate.DefectClosed && done.State == gate.DefectOpen:
		if err := comment(fmt.Sprintf("gone/%d", d.Episode), goneText(d)); err != nil {
			return done, err
		}
		if err := tracker.Close(ctx, l.wire, l.settings, set, ref); err != nil {
			return done, err
		}
	case d.State == gate.DefectOpen && done.State == gate.DefectClosed:
		if err := tracker.Reopen(ctx, l.wire, l.settings, set, ref); err != nil {
			return done, err
		}
		if err := comment(fmt.Sprintf("returned/%d", d.Episode), seenText("It is back", d)); err != nil {
			return done, err
		}
	case d.State == gate.DefectOpen && done.Told.Before(d.Asked):
		// Somebody may have closed it by hand, and it is still there.
		if err := tracker.Reopen(ctx, l.wire, l.settings, set, ref); err != nil {
			return done, err
		}
		if err := comment(fmt.Sprintf("seen/%d", d.Asked.Unix()), seenText("It was seen again", d)); err != nil {
			return done, err
		}
	}
	done.State, done.Told = d.State, d.Asked
	return done, nil
}

// ticketKey is by what a defect's ticket is found again. It does not change if
// the database is made anew.
func ticketKey(s *setup, d gate.Defect) string {
	return "defect/" + hash(s.org.Slug + "\x00" + d.Gate + "\x00" + d.Suite + "\x00" + d.Fingerprint)[:40]
}

// defectText is what a ticket says when it is opened.
func defectText(d gate.Defect, fixes []gate.Defect, url string) string {
	lines := []string{
		fmt.Sprintf("%s found a defect of class %s (%s, %s).", d.Tool, d.Class, d.Kind, d.Severity),
		"", d.Message, "", "Where: " + d.Where(),
	}
	if d.Bytes > 0 || d.Blocks > 0 {
		lines = append(lines, fmt.Sprintf("Lost: %d bytes in %d blocks", d.Bytes, d.Blocks))
	}
	lines = append(lines, fmt.Sprintf("Gate: %s, suite %s", d.Gate, d.Suite))
	if d.Owner != "" {
		lines = append(lines, "Owners: "+d.Owner)
	}
	lines = append(lines, "First seen: "+fromText(d.OpenedAt, d.FirstFrom))
	if len(d.Stack) > 0 {
		lines = append(lines, "", "Stack:")
		lines = append(lines, d.Stack[:min(len(d.Stack), ticketStack)]...)
	}
	if url != "" {
		api := strings.TrimSuffix(url, "/") + "/api/v1/"
		lines = append(lines, "", "How to find and mend a defect of this class: "+api+"knowledge/"+string(d.Class), "This defect: "+api+"defects/"+d.ID)
	}
	if page, ok := knowledge.Page(string(d.Class)); ok {
		lines = append(lines, "", knowledge.Title(page)+": "+knowledge.Summary(page))
	}
	for i, f := range fixes {
		if i == 0 {
			lines = append(lines, "", "Defects of this class that were mended here:")
		}
		lines = append(lines, fixText(f))
	}
	return strings.Join(append(lines, "",
		"This ticket is closed by itself when a complete run of the suite on the default branch does not show the defect, and opened again if it returns."), "\n")
}

// fixText names a defect that was mended, and where to see how.
func fixText(d gate.Defect) string {
	text := line(d.Title(), 200)
	if d.FixedFrom.Commit != "" {
		text += ", gone with commit " + d.FixedFrom.Commit
	}
	if d.Ticket.URL != "" {
		text += ": " + d.Ticket.URL
	}
	return text
}

func goneText(d gate.Defect) string {
	return "A complete run on the default branch does not show it any more: " + fromText(d.ClosedAt, d.FixedFrom)
}

func seenText(what string, d gate.Defect) string {
	return fmt.Sprintf("%s: %s\n%d reports have shown it by now.", what, fromText(d.LastSeen, d.LastFrom), d.Seen)
}

// fromText says when and by what a defect was seen, as far as that is known.
func fromText(at time.Time, from gate.Source) string {
	text := instantText(at)
	if from.Branch != "" {
		text += " on branch " + from.Branch
	}
	if from.Commit != "" {
		text += " at commit " + from.Commit
	}
	if from.Pipeline != "" {
		text += " in pipeline " + from.Pipeline
	}
	return text
}

// line is hostile text on one line of so many bytes at most.
func line(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-len("…")], "") + "…"
	}
	if s == "" {
		return "?"
	}
	return s
}

// noteRefusal keeps with a defect why its ticket could not be brought up to date;
// the next report of it tries again.
func (e *Engine) noteRefusal(t *store.Tx, o store.Outgoing, cause error, at time.Time) error {
	var to outward
	if err := json.Unmarshal(o.Body, &to); err != nil {
		return nil // the row is given up, and has said why
	}
	d, err := t.Defect(o.Org, to.Defect)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.Ticket.Error = cause.Error()
	return t.PutDefects([]gate.Defect{d}, at)
}
