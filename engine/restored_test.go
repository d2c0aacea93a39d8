package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// pagesOf are the requests that reached a pager since some were read, each as
// its kind, its incident's key, and whether it says that Muster was restored.
func pagesOf(t *testing.T, hook *vendortest.Webhook, since int) (list []string) {
	t.Helper()
	for _, r := range hook.Requests()[since:] {
		var body struct {
			Type     string
			Text     string
			Incident struct{ Title string }
			Facts    json.RawMessage
		}
		if r.Err != nil || json.Unmarshal(r.Body, &body) != nil {
			t.Fatalf("request %s: %v", r.Body, r.Err)
		}
		mark := ""
		if strings.Contains(string(r.Body), "estored") {
			mark = " restored"
		}
		list = append(list, body.Type+" "+body.Incident.Title+mark)
	}
	return list
}

// TestRestored: after a restore nothing that was closed pages anybody, each open
// incident calls its people once and says why, what had been sent is not sent
// again, and no runbook goes on.
func TestRestored(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		hook := vendortest.NewWebhook(time.Now, webhookSecret)
		server := httptest.NewServer(hook)
		t.Cleanup(server.Close)
		r := start(t, address, options{})
		r.apply(`
organization: shop
interrupts: {at_most: unlimited}
users:
  ana: {contacts: {pager: {webhook: ''}}}
connections:
  pager: {webhook: "` + server.URL + `", secret: ` + webhookSecret + `}
policies:
  p: {steps: [{notify: [user:ana], wait: 1h}]}
services:
  s: {policy: p}
integrations:
  i: {kind: muster, key: key-of-i-0123456789, service: s}
`)
		open := map[string]engine.Accepted{}
		for _, key := range []string{"waiting", "held", "asleep", "over", "automated", "begun"} {
			open[key] = r.trigger("key-of-i-0123456789", key, key)
		}
		r.wait("all are paged", 20*time.Second, func() bool { return len(hook.Requests()) == len(open) })
		ana := incident.Cause{Actor: "user:ana", Origin: "test"}
		do := func(key string, c engine.Command) {
			t.Helper()
			c.By = ana
			if _, err := r.Do(t.Context(), r.org, open[key].Incident, c); err != nil {
				t.Fatal(err)
			}
		}
		do("held", engine.Command{Do: "acknowledge"})
		do("asleep", engine.Command{Do: "snooze", Until: time.Now().Add(time.Hour)})
		do("over", engine.Command{Do: "resolve"})
		approved := addRun(t, r, open["automated"].Incident, false)
		begun := addRun(t, r, open["begun"].Incident, true)
		time.Sleep(500 * time.Millisecond) // edits leave
		r.end()

		// A page that waits at the time of the backup, and one that is on its way.
		sqlOn(t, address, `UPDATE outbox SET state = 'pending', lease_until = 0 WHERE kind = 'page' AND incident = '`+open["waiting"].Incident+`'`)
		sqlOn(t, address, `UPDATE outbox SET lease_until = 9000000000000000 WHERE state = 'pending'`)
		var archive bytes.Buffer
		backedUp := time.Now()
		if _, err := store.Backup(t.Context(), address, &archive, store.BackupOptions{Now: backedUp}); err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "restored.db")
		if strings.HasPrefix(address, "postgres") {
			to = postgres(t)
		}
		if _, err := store.Restore(t.Context(), to, bytes.NewReader(archive.Bytes()), store.RestoreOptions{Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
		before := len(hook.Requests())
		again := start(t, to, options{})
		again.wait("people are called", 20*time.Second, func() bool { return len(hook.Requests()) >= before+4 })
		time.Sleep(time.Second) // what is sent too often comes about now
		called := map[string]int{}
		for _, p := range pagesOf(t, hook, before) {
			called[p]++
		}
		want := map[string]int{}
		for _, key := range []string{"waiting", "automated", "begun"} {
			want["incident.page "+key+" restored"] = 1
		}
		for p, n := range want {
			if called[p] != n {
				t.Errorf("%s: %d times", p, called[p])
			}
		}
		for p, n := range called {
			switch {
			case want[p] == n:
			case strings.Contains(p, " held") && strings.Contains(p, "restored") && n == 1:
				want["held"]++
			default:
				t.Errorf("%s: %d times, and it should not", p, n)
			}
		}
		if want["held"] != 1 {
			t.Errorf("whoever held an incident was asked %d times: %v", want["held"], called)
		}
		for key, mark := range map[string]bool{"waiting": true, "held": true, "asleep": true, "over": false, "automated": true, "begun": true} {
			if got := strings.Contains(again.timeline(open[key].Incident), "restored system"); got != mark {
				t.Errorf("%s: its timeline tells of a restore: %v\n%s", key, got, again.timeline(open[key].Incident))
			}
		}
		for run, state := range map[string]runbook.State{approved: runbook.Refused, begun: runbook.Ended} {
			got, err := again.RunByID(t.Context(), again.org, run)
			if err != nil || got.State != state {
				t.Errorf("run %s is %s, %v", run, got.State, err)
			}
			if state == runbook.Ended && (got.Verdict != runbook.Unknown || got.Steps[0].Result.Outcome != runbook.OutcomeUnknown) {
				t.Errorf("the run that was begun: %+v", got)
			}
		}
		if n := number(t, to, `SELECT count(*) FROM restores WHERE judged_at IS NULL`); n != 0 {
			t.Errorf("%d restores are not judged", n)
		}

		// The next start does nothing of the kind.
		again.end()
		before = len(hook.Requests())
		start(t, to, options{})
		time.Sleep(time.Second)
		if more := pagesOf(t, hook, before); len(more) > 0 {
			t.Errorf("the second start sent %q", more)
		}
	})
}

// addRun gives an incident a run that was approved, or of which a step is in
// flight, and that is due in an hour.
func addRun(t *testing.T, r *running, incidentID string, begun bool) string {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	run, err := runbook.New(runbook.Run{
		ID: id.New(at), Organization: r.org, IncidentID: incidentID, Runbook: "fix", Steps: []runbook.StepRun{{Plan: runbook.Plan{Step: "http", Summary: []string{"POST"}}}},
	}, json.RawMessage(`{}`), nil, at)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	run, err = run.Do(runbook.Propose{}, at)
	must(err)
	if begun {
		run, err = run.Do(runbook.Begin{Step: 0, Hash: run.Hash}, at)
		must(err)
	}
	row, err := engine.RowOf(run)
	must(err)
	row.Due = at.Add(time.Hour)
	must(r.store.Write(context.Background(), func(tx *store.Tx) error {
		_, err := tx.AddRun(row)
		return err
	}))
	return run.ID
}

// TestRestoreMillion backs up a million events that were taken in in batches,
// while more come in, and restores them into both kinds of database, each within
// a minute.
func TestRestoreMillion(t *testing.T) {
	if os.Getenv("MUSTER_LONG") == "" {
		t.Skip("long: a million events")
	}
	onBothInTurn(t, func(t *testing.T, address string) {
		const events, batch, keys = 1_000_000, 512, 100_000
		r := start(t, address, options{channels: []notify.Kind{(&probe{}).kind()}})
		r.apply("organization: shop\npolicies:\n  p: {steps: [{notify: [user:ana], wait: 24h}]}\nconnections: {probe: {probe: ''}}\n" +
			"users:\n  ana: {contacts: {a: {probe: ana}}, notify: {high: [{wait: 9h, by: a}]}}\nservices:\n  s: {policy: p}\nintegrations:\n  i: {kind: muster, key: key-of-i-0123456789, service: s, group_by: [host]}\n")
		from, err := r.SenderByKey("key-of-i-0123456789")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		intake := func(n int) {
			list := make([]event.Event, batch)
			body := []byte(strings.Repeat("the body as it came, which differs a little each time: ", 3) + fmt.Sprint(n))
			for i := range list {
				k := (n*batch + i) % keys
				list[i] = event.Event{
					Action: event.Trigger, Key: fmt.Sprint("disk-", k), Title: fmt.Sprintf("disk %d is full", k), Severity: event.SeverityCritical,
					Labels: map[string]string{"host": fmt.Sprint("host-", k%5000), "device": fmt.Sprint("sd", k%7)},
				}
			}
			if _, err := r.Intake(t.Context(), from, list, body); err != nil {
				t.Error(err)
			}
		}
		var next atomic.Int64
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for n := next.Add(1); n <= events/batch+1; n = next.Add(1) {
					intake(int(n))
				}
			})
		}
		senders.Wait()
		t.Logf("%d events taken in within %v", events, time.Since(began).Round(100*time.Millisecond))

		// Commits go on while the backup is made; how long do they take?
		slowest := func(during func()) (worst, median time.Duration) {
			var took []time.Duration
			stop, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				for n := int(next.Load()); ; n++ {
					select {
					case <-stop:
						return
					default:
						at := time.Now()
						intake(n)
						took = append(took, time.Since(at))
					}
				}
			}()
			during()
			close(stop)
			<-ended
			slices.Sort(took)
			return took[len(took)-1], took[len(took)/2]
		}
		worst, median := slowest(func() { time.Sleep(3 * time.Second) })
		t.Logf("a batch of 512 without a backup: median %v, slowest %v", median, worst)
		var archive bytes.Buffer
		began = time.Now()
		worst, median = slowest(func() {
			sum, err := store.Backup(t.Context(), address, &archive, store.BackupOptions{Now: time.Now()})
			if err != nil {
				t.Error(err)
			}
			t.Logf("backup of %d rows, %d MB, within %v", sum.Rows, archive.Len()>>20, time.Since(began).Round(10*time.Millisecond))
		})
		t.Logf("a batch of 512 while it was made: median %v, slowest %v", median, worst)
		r.end()
		for kind, to := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "restored.db"), "postgres": postgres(t)} {
			began = time.Now()
			if _, err := store.Restore(t.Context(), to, bytes.NewReader(archive.Bytes()), store.RestoreOptions{Now: time.Now()}); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			t.Logf("restored into %s within %v", kind, took.Round(10*time.Millisecond))
			if took > time.Minute {
				t.Errorf("%s: longer than a minute", kind)
			}
			if n := number(t, to, `SELECT sum(count) FROM segments`); n < events {
				t.Errorf("%s: %d events", kind, n)
			}
		}
	})
}

// onBothInTurn is onBoth for what is measured.
func onBothInTurn(t *testing.T, test func(t *testing.T, address string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "muster.db")) })
	t.Run("postgres", func(t *testing.T) { test(t, postgres(t)) })
}
