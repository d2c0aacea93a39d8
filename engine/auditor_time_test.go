package engine_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/notify"
)

// foundWithin is how long after it came about the auditor has found what is stuck,
// and mended it or had the operators paged.
const foundWithin = 30 * time.Second

// TestAuditorInTime lets the engine run on a fake clock, in which a look comes
// every 15 seconds, and brings about each kind of stuck state at instants that
// have nothing to do with the looks: each is found, and mended or paged, within 30
// seconds of that clock. The long form does it 50 times each.
func TestAuditorInTime(t *testing.T) {
	rounds := 2
	if os.Getenv("MUSTER_LONG") != "" {
		rounds = 50
	}
	onBoth(t, func(t *testing.T, address string) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC))) // a day for all configurations below
			w := newWard(t, address)
			var all sync.WaitGroup
			kinds := map[string]int{}
			for i, one := range injuries(0) {
				kinds[one.kind]++
				all.Go(func() { w.injure(i, rounds, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			for i, one := range w.plights() {
				kinds[one.kind]++
				all.Go(func() { w.suffer(one, rounds, rand.New(rand.NewPCG(seed, uint64(1000+i)))) })
			}
			all.Wait()
			for _, kind := range engine.AuditKinds() {
				if kinds[kind] == 0 {
					t.Errorf("nothing brings about %s", kind)
				}
			}
			for _, what := range slices.Sorted(maps.Keys(w.took)) {
				list := w.took[what]
				slices.Sort(list)
				t.Logf("%-45s %d times, found in %4.1f s (median), %4.1f s at most", what, len(list), list[len(list)/2].Seconds(), list[len(list)-1].Seconds())
			}
		})
	})
}

// A ward is an engine in which things get stuck.
type ward struct {
	*running
	db    *sql.DB
	traps *trap
	dir   string

	mu   sync.Mutex
	took map[string][]time.Duration // from when it came about to when it was mended or paged
}

// clinic is an organization in which one kind of stuck state is brought about. Where
// it has a schedule "line", a policy and a service use it.
func clinic(org, rest string) string {
	edits := []string{"organization: shop", "organization: " + org, "the-only-key", org + "-the-only-key"}
	if strings.Contains(rest, "schedules:") {
		edits = append(edits, "policies:", "policies:\n  line: {steps: [{notify: [schedule:line], wait: 10h}]}", "services: {", "services: {line: {policy: line}, ")
	}
	return strings.NewReplacer(edits...).Replace(patient) + rest
}

func newWard(t *testing.T, address string) *ward {
	w := &ward{traps: newTrap(), dir: t.TempDir(), took: map[string][]time.Duration{}}
	if err := os.WriteFile(filepath.Join(w.dir, "log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &probe{}
	w.running = start(t, address, options{channels: []notify.Kind{p.kind()}, at: w.traps.at,
		tails: []engine.TailFile{{Organization: "tail", Source: "app", Path: filepath.Join(w.dir, "log")}}})
	w.db = openSQL(t, address)
	t.Cleanup(func() { w.db.Close() })
	for i := range injuries(0) {
		w.apply(clinic(fmt.Sprintf("injured%d", i), ""))
	}
	return w
}

// orgOf returns the id of an organization.
func (w *ward) orgOf(slug string) string {
	org, err := w.Organization(slug)
	if err != nil {
		w.t.Error(err)
	}
	return org
}

// in is the ward for those who work with one organization, or "" of none yet: many
// do so at once.
func (w *ward) in(slug string) *running {
	r := &running{Engine: w.Engine, t: w.t, store: w.store, address: w.address, log: w.log}
	if slug != "" {
		r.org = w.orgOf(slug)
	}
	return r
}

func (w *ward) exec(text string, args ...any) {
	if _, err := w.db.Exec(text, args...); err != nil {
		w.t.Errorf("%s: %v", text, err)
	}
}

// is asks the database for one number, and tells whether it is 1.
func (w *ward) is(query string, args ...any) bool {
	var n int
	if err := w.db.QueryRow(query, args...).Scan(&n); err != nil {
		w.t.Errorf("%s: %v", query, err)
	}
	return n == 1
}

// judge waits until something is so, and fails the test if that takes too long.
func (w *ward) judge(what string, from time.Time, within time.Duration, so func() bool) bool {
	for {
		took := time.Since(from)
		if so() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.took[what] = append(w.took[what], took)
			return true
		}
		if took >= within {
			w.t.Errorf("%s: not within %v", what, took)
			return false
		}
		time.Sleep(min(500*time.Millisecond, within-took))
	}
}

// injure inflicts one of the injuries again and again.
func (w *ward) injure(i, rounds int, random *rand.Rand) {
	org := fmt.Sprintf("injured%d", i)
	r := w.in(org)
	for range rounds {
		one := injuries(time.Now().UnixMicro())[i]
		what := strings.TrimSpace(one.kind + " " + one.name)
		inc := r.trigger(org+"-the-only-key", id.New(time.Now()), what).Incident
		r.bring(inc, one.status)
		time.Sleep(2*time.Second + time.Duration(random.Int64N(int64(15*time.Second)))) // its first page leaves; any phase of the look
		one = injuries(time.Now().UnixMicro())[i]
		begun := time.Now()
		for _, statement := range one.inject {
			w.exec(statement, inc)
		}
		if !w.judge(what, begun, foundWithin, func() bool { return w.is(one.mended, inc) }) {
			w.t.Logf("its timeline:\n%s", r.timeline(inc))
			return
		}
	}
}

// A plight is one way to be stuck that the operators are told of: how it is brought
// about and ended.
type plight struct {
	kind, org string
	begin     func() // when it returns, it is so
	end       func()
	key       string // of the operators' alert
	told      string // slug of the organization whose operators are told; "": its own
}

// suffer lets a plight come about again and again.
func (w *ward) suffer(one plight, rounds int, random *rand.Rand) {
	told := one.told
	if told == "" {
		told = one.org
	}
	org := w.orgOf(told)
	const paged = `SELECT count(DISTINCT a.id) FROM alerts AS a JOIN outbox AS o ON o.incident = a.incident
		WHERE a.org = $1 AND a.integration = 'muster:self' AND a.dedup_key = $2 AND a.newest = 1 AND a.status = 'firing' AND o.kind = 'page' AND o.state = 'sent'`
	const over = `SELECT count(*) FROM alerts WHERE org = $1 AND integration = 'muster:self' AND dedup_key = $2 AND newest = 1 AND status = 'resolved'`
	for range rounds {
		time.Sleep(time.Duration(random.Int64N(int64(15 * time.Second))))
		one.begin()
		ok := w.judge(one.kind+", paged", time.Now(), foundWithin, func() bool { return w.is(paged, org, one.key) })
		one.end()
		if !ok || !w.judge(one.kind+", over", time.Now(), foundWithin, func() bool { return w.is(over, org, one.key) }) {
			return
		}
	}
}

// plights are the kinds that no injury brings about.
func (w *ward) plights() []plight {
	configured := func(org, good, bad string) (begin, end func()) {
		return func() { w.in("").apply(clinic(org, bad)) }, func() { w.in("").apply(clinic(org, good)) }
	}
	var list []plight
	add := func(one plight, good string) {
		w.apply(clinic(one.org, good))
		one.key = "stuck:" + one.key
		list = append(list, one)
	}

	duty := func(layer string) string {
		return fmt.Sprintf("schedules: {line: {timezone: UTC, layers: [{users: [ana]%s}]}}\n", layer)
	}
	begin, end := configured("nobody", duty(""), duty(", until: 2026-01-01"))
	add(plight{kind: "policy_nobody", org: "nobody", key: "policy_nobody:line", begin: begin, end: end}, duty(""))
	begin, end = configured("gap", duty(""), duty(", until: 2026-11-05"))
	add(plight{kind: "schedule_gap", org: "gap", key: "schedule_gap:line", begin: begin, end: end}, duty(""))

	const rule = "rules: {errors: {service: shop, source: logs, ratio: {bad: status >= 500}, above: 50%, window: 10s, lateness: 0s}}\n"
	hear := func(org string, at time.Time) {
		if _, err := w.Logs(w.t.Context(), w.orgOf(org), "app", lines(at, 1, 0, "/")); err != nil {
			w.t.Errorf("lines of %s: %v", org, err)
		}
	}
	talk := func(org string, times int) {
		for range times {
			hear(org, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
	}
	add(plight{kind: "rule_silent", org: "silent", key: "rule_silent:errors",
		begin: func() { talk("silent", 250); time.Sleep(time.Minute) }, // so often that silences are no habit; it is one once it has lasted for a minute
		end:   func() { talk("silent", 1) },
	}, rule)

	ahead := func() context.CancelFunc { // lines come, and all are of an hour that is to come
		ctx, stop := context.WithCancel(context.Background())
		go func() {
			for ctx.Err() == nil {
				hear("late", time.Now().Add(time.Hour))
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}()
		return stop
	}
	var hush context.CancelFunc
	window := 10
	add(plight{kind: "rule_watermark", org: "late", key: "rule_watermark:errors",
		begin: func() {
			window++ // another rule, which begins anew
			w.in("").apply(clinic("late", strings.Replace(rule, "10s", fmt.Sprint(window, "s"), 1)))
			time.Sleep(time.Second)
			hush = ahead()
		},
		end: func() { hush(); time.Sleep(2 * time.Second); talk("late", 2) },
	}, rule)

	panics := strings.Replace(rule, "errors", "defective", 1)
	begin, end = configured("defect", panics, panics+"teams: {all: {members: [ana]}}\n")
	even := false
	add(plight{kind: "rule_stopped", org: "defect", key: "rule_stopped:defective",
		begin: func() { w.traps.set("rule defective", 1); time.Sleep(2 * time.Second) }, // after a turn that failed it pauses for a second
		end: func() {
			if even = !even; even {
				begin()
			} else {
				end()
			}
		},
	}, panics)

	path := filepath.Join(w.dir, "log")
	add(plight{kind: "tail_gone", org: "tail", key: "tail_gone:" + path,
		begin: func() {
			if err := os.Remove(path); err != nil {
				w.t.Error(err)
			}
		},
		end: func() {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				w.t.Error(err)
			}
		},
	}, "")

	inOrg := func(org, text string) func() { return func() { w.exec(text, w.orgOf(org)) } }
	doAll := func(do ...func()) func() {
		return func() {
			for _, f := range do {
				f()
			}
		}
	}
	fresh := func(org string) func() {
		return func() {
			w.in(org).trigger(org+"-the-only-key", id.New(time.Now()), "poisoned")
			time.Sleep(2 * time.Second)
		}
	}
	add(plight{kind: "outbox_quarantined", org: "rows", key: "outbox_quarantined",
		begin: doAll(fresh("rows"), inOrg("rows", `UPDATE outbox SET body = '{' WHERE org = $1 AND state = 'pending' AND incident IN (SELECT incident FROM alerts WHERE integration <> 'muster:self')`)),
		end:   inOrg("rows", `UPDATE outbox SET state = 'cancelled', done_at = 1 WHERE org = $1 AND state = 'quarantined'`),
	}, "")
	const own = `(SELECT incident FROM alerts WHERE integration <> 'muster:self' AND org = $1)`
	add(plight{kind: "incident_quarantined", org: "ruins", key: "incident_quarantined",
		begin: doAll(fresh("ruins"), inOrg("ruins", `UPDATE timeline SET body = '{' WHERE incident IN `+own),
			inOrg("ruins", `UPDATE incidents SET body = '{', due = 1 WHERE id IN `+own)),
		end: doAll(inOrg("ruins", `DELETE FROM outbox WHERE incident IN `+own), inOrg("ruins", `DELETE FROM timeline WHERE incident IN `+own),
			inOrg("ruins", `DELETE FROM incidents WHERE id IN `+own), inOrg("ruins", `DELETE FROM alerts WHERE integration <> 'muster:self' AND org = $1`)),
	}, "")

	reload := func() { // a change of another organization lets the configuration be read anew
		w.in("").apply(clinic("bystander", fmt.Sprintf("teams: {t%d: {members: [ana]}}\n", time.Now().Unix())))
	}
	w.apply(clinic("bystander", ""))
	next := inOrg("wreck", `INSERT INTO revisions (org, number, at, actor, body) SELECT org, number + 1, at, actor, body FROM revisions WHERE org = $1 ORDER BY number DESC LIMIT 1`)
	add(plight{kind: "organization_broken", org: "wreck", key: "organization_broken:wreck", told: "bystander",
		begin: doAll(inOrg("wreck", `UPDATE resources SET body = '{' || body WHERE org = $1 AND kind = 'user' AND slug = 'ana'`), next, reload),
		end:   doAll(inOrg("wreck", `UPDATE resources SET body = substr(body, 2) WHERE org = $1 AND kind = 'user' AND slug = 'ana'`), next, reload),
	}, "")
	return list
}

// TestAuditorWakes: where nothing else wakes them, it is the auditor that lets the
// loops see what is due in the database and that they did not hear of.
func TestAuditorWakes(t *testing.T) {
	t.Parallel()
	address := filepath.Join(t.TempDir(), "muster.db")
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)))
		w := newWard(t, address)
		for i, one := range injuries(0) {
			if one.kind == "outbox_overdue" || one.kind == "run_overdue" {
				w.injure(i, 5, rand.New(rand.NewPCG(1, uint64(i))))
				if n := w.foundStuck(one.kind); n < 5 {
					t.Errorf("found %s %d times, want 5", one.kind, n)
				}
			}
		}
	})
}
