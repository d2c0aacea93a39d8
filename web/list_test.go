package web

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
)

func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.trigger(fmt.Sprintf("disk-%d", i))
	}
	w.ask(200, nil, "responder", "POST", "/api/v1/incidents/3/resolve", "")

	walk := func(path, limit string) (numbers []int64, pages int) {
		after := ""
		for {
			var page struct {
				Incidents []incident.Incident
				Next      string
			}
			w.ask(200, &page, "viewer", "GET", path+"limit="+limit+"&after="+after, "")
			for _, inc := range page.Incidents {
				numbers = append(numbers, inc.Number)
			}
			pages++
			if after = page.Next; after == "" {
				return numbers, pages
			}
		}
	}
	for _, c := range []struct {
		path, limit string
		want        []int64
		pages       int
	}{
		{"/api/v1/incidents?", "3", []int64{7, 6, 5, 4, 3, 2, 1}, 3},
		{"/api/v1/incidents?", "7", []int64{7, 6, 5, 4, 3, 2, 1}, 1},
		{"/api/v1/incidents?open=true&", "2", []int64{7, 6, 5, 4, 2, 1}, 3},
		{"/api/v1/incidents?status=resolved&", "2", []int64{3}, 1},
		{"/api/v1/incidents?service=checkout&", "200", []int64{7, 6, 5, 4, 3, 2, 1}, 1},
		{"/api/v1/incidents?service=other&", "200", nil, 1},
	} {
		got, pages := walk(c.path, c.limit)
		if diff := cmp.Diff(c.want, got); diff != "" || pages != c.pages {
			t.Errorf("%s by %s: %d pages, want %d (-want +got):\n%s", c.path, c.limit, pages, c.pages, diff)
		}
	}

	var entries []int64
	after := ""
	for {
		var page struct {
			Entries []incident.Entry
			Next    string
		}
		w.ask(200, &page, "viewer", "GET", "/api/v1/incidents/3/timeline?limit=2&after="+after, "")
		for _, e := range page.Entries {
			entries = append(entries, e.Seq)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(entries) < 4 || !slices.IsSorted(entries) || entries[0] != 1 || entries[len(entries)-1] != int64(len(entries)) {
		t.Errorf("entries %v", entries)
	}

	var alerts struct{ Next string }
	w.ask(200, &alerts, "viewer", "GET", "/api/v1/alerts?limit=2", "")
	if alerts.Next == "" {
		t.Fatal("no next page of 7 alerts by 2")
	}
	w.ask(422, nil, "viewer", "GET", "/api/v1/incidents?after="+alerts.Next, "").problem(t)
}
