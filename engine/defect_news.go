package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

const (
	newsAfter = 3 * time.Second // so long news wait, so that they can name the tickets
	newsLines = 10              // defects of each sort that a message names
)

// news is what one report tells one team: ids of defects, as many as are named,
// and how many there are.
type news struct {
	Gate, Suite           string
	From                  gate.Source
	New, Returned, Closed tally
}

// A tally is some of many.
type tally struct {
	First []string `json:"first,omitempty"` // ids
	N     int      `json:"n,omitempty"`
}

func (t *tally) add(defectID string) {
	if t.N++; len(t.First) < newsLines {
		t.First = append(t.First, defectID)
	}
}

// tell keeps what a team is to be told of.
func (r *report) tell(d gate.Defect, change string) {
	n := r.news[d.Team]
	if n == nil {
		n = &news{Gate: r.slug, Suite: r.result.Suite, From: r.result.Source}
		r.news[d.Team] = n
	}
	switch change {
	case defectNew:
		n.New.add(d.ID)
	case defectReturned:
		n.Returned.add(d.ID)
	case defectClosed:
		n.Closed.add(d.ID)
	}
}

// sendNews puts one message for each team that has news and a room into the
// outbox.
func (r *report) sendNews() {
	for team, n := range r.news {
		to, ok := r.s.room(team)
		if !ok || n.New.N+n.Returned.N+n.Closed.N == 0 {
			continue
		}
		to.At, to.News = r.at, n
		body, _ := json.Marshal(to) // strings, numbers and an instant: cannot fail
		r.t.Send(store.Outgoing{
			ID: r.done.ID + "/news/" + team, Org: r.s.org.ID, Kind: rowNews, Destination: store.Destination(r.s.org.ID, to.Connection), Place: to.place(),
			Due: r.at.Add(newsAfter), Body: body,
		})
	}
}

// sendNews tells a room of a report, with the tickets as they are now.
func (e *Engine) sendNews(ctx context.Context, s *setup, o store.Outgoing) (outcome, error) {
	var to outward
	if err := json.Unmarshal(o.Body, &to); err != nil || to.News == nil {
		return outcome{}, fmt.Errorf("news: %w: the row is unreadable", wire.ErrRefused)
	}
	kind, ok := s.channel(to.Channel)
	if !ok {
		return outcome{}, fmt.Errorf("channel %q: %w: there is none", to.Channel, wire.ErrRefused)
	}
	text, err := e.newsText(ctx, o.Org, *to.News)
	if err != nil {
		return outcome{}, err
	}
	l, err := e.open(s, to.Connection)
	if err != nil {
		return outcome{}, err
	}
	e.At(stationSending)
	_, err = kind.Send(ctx, l.wire, l.settings, to.Address, notify.Message{
		Key: o.ID, Kind: notify.Note, Organization: s.org.Slug, Service: s.doc.Gates[to.News.Gate].Service,
		Title: to.News.title(), Text: text, Facts: sourceFacts(to.News.From), Repeat: int(o.Attempt) - 1, Now: now(),
	})
	e.heard(o.Org, to.Connection, err)
	return outcome{at: now()}, err
}

func (n news) title() string {
	var parts []string
	for _, p := range []struct {
		t    tally
		what string
	}{{n.New, "new"}, {n.Returned, "back"}, {n.Closed, "gone"}} {
		if p.t.N > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.t.N, p.what))
		}
	}
	return fmt.Sprintf("Gate %s, suite %s: defects: %s", n.Gate, n.Suite, strings.Join(parts, ", "))
}

// newsText has a line for each defect.
func (e *Engine) newsText(ctx context.Context, org string, n news) (string, error) {
	var lines []string
	for _, part := range []struct {
		t    tally
		what string
	}{{n.New, "New"}, {n.Returned, "Back"}, {n.Closed, "Gone"}} {
		for _, id := range part.t.First {
			d, err := e.Store.DefectByID(ctx, org, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return "", err
			}
			text := part.what + ": " + line(d.Title(), 300)
			if d.Ticket.URL != "" {
				text += " " + d.Ticket.URL
			}
			lines = append(lines, text)
		}
		if more := part.t.N - len(part.t.First); more > 0 {
			lines = append(lines, fmt.Sprintf("%s: … and %d more", part.what, more))
		}
	}
	return strings.Join(lines, "\n"), nil
}

// sourceFacts says what was judged.
func sourceFacts(from gate.Source) []notify.Fact {
	facts := []notify.Fact{{Name: "Branch", Value: from.Branch}, {Name: "Commit", Value: from.Commit}, {Name: "Pipeline", Value: from.Pipeline}}
	return slices.DeleteFunc(facts, func(f notify.Fact) bool { return f.Value == "" })
}
