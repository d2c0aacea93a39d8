package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

var update = flag.Bool("update", false, "rewrite the stories with what happens now")

// TestNights plays the stories of testdata/nights: the whole engine but the
// network, with a real SQLite, on the fake clock of synctest. A line that
// begins with "-" is what somebody does; the others are what Muster did.
func TestNights(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/nights/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			configuration, story, ok := strings.Cut(string(want), "\n---\n")
			if !ok {
				t.Fatal("want the configuration, a line ---, and the story")
			}
			var got string
			begun := time.Now()
			synctest.Test(t, func(t *testing.T) { got = configuration + "\n---\n" + playNight(t, configuration, story) })
			t.Logf("played in %v", time.Since(begun).Round(time.Millisecond))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("the night went otherwise (-told +happened):\n%s", d)
			}
		})
	}
}

// night is a story being played.
type night struct {
	t     *testing.T
	e     *engine.Engine
	org   string
	begun time.Time

	mu     sync.Mutex
	log    []string
	faults map[string][]int // statuses that a host answers next
}

// playNight acts out the lines that begin with "-" and returns the story as it
// happened.
func playNight(t *testing.T, configuration, story string) string {
	st, err := store.Open(t.Context(), ":memory:", nil)
	if err != nil {
		t.Fatal(err)
	}
	n := &night{t: t, begun: time.Now(), faults: map[string][]int{}}
	n.e = newTestEngine(t, st, n)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.e.Run(ctx) }()
	synctest.Wait()
	applied, err := n.e.Apply(ctx, "", []config.File{{Name: "night.yaml", Body: []byte(configuration)}}, incident.Engine)
	if err != nil {
		stop()
		<-ended
		st.Close()
		t.Fatal(err)
	}
	if n.org, err = n.e.Organization(applied.Organization); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(strings.NewReader(story))
	for scan.Scan() {
		line := scan.Text()
		if !strings.HasPrefix(line, "- ") {
			continue
		}
		at, what, _ := strings.Cut(strings.TrimPrefix(line, "- "), " ")
		n.until(at)
		n.add(line)
		if err := n.act(ctx, strings.Fields(what)); err != nil {
			n.add(fmt.Sprintf("  %s told: %v", n.clock(), err))
		}
		synctest.Wait()
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	n.checkFolds(st)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	sortInstants(n.log)
	return strings.Join(n.log, "\n") + "\n"
}

// sortInstants puts what Muster did at one instant, to several destinations at
// once, into the order of the alphabet.
func sortInstants(log []string) {
	for i := 0; i < len(log); {
		j := i + 1
		if !strings.HasPrefix(log[i], "- ") {
			clock, _, _ := strings.Cut(strings.TrimSpace(log[i]), " ")
			for j < len(log) && strings.HasPrefix(log[j], "  "+clock+" ") {
				j++
			}
			slices.Sort(log[i:j])
		}
		i = j
	}
}

// newTestEngine makes an engine whose network is the given one.
func newTestEngine(t *testing.T, st *store.Store, network http.RoundTripper) *engine.Engine {
	key, err := seal.ParseKey(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	return engine.New(engine.Deps{
		Pace: engine.Pace{Audit: 10 * time.Minute, Jitter: func(most time.Duration) time.Duration { return most }}, // stories happen the same way each time

		Store: st, Wire: wire.New(wire.Options{Now: time.Now, Transport: network}), Channels: notify.Kinds, Steps: runbook.Steps,
		Trackers: ticket.Trackers, Kinds: engine.KindsOf(notify.Kinds, runbook.Steps, ticket.Trackers), Key: key, Keep: store.Keep{Tombstones: time.Hour},
	})
}

func (n *night) clock() string {
	d := time.Since(n.begun)
	s := fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
	if sec := int(d.Seconds()) % 60; sec != 0 {
		s += fmt.Sprintf(":%02d", sec)
	}
	return s
}

func (n *night) until(clock string) {
	time.Sleep(time.Until(n.at(clock)))
	synctest.Wait()
}

// at is the instant of a time of the night.
func (n *night) at(clock string) time.Time {
	var h, m, s int
	if k, _ := fmt.Sscanf(clock, "%d:%d:%d", &h, &m, &s); k < 2 {
		n.t.Fatalf("time %q: want 03:15 or 03:15:20", clock)
	}
	return n.begun.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second)
}

func (n *night) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, line)
}

// RoundTrip is the network: every person has a pager of their name.
func (n *night) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var m struct {
		Type string `json:"type"`
		Data struct {
			Incident struct {
				Number int64
				Status string
			}
		} `json:"data"`
	}
	json.Unmarshal(body, &m)
	status := http.StatusNoContent
	n.mu.Lock()
	if f := n.faults[r.URL.Host]; len(f) > 0 {
		status, n.faults[r.URL.Host] = f[0], f[1:]
	}
	n.mu.Unlock()
	person, _, _ := strings.Cut(r.URL.Host, ".")
	kind := m.Type
	if i := strings.LastIndexByte(kind, '.'); i >= 0 {
		kind = kind[i+1:]
	}
	text := fmt.Sprintf("  %s %s %s #%d %s", n.clock(), kind, person, m.Data.Incident.Number, m.Data.Incident.Status)
	if status >= 300 {
		text += " -> " + strconv.Itoa(status)
	}
	n.add(text)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// act does what a line says.
func (n *night) act(ctx context.Context, words []string) error {
	if words[0] == "fail" { // fail HOST STATUS…
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, w := range words[2:] {
			status, err := strconv.Atoi(w)
			if err != nil {
				return err
			}
			n.faults[words[1]] = append(n.faults[words[1]], status)
		}
		return nil
	}
	// trigger KEY SEVERITY TITLE… / promise KEY DURATION SEVERITY TITLE… (to repeat it within that) / taken KEY (their acknowledgement) / clear KEY
	if slices.Contains([]string{"trigger", "promise", "taken", "clear"}, words[0]) {
		ev := event.Event{Action: event.Resolve, Key: words[1], Title: words[1], Severity: event.SeverityError}
		switch words[0] {
		case "taken":
			ev.Action = event.Acknowledge
		case "promise":
			d, err := time.ParseDuration(words[2])
			if err != nil {
				return err
			}
			ev.Until = time.Now().Add(d)
			words = words[1:]
			fallthrough
		case "trigger":
			ev.Action, ev.Severity, ev.Title = event.Trigger, event.Severity(words[2]), strings.Join(words[3:], " ")
		}
		if host, _, ok := strings.Cut(ev.Key, "."); ok { // web1.cpu is of host web1
			ev.Labels = map[string]string{"host": host}
		}
		body, err := json.Marshal(ev)
		if err != nil {
			return err
		}
		from, err := n.e.SenderByKey("the-night-key")
		if err != nil {
			return err
		}
		_, err = n.e.Intake(ctx, from, []event.Event{ev}, body)
		return err
	}
	if words[0] == "override" { // override SCHEDULE USER FROM TO, by the night's clock
		_, err := n.e.AddOverride(ctx, n.org, words[1], words[2], n.at(words[3]), n.at(words[4]), incident.Cause{Actor: "user:" + incident.Actor(words[2]), Origin: "api"})
		return err
	}
	// USER acknowledges|resolves|snoozes|reassigns|escalates|notes #N …
	number, err := strconv.ParseInt(strings.TrimPrefix(words[2], "#"), 10, 64)
	if err != nil {
		return err
	}
	inc, err := n.e.Store.IncidentByNumber(ctx, n.org, number)
	if err != nil {
		return err
	}
	c := engine.Command{By: incident.Cause{Actor: incident.Actor("user:" + words[0]), Origin: "api"}}
	switch words[1] {
	case "acknowledges", "resolves", "escalates":
		c.Do, c.Text = strings.TrimSuffix(words[1], "s"), strings.Join(words[3:], " ")
	case "notes":
		c.Do, c.Text = "note", strings.Join(words[3:], " ")
	case "snoozes":
		d, err := time.ParseDuration(words[3])
		if err != nil {
			return err
		}
		c.Do, c.Until = "snooze", time.Now().Add(d)
	case "reassigns":
		c.Do, c.Targets = "reassign", words[3:]
	default:
		return fmt.Errorf("nobody can %q", words[1])
	}
	_, err = n.e.Do(ctx, n.org, inc.ID, c)
	return err
}

// checkFolds compares every incident's row with the fold of its timeline.
func (n *night) checkFolds(st *store.Store) {
	all, err := st.Incidents(n.t.Context(), n.org, store.IncidentFilter{Limit: 1000})
	if err != nil {
		n.t.Fatal(err)
	}
	for _, inc := range all {
		entries, err := st.Timeline(n.t.Context(), n.org, inc.ID, 0, 100000)
		if err != nil {
			n.t.Fatal(err)
		}
		folded := incident.Fold(inc.ID, inc.Org, entries)
		folded.Version = inc.Version
		if d := cmp.Diff(inc, folded); d != "" {
			n.t.Errorf("incident #%d is not the fold of its timeline (-row +fold):\n%s", inc.Number, d)
		}
	}
}
