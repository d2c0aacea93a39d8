package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// A ledger holds, outside of the servers, what they have answered 2xx.
type ledger struct {
	mu   sync.Mutex
	file *os.File
}

// A promise is one event that was answered 202.
type promise struct {
	Event    string `json:"event"`
	Alert    string `json:"alert"`
	Incident string `json:"incident"`
	Key      string `json:"key"`
	Body     string `json:"body"` // as sent; "" where it held others too
}

func newLedger(t *testing.T, path string) *ledger {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &ledger{file: f}
}

// add writes a promise; sync makes those that were added durable.
func (l *ledger) add(p promise) error {
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.file.Write(append(line, '\n'))
	return err
}

func (l *ledger) sync() error { return l.file.Sync() }

func readLedger(path string) (promises []promise, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var p promise
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		promises = append(promises, p)
	}
	return promises, lines.Err()
}

// slack is how long a request may be on its way after its sender was killed.
const slack = 500 * time.Millisecond

// judge says what is wrong with the pages that reached the pager, given the
// incidents that must have been paged and the instants of the kills: each
// incident has one page, under one id; it comes again only after a kill, once
// for each, and then says that it is a repeat.
func judge(paged []string, pages []page, kills []time.Time) (wrong []string) {
	due := map[string]int{}
	for _, incident := range paged {
		due[incident] = 1
	}
	return judgeClimbs(due, pages, kills)
}

// judgeClimbs is judge where an incident is due several different pages.
func judgeClimbs(due map[string]int, pages []page, kills []time.Time) (wrong []string) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	ids := map[string]map[string]bool{}  // webhook-ids by incident
	received := map[string][]time.Time{} // by webhook-id
	for _, p := range pages {
		switch {
		case p.wrong != "":
			complain("page %s of incident %s is not believed: %s", p.id, p.incident, p.wrong)
		case p.id == "":
			complain("a page of incident %s has no id", p.incident)
		case due[p.incident] == 0:
			complain("incident %s was paged, and there is none", p.incident)
		}
		if ids[p.incident] == nil {
			ids[p.incident] = map[string]bool{}
		}
		ids[p.incident][p.id] = true
		before := received[p.id]
		if len(before) > 0 {
			if !between(kills, before[len(before)-1].Add(-slack), p.at) {
				complain("page %s came twice, at %v and %v, without a kill between", p.id, clock(before[len(before)-1]), clock(p.at))
			}
			if p.repeat == 0 {
				complain("page %s came again at %v and does not say so", p.id, clock(p.at))
			}
		}
		received[p.id] = append(before, p.at)
	}
	for incident, n := range due {
		if len(ids[incident]) != n {
			complain("incident %s was due %d pages and had %d: %v", incident, n, len(ids[incident]), slices.Sorted(maps.Keys(ids[incident])))
		}
	}
	return wrong
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

func between(kills []time.Time, from, to time.Time) bool {
	for _, k := range kills {
		if k.After(from) && !k.After(to) {
			return true
		}
	}
	return false
}

// TestJudge proves that the judge of the kill tests can find what they look for.
func TestJudge(t *testing.T) {
	zero := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return zero.Add(time.Duration(seconds) * time.Second) }
	kills := []time.Time{at(10), at(20)}
	one := page{at: at(5), id: "i1/0", incident: "i1"}
	repeat := func(seconds int) page { return page{at: at(seconds), id: "i1/0", incident: "i1", repeat: 1} }
	tests := []struct {
		name  string
		pages []page
		wrong int
	}{
		{"as it should be", []page{one}, 0},
		{"never paged", nil, 1},
		{"once again after a kill", []page{one, repeat(11)}, 0},
		{"once again after each kill", []page{one, repeat(11), repeat(40)}, 0},
		{"twice after one kill", []page{one, repeat(11), repeat(13)}, 1},
		{"twice without a kill", []page{one, repeat(6)}, 1},
		{"again, and does not say so", []page{one, {at: at(12), id: "i1/0", incident: "i1"}}, 1},
		{"again under another id", []page{one, {at: at(12), id: "i1/1", incident: "i1"}}, 1},
		{"of nothing that is known", []page{one, {at: at(5), id: "i2/0", incident: "i2"}}, 1},
		{"badly signed", []page{{at: at(5), id: "i1/0", incident: "i1", wrong: "no signature fits"}}, 1},
		{"on its way when its sender was killed", []page{{at: at(10).Add(slack / 2), id: "i1/0", incident: "i1"}, repeat(11)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if wrong := judge([]string{"i1"}, tt.pages, kills); len(wrong) != tt.wrong {
				t.Errorf("found %q, want %d", wrong, tt.wrong)
			}
		})
	}
}
