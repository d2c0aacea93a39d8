package incident_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
)

var six = incident.Budget{AtMost: 6, Per: 15 * time.Minute, Gather: 10 * time.Second}

// A person is a model of one who gets pages: what waits at each contact method,
// and what reached them, as the couriers keep it.
type person struct {
	budget  incident.Budget
	due     []*modelPage // in no digest
	digests map[string]*modelDigest
	got     []incident.Interrupt
	left    []*modelPage
}

type modelPage struct {
	contact  string
	critical bool
	due      time.Time
	left     time.Time
	alone    bool
}

type modelDigest struct {
	due   time.Time
	pages []*modelPage
}

// turn judges what waits and carries the judgement out.
func (p *person) turn(now time.Time) {
	queues := map[string]*incident.Queue{}
	queue := func(contact string) *incident.Queue {
		if queues[contact] == nil {
			queues[contact] = &incident.Queue{Contact: contact}
		}
		return queues[contact]
	}
	for _, page := range p.due {
		q := queue(page.contact)
		q.Pages++
		if page.critical {
			q.Critical++
		}
	}
	for contact, d := range p.digests {
		if !d.due.After(now) {
			queue(contact).Digest = true
		}
	}
	var waiting []incident.Queue
	for _, contact := range []string{"mail", "phone", "slack"} {
		if q := queues[contact]; q != nil {
			waiting = append(waiting, *q)
		}
	}
	if len(waiting) == 0 {
		return
	}
	j := p.budget.Judge(now, p.got, waiting)
	// Critical before others, newer before older.
	slices.SortStableFunc(p.due, func(a, b *modelPage) int {
		if a.critical != b.critical {
			if a.critical {
				return -1
			}
			return 1
		}
		return b.due.Compare(a.due)
	})
	take := func(contact string, most int) (taken []*modelPage) {
		p.due = slices.DeleteFunc(p.due, func(page *modelPage) bool {
			if page.contact != contact || len(taken) == most {
				return false
			}
			taken = append(taken, page)
			return true
		})
		return taken
	}
	for _, c := range j.Calls {
		for range c.Singles {
			page := take(c.Contact, 1)[0]
			page.left, page.alone = now, true
			p.got = append(p.got, incident.Interrupt{At: now, Contact: c.Contact, Critical: page.critical})
			p.left = append(p.left, page)
		}
		if c.Digest {
			pages := append(p.digests[c.Contact].pages, take(c.Contact, -1)...)
			told := incident.Interrupt{At: now, Contact: c.Contact}
			for _, page := range pages {
				page.left = now
				told.Critical = told.Critical || page.critical
			}
			p.got = append(p.got, told)
			p.left = append(p.left, pages...)
			delete(p.digests, c.Contact)
		}
	}
	for contact, d := range p.digests {
		if !d.due.After(now) {
			if !j.Again.After(now) {
				panic(fmt.Sprintf("a digest waits and is judged again at %v, now is %v", j.Again, now))
			}
			d.due = j.Again
			d.pages = append(d.pages, take(contact, -1)...)
		}
	}
	for len(p.due) > 0 {
		contact := p.due[0].contact
		if p.digests[contact] == nil {
			p.digests[contact] = &modelDigest{due: j.Again}
		}
		p.digests[contact].pages = append(p.digests[contact].pages, take(contact, -1)...)
	}
}

// TestInterruptBudget: whatever comes, a person is interrupted no more often
// than the budget says in any while of its length; every page leaves exactly
// once, alone or in a digest, within a bounded time; and a critical one that is
// due while nothing critical was told of for that long leaves at that instant.
func TestInterruptBudget(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		b := incident.Budget{AtMost: rapid.IntRange(2, 12).Draw(r, "at most"), Per: 15 * time.Minute, Gather: 10 * time.Second}
		contacts := []string{"mail", "phone", "slack"}[:rapid.IntRange(1, 3).Draw(r, "contacts")]
		p := &person{budget: b, digests: map[string]*modelDigest{}}
		now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		var all []*modelPage
		until := func(end time.Time) { // what is due meanwhile is judged at its instant
			for {
				var first time.Time
				for _, d := range p.digests {
					if first.IsZero() || d.due.Before(first) {
						first = d.due
					}
				}
				if first.IsZero() || first.After(end) {
					break
				}
				now = first
				p.turn(now)
			}
			now = end
		}
		for range rapid.IntRange(1, 60).Draw(r, "arrivals") {
			until(now.Add(time.Duration(rapid.OneOf(rapid.IntRange(0, 2000), rapid.IntRange(0, 400_000)).Draw(r, "pause in ms")) * time.Millisecond))
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 5, 50}).Draw(r, "pages") {
				page := &modelPage{contact: rapid.SampledFrom(contacts).Draw(r, "contact"), critical: rapid.IntRange(0, 4).Draw(r, "critical") == 0, due: now}
				all, p.due = append(all, page), append(p.due, page)
			}
			told := slices.ContainsFunc(p.got, func(i incident.Interrupt) bool { return i.Critical && i.At.After(now.Add(-b.Per)) })
			critical := slices.ContainsFunc(p.due, func(page *modelPage) bool { return page.critical })
			p.turn(now)
			if critical && !told && !slices.ContainsFunc(p.left, func(page *modelPage) bool { return page.critical && page.alone && page.left.Equal(now) }) {
				r.Fatalf("at %v the first critical page did not leave; %d interrupts before", now, len(p.got))
			}
		}
		until(now.Add(time.Hour * 24))

		if len(p.left) != len(all) {
			r.Fatalf("%d of %d pages left", len(p.left), len(all))
		}
		// While a digest waits, newer pages may leave alone by the room it waits for.
		most := 2 * time.Duration(len(contacts)) * b.Per
		for _, page := range all {
			if wait := page.left.Sub(page.due); page.left.IsZero() || wait > most {
				r.Fatalf("a page to %s waited %v, want %v at most", page.contact, wait, most)
			}
		}
		for i := range p.got {
			if j := i + b.AtMost; j < len(p.got) && p.got[j].At.Sub(p.got[i].At) < b.Per {
				r.Fatalf("interrupts %d to %d within %v", i, j, p.got[j].At.Sub(p.got[i].At))
			}
		}
	})
}

// TestInterruptStory is how six in 15 minutes go on under a flood.
func TestInterruptStory(t *testing.T) {
	start := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	p := &person{budget: six, digests: map[string]*modelDigest{}}
	for second := range 20 * 60 {
		now := start.Add(time.Duration(second) * time.Second)
		for range 3 {
			p.due = append(p.due, &modelPage{contact: "slack", critical: second == 400 || second == 401, due: now})
		}
		p.turn(now)
	}
	var got []string
	for _, i := range p.got {
		got = append(got, fmt.Sprint(i.At.Sub(start), " ", i.Critical))
	}
	want := []string{"10s false", "21s false", "32s false", "43s false", "3m13s false", "6m40s true", "15m10s true", "15m43s false", "18m13s false"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	ago := func(contact string, critical bool, all ...time.Duration) (list []incident.Interrupt) {
		for _, d := range all {
			list = append(list, incident.Interrupt{At: now.Add(-d), Contact: contact, Critical: critical})
		}
		return list
	}
	const m = time.Minute
	for _, tt := range []struct {
		name    string
		recent  []incident.Interrupt
		waiting []incident.Queue
		calls   []incident.Call
		again   time.Duration
	}{
		{"a page", nil, []incident.Queue{{Contact: "slack", Pages: 1}}, []incident.Call{{Contact: "slack", Singles: 1}}, 0},
		{"two at once", nil, []incident.Queue{{Contact: "slack", Pages: 2}}, []incident.Call{{Contact: "slack", Singles: 2}}, 0},
		{"one by three contact methods", nil, []incident.Queue{{Contact: "mail", Pages: 1, Critical: 1}, {Contact: "phone", Pages: 1, Critical: 1}, {Contact: "slack", Pages: 1, Critical: 1}},
			[]incident.Call{{Contact: "mail", Singles: 1}, {Contact: "phone", Singles: 1}, {Contact: "slack", Singles: 1}}, 0},
		{"three are gathered", nil, []incident.Queue{{Contact: "slack", Pages: 3}}, nil, 10 * time.Second},
		{"an outage: the critical one first", nil, []incident.Queue{{Contact: "slack", Pages: 20000, Critical: 300}},
			[]incident.Call{{Contact: "slack", Singles: 1}}, 10 * time.Second},
		{"its digest", ago("slack", true, 10*time.Second), []incident.Queue{{Contact: "slack", Pages: 5, Digest: true}},
			[]incident.Call{{Contact: "slack", Digest: true}}, 0},
		{"the fifth waits", ago("slack", true, 8*m, 6*m, 4*m, m), []incident.Queue{{Contact: "slack", Pages: 1}}, nil, 90 * time.Second},
		{"the sixth waits longer", ago("slack", true, 8*m, 7*m, 6*m, 4*m, m), []incident.Queue{{Contact: "slack", Pages: 1}}, nil, 4 * m},
		{"no seventh", ago("slack", true, 14*m, 13*m, 12*m, 11*m, 10*m, m), []incident.Queue{{Contact: "slack", Pages: 1, Critical: 1}}, nil, 2 * m},
		{"the last is for what is critical", ago("slack", false, 14*m, 13*m, 12*m, 11*m, 8*m), []incident.Queue{{Contact: "slack", Pages: 1}}, nil, m},
		{"and that does not wait", ago("slack", false, 9*m, 8*m, 7*m, 6*m, time.Second), []incident.Queue{{Contact: "slack", Pages: 9, Critical: 1}},
			[]incident.Call{{Contact: "slack", Singles: 1}}, 6 * m},
		{"contact methods take turns", ago("slack", true, 9*m, 8*m, 7*m, 3*m),
			[]incident.Queue{{Contact: "slack", Pages: 4, Digest: true}, {Contact: "phone", Pages: 4, Digest: true}},
			[]incident.Call{{Contact: "phone", Digest: true}}, 5 * m},
		{"two in ten seconds, and no third", ago("slack", true, 2*time.Second, 4*time.Second), []incident.Queue{{Contact: "slack", Pages: 1}}, nil, 10 * time.Second},
		{"slowly, one by one", ago("slack", false, 3*m, 2*m), []incident.Queue{{Contact: "slack", Pages: 1}}, []incident.Call{{Contact: "slack", Singles: 1}}, 0},
		{"told of what is critical, the next such are gathered", ago("slack", true, m), []incident.Queue{{Contact: "slack", Pages: 5, Critical: 2}}, nil, 10 * time.Second},
		{"but not for having been told long ago", ago("slack", true, 20*m), []incident.Queue{{Contact: "slack", Pages: 5, Critical: 2}},
			[]incident.Call{{Contact: "slack", Singles: 1}}, 10 * time.Second},
		{"of a budget that was larger", ago("slack", false, 14*m, 13*m, 12*m, 11*m, 10*m, 9*m), []incident.Queue{{Contact: "slack", Pages: 3, Critical: 1}}, nil, 2 * m},
	} {
		j := six.Judge(now, tt.recent, tt.waiting)
		want := incident.Judgement{Calls: tt.calls}
		if tt.again > 0 {
			want.Again = now.Add(tt.again)
		}
		if d := cmp.Diff(want, j); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
