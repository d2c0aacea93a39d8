package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

// A probe is a channel that does what the test tells it to, by address.
type probe struct {
	behave func(ctx context.Context, address string, m notify.Message) error

	mu    sync.Mutex
	sends []probed
}

type probed struct {
	address, key, incident, kind string
	repeat                       int
	at                           time.Time
}

func (p *probe) kind() notify.Kind {
	return notify.Kind{
		Kind: config.Kind{Name: "probe", Via: []string{"probe"}, Address: &config.Field{Name: "address", Required: true}},
		URL:  config.Field{Name: "url"},
		Send: func(ctx context.Context, _ *wire.Client, _ config.Settings, address string, m notify.Message) (notify.Receipt, error) {
			p.mu.Lock()
			p.sends = append(p.sends, probed{address, m.Key, m.IncidentID, m.Kind, m.Repeat, time.Now()})
			p.mu.Unlock()
			if p.behave != nil {
				if err := p.behave(ctx, address, m); err != nil {
					return notify.Receipt{}, err
				}
			}
			return notify.Receipt{Ref: "x"}, nil
		},
		Check: func(string) error { return nil },
	}
}

// pages are the pages that were sent to addresses with a prefix.
func (p *probe) pages(prefix string) (list []probed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sends {
		if s.kind == notify.Page && strings.HasPrefix(s.address, prefix) {
			list = append(list, s)
		}
	}
	return list
}

// people is a configuration in which each named person has a connection, a
// policy, a service and an integration ("key-of-NAME") of her own. The contacts
// are written as in YAML; %s in them is the name.
func people(contacts string, names ...string) string {
	var b strings.Builder
	b.WriteString("organization: shop\ninterrupts: {at_most: unlimited}\nusers:\n")
	each := func(format string) {
		for _, name := range names {
			b.WriteString(strings.ReplaceAll(format, "%s", name))
		}
	}
	each("  %s: " + contacts + "\n")
	b.WriteString("connections:\n")
	each("  %s: {probe: ''}\n")
	b.WriteString("policies:\n")
	each("  %s: {steps: [{notify: [user:%s], wait: 1h}]}\n")
	b.WriteString("services:\n")
	each("  %s: {policy: %s}\n")
	b.WriteString("integrations:\n")
	each("  %s: {kind: muster, key: key-of-%s, service: %s}\n")
	return b.String()
}

const onePager = "{contacts: {pager: {probe: %s, via: %s}}}"

func names(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d", prefix, i))
	}
	return list
}

// TestBulkheads lets one destination hang and another fail, with more waiting
// for each than there are hands: nobody else waits for a page, nor for a later
// one that comes due meanwhile. On a machine that has time it takes 80 ms; five
// seconds are less than any send to the one that hangs may take (20 s), so that
// whoever waited for one of those is found, and a slow machine is not.
func TestBulkheads(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		release := make(chan struct{})
		p := &probe{behave: func(ctx context.Context, address string, _ notify.Message) error {
			switch {
			case strings.HasPrefix(address, "hangs"):
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-release:
					return errors.New("released")
				}
			case strings.HasPrefix(address, "fails"):
				return errors.New("it always fails")
			}
			return nil
		}}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		t.Cleanup(func() { close(release) })
		r.apply(people("{contacts: {pager: {probe: %s, via: %s}, phone: {probe: %s-phone, via: %s}}, notify: {high: [pager, {wait: 2s, by: phone}]}}",
			append(names("other", 20), "hangs", "fails")...))
		for i := range 30 {
			r.trigger("key-of-hangs", fmt.Sprintf("h%d", i), "a page that hangs")
			r.trigger("key-of-fails", fmt.Sprintf("f%d", i), "a page that fails")
		}
		r.wait("the one hangs and the other fails", 5*time.Second, func() bool { return len(p.pages("hangs")) > 0 && len(p.pages("fails")) > 0 })

		begun := time.Now()
		var wg sync.WaitGroup
		for _, name := range names("other", 20) {
			wg.Go(func() { r.trigger("key-of-"+name, "k", "a page of others") })
		}
		wg.Wait()
		r.wait("20 pages of others", 5*time.Second, func() bool { return len(p.pages("other")) >= 20 })
		t.Logf("20 pages of others left within %v", time.Since(begun).Round(time.Millisecond))
		r.wait("the others' second contacts", 10*time.Second, func() bool { return len(p.pages("other")) >= 40 })
		if late := time.Since(begun) - 2*time.Second; late > 5*time.Second {
			t.Errorf("the second contacts were paged %v late", late)
		}
		if n := len(p.pages("hangs")); n > 16 {
			t.Errorf("%d sends to a destination that hangs", n)
		}
	})
}

// TestRefusedPullsNextForward refuses a page: the next contact, due in an hour,
// is paged now, and the one after it keeps its wait.
func TestRefusedPullsNextForward(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{behave: func(_ context.Context, address string, _ notify.Message) error {
			if address == "ana-1" {
				return fmt.Errorf("no such number: %w", wire.ErrRefused)
			}
			return nil
		}}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(people("{contacts: {a: {probe: %s-1}, b: {probe: %s-2}, c: {probe: %s-3}}, notify: {high: [a, {wait: 1h, by: b}, {wait: 2h, by: c}]}}", "ana"))
		inc := r.trigger("key-of-ana", "k", "t").Incident
		r.wait("the second contact is paged", 2*time.Second, func() bool { return len(p.pages("ana-2")) == 1 })
		r.wait("the timeline tells", 2*time.Second, func() bool {
			return strings.Contains(r.timeline(inc), "notify_failed system ana  probe") || strings.Contains(r.timeline(inc), "no such number")
		})
		time.Sleep(300 * time.Millisecond)
		if n := len(p.pages("ana-3")) + len(p.pages("ana-1")); n != 1 {
			t.Errorf("%d pages to the refused contact and the third one, want 1", n)
		}
	})
}

// TestPanickingChannel lets a channel panic. It costs that page alone: it is
// refused, told of, and counted; the person is paged by the next contact, and
// others are paged.
func TestPanickingChannel(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{behave: func(_ context.Context, address string, _ notify.Message) error {
			if address == "ana-1" {
				panic("the password is hunter2hunter2")
			}
			return nil
		}}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(people("{contacts: {a: {probe: %s-1}, b: {probe: %s-2}}, notify: {high: [a, {wait: 1h, by: b}]}}", "ana"))
		inc := r.trigger("key-of-ana", "k", "t").Incident
		r.wait("the second contact is paged", 2*time.Second, func() bool { return len(p.pages("ana-2")) == 1 })
		r.wait("the timeline tells", 2*time.Second, func() bool { return strings.Contains(r.timeline(inc), "notify_failed") })
		if n := len(p.pages("ana-1")); n != 1 {
			t.Errorf("the channel that panics was tried %d times, want once", n)
		}
		if said := r.log.String() + r.timeline(inc); strings.Contains(said, "hunter2") {
			t.Error("what the panic said is in the log or the timeline")
		}
		if !strings.Contains(r.log.String(), "courier_test.go") {
			t.Error("the log has no stack of the panic")
		}
		if n := counter(t, r, "muster_panics_total"); n != 1 {
			t.Errorf("%v panics counted, want 1", n)
		}
	})
}

// counter is the sum of a metric.
func counter(t testing.TB, r *running, name string) (sum float64) {
	t.Helper()
	families, err := r.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// TestAckRaces acknowledges 500 incidents while they page: the first contact at
// once and, refused for now, again; the second about when the acknowledgement
// comes. A page may be in flight when an acknowledgement commits; none begins
// after it, and none is left to be sent.
func TestAckRaces(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		const races = 500
		p := &probe{behave: func(_ context.Context, address string, _ notify.Message) error {
			if strings.HasSuffix(address, "-flaky") {
				return errors.New("try again") // due again in two seconds
			}
			return nil
		}}
		wholly := func(most time.Duration) time.Duration { return most }
		r := start(t, address, options{channels: []notify.Kind{p.kind()}, pace: engine.Pace{Jitter: wholly}})
		users := names("u", 50)
		r.apply(people("{contacts: {a: {probe: %s-flaky, via: %s}, b: {probe: %s-soon, via: %s}, c: {probe: %s-late, via: %s}}, notify: {high: [a, {wait: 20ms, by: b}, {wait: 1500ms, by: c}]}}", users...))

		acked := make([]time.Time, races)
		ids := make([]string, races)
		var wg sync.WaitGroup
		for w := range 10 {
			wg.Go(func() {
				for i := w; i < races; i += 10 {
					ids[i] = r.trigger("key-of-"+users[i%50], fmt.Sprint("k", i), "t").Incident
					time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
					if _, err := r.Do(t.Context(), r.org, ids[i], engine.Command{Do: "acknowledge", By: tester}); err != nil {
						t.Error(err)
					}
					acked[i] = time.Now()
				}
			})
		}
		wg.Wait()
		time.Sleep(2500 * time.Millisecond) // what is due later would be sent by now

		at := map[string]time.Time{}
		for i, id := range ids {
			at[id] = acked[i]
		}
		var late int
		var worst time.Duration
		for _, s := range p.pages("") {
			after := s.at.Sub(at[s.incident])
			if after <= 0 {
				continue
			}
			late++
			worst = max(worst, after)
			if strings.HasSuffix(s.address, "-late") || s.repeat > 0 || after > time.Second {
				t.Errorf("a page to %s (repeat %d) began %v after the acknowledgement", s.address, s.repeat, after)
			}
		}
		t.Logf("%d pages, %d of them in flight when the acknowledgement committed, the last %v after", len(p.pages("")), late, worst)
		if n := number(t, address, `SELECT count(*) FROM outbox WHERE kind = 'page' AND state = 'pending'`); n != 0 {
			t.Errorf("%d pages are still to be sent", n)
		}
		if n := number(t, address, `SELECT count(*) FROM outbox WHERE id LIKE '%/c/2/page' AND attempt > 0`); n != 0 {
			t.Errorf("%d pages were claimed long after the acknowledgement dropped them", n)
		}
		// Some three hundred, mostly. A machine that needs longer for a page than for an
		// acknowledgement has fewer; this asks only that the two met at all.
		if len(p.pages("")) < races/20 {
			t.Errorf("%d pages for %d incidents: nothing raced", len(p.pages("")), races)
		}
	})
}

// TestTwoEngines lets two engines on one PostgreSQL send 300 pages: each once.
func TestTwoEngines(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	p := &probe{}
	users := names("u", 15)
	both := []*running{start(t, address, options{channels: []notify.Kind{p.kind()}}), start(t, address, options{channels: []notify.Kind{p.kind()}})}
	both[0].apply(people(onePager, users...))
	both[1].wait("the other replica has the configuration", 5*time.Second, func() bool { _, err := both[1].SenderByKey("key-of-u0"); return err == nil })
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() { both[i%2].trigger("key-of-"+users[i%15], fmt.Sprint("k", i), "t") })
	}
	wg.Wait()
	both[0].wait("300 pages", 20*time.Second, func() bool { return len(p.pages("")) >= 300 })
	both[0].wait("300 receipts", 20*time.Second, func() bool {
		return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'sent'`) == 300
	})
	time.Sleep(1500 * time.Millisecond) // for one too many
	keys := map[string]int{}
	for _, s := range p.pages("") {
		if keys[s.key]++; keys[s.key] > 1 || s.repeat > 0 {
			t.Errorf("page %s was sent %d times (repeat %d)", s.key, keys[s.key], s.repeat)
		}
	}
	if len(keys) != 300 {
		t.Errorf("%d pages, want 300", len(keys))
	}
	if n := number(t, address, `SELECT count(*) FROM outbox WHERE state = 'sent'`); n != 300 {
		t.Errorf("%d receipts, want 300", n)
	}
}

// TestLease kills an engine between the claim of a page and its receipt. Once
// the lease is over (on SQLite, where there is one process, at once), another
// sends the page again, with the same key, and says that it may be a repeat.
func TestLease(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		release := make(chan struct{})
		first := &probe{behave: func(context.Context, string, notify.Message) error { <-release; return nil }}
		r := start(t, address, options{channels: []notify.Kind{first.kind()}})
		r.apply(people(onePager, "ana"))
		inc := r.trigger("key-of-ana", "k", "t").Incident
		r.wait("the page is being sent", 2*time.Second, func() bool { return len(first.pages("")) == 1 })
		r.kill(sync.OnceFunc(func() { close(release) }))

		second := &probe{}
		r2 := start(t, address, options{channels: []notify.Kind{second.kind()}})
		if r2.store.Dialect() == "postgres" {
			time.Sleep(300 * time.Millisecond)
			if n := len(second.pages("")); n != 0 {
				t.Fatalf("%d pages were sent while the lease held", n)
			}
			sqlOn(t, address, `UPDATE outbox SET lease_until = 1 WHERE state = 'pending'`) // half a minute goes by
		}
		r2.wait("the page is sent again", 5*time.Second, func() bool { return len(second.pages("")) >= 1 })
		time.Sleep(200 * time.Millisecond) // for one too many
		var again []probed
		for _, s := range second.pages("") {
			if s.incident == inc {
				again = append(again, s)
			}
		}
		if len(again) != 1 || again[0].key != first.pages("")[0].key || again[0].repeat != 1 {
			t.Errorf("sent again as %+v, want once, with key %s and repeat 1", again, first.pages("")[0].key)
		}
		r2.wait("its receipt", 2*time.Second, func() bool { return strings.Contains(r2.timeline(inc), "notified") })
	})
}

// TestFaultOfTheDatabase takes a table away for a moment, just when something
// in it comes due. When it is back, nothing wakes the loop that missed it, and
// still it goes on.
func TestFaultOfTheDatabase(t *testing.T) {
	for _, test := range []struct{ table, ana, steps string }{
		{"outbox", "{contacts: {a: {probe: first}, b: {probe: second}}, notify: {high: [a, {wait: 1s, by: b}]}}", "[{notify: [user:ana], wait: 1h}]"},
		{"incidents", "{contacts: {a: {probe: first}}}", "[{notify: [user:ana], wait: 1s}, {notify: [user:bob], wait: 1h}]"},
	} {
		t.Run(test.table, func(t *testing.T) {
			onBoth(t, func(t *testing.T, address string) {
				p := &probe{}
				r := start(t, address, options{channels: []notify.Kind{p.kind()}})
				r.apply(`
organization: shop
users:
  ana: ` + test.ana + `
  bob: {contacts: {a: {probe: second}}}
connections: {probe: {probe: ''}}
policies: {p: {steps: ` + test.steps + `}}
services: {s: {policy: p}}
integrations: {i: {kind: muster, key: the-only-key, service: s}}
`)
				inc := r.trigger("the-only-key", "k", "t").Incident
				r.wait("the first page", 2*time.Second, func() bool { return strings.Contains(r.timeline(inc), "notified") })
				sqlOn(t, address, `ALTER TABLE `+test.table+` RENAME TO away`)
				time.Sleep(2500 * time.Millisecond)
				if n := len(p.pages("second")); n > 0 {
					t.Fatalf("%d pages without the table", n)
				}
				sqlOn(t, address, `ALTER TABLE away RENAME TO `+test.table)
				r.wait("the other page", 5*time.Second, func() bool { return len(p.pages("second")) == 1 })
			})
		})
	}
}

// TestPoison makes 150 incidents unreadable, all due before another: that one
// climbs in time all the same.
func TestPoison(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(`
organization: shop
interrupts: {at_most: unlimited}
users:
  ana: {contacts: {a: {probe: ana}}}
  bob: {contacts: {a: {probe: bob}}}
connections: {probe: {probe: ''}}
policies:
  slow: {steps: [{notify: [user:ana], wait: 1h}]}
  quick: {steps: [{notify: [user:ana], wait: 3s}, {notify: [user:bob], wait: 1h}]}
services: {bad: {policy: slow}, good: {policy: quick}}
integrations:
  bad: {kind: muster, key: key-of-bad, service: bad}
  good: {kind: muster, key: key-of-good, service: good}
`)
		var wg sync.WaitGroup
		for i := range 150 {
			wg.Go(func() { r.trigger("key-of-bad", fmt.Sprint("bad", i), "t") })
		}
		wg.Wait()
		r.wait("the receipts of their pages", 20*time.Second, func() bool {
			return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'sent'`) == 150
		})
		sqlOn(t, address, `UPDATE incidents SET due = 1, body = '{'`)
		r.trigger("key-of-good", "good", "t")
		r.wait("the good one climbs", 6*time.Second, func() bool { return len(p.pages("bob")) == 1 })
		if n := number(t, address, `SELECT count(*) FROM incidents WHERE due = 1`); n != 150 {
			t.Errorf("%d unreadable incidents, want 150", n)
		}
		if n := strings.Count(r.log.String(), "unreadable row"); n > 60 {
			t.Errorf("%d lines of log of them", n)
		}
	})
}

// TestOnePlace lets two things leave for one place at once, slowly. The second
// waits for the first, so that it knows of the message that stands there.
func TestOnePlace(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		var mu sync.Mutex
		refs := []string{}
		at := map[string]int{}
		p := &probe{behave: func(_ context.Context, address string, m notify.Message) error {
			mu.Lock()
			at[address]++
			refs = append(refs, m.Ref)
			both := at[address] > 1
			mu.Unlock()
			time.Sleep(200 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			at[address]--
			if both {
				t.Error("two sends to one place of one incident at once")
			}
			return nil
		}}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		// The page to ana goes to the room of her team, too.
		r.apply(`
organization: shop
users: {ana: {contacts: {pager: {probe: room}}}}
teams: {payments: {members: [ana], room: {probe: room}}}
connections: {probe: {probe: ''}}
policies: {p: {steps: [{notify: [user:ana], wait: 1h}]}}
services: {s: {policy: p, team: payments}}
integrations: {i: {kind: muster, key: the-only-key, service: s}}
`)
		inc := r.trigger("the-only-key", "k", "t").Incident
		r.wait("both receipts", 5*time.Second, func() bool { return strings.Count(r.timeline(inc), "notified") == 2 })
		mu.Lock()
		defer mu.Unlock()
		if len(refs) < 2 || refs[0] != "" || refs[1] != "x" {
			t.Errorf("the sends knew of the messages %q, want none and then the first one's", refs)
		}
	})
}

// TestAckWhileClaimed acknowledges while a page is claimed and waits for its
// turn: it is judged again when its turn comes, and not sent.
func TestAckWhileClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		release := make(chan struct{})
		var begun atomic.Int64
		p := &probe{behave: func(context.Context, string, notify.Message) error { begun.Add(1); <-release; return nil }}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		free := sync.OnceFunc(func() { close(release) })
		t.Cleanup(free)
		// Two contacts that are one place: the second page waits for the first.
		r.apply(people("{contacts: {a: {probe: %s}, b: {probe: %s}}}", "ana"))
		inc := r.trigger("key-of-ana", "k", "t").Incident
		r.wait("both are claimed", 5*time.Second, func() bool {
			return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'pending' AND attempt = 1`) == 2 && begun.Load() == 1
		})
		if _, err := r.Do(t.Context(), r.org, inc, engine.Command{Do: "acknowledge", By: tester}); err != nil {
			t.Fatal(err)
		}
		free()
		r.wait("nothing is left to be sent", 5*time.Second, func() bool {
			return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'pending'`) == 0
		})
		time.Sleep(100 * time.Millisecond)
		if n := len(p.pages("")); n != 1 {
			t.Errorf("%d pages, want the one that was on its way", n)
		}
	})
}

// TestGivesUp lets a receiver fail for days: a page is tried for one day and
// told of as failed, an edit for six hours.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		p := &probe{behave: func(_ context.Context, address string, m notify.Message) error {
			if address == "ana" || down.Load() {
				return errors.New("down")
			}
			return nil
		}}
		r := start(t, ":memory:", options{channels: []notify.Kind{p.kind()}, pace: engine.Pace{GiveUp: 2 * time.Hour, EditFor: 30 * time.Minute, Audit: time.Hour}})
		r.apply(people(onePager, "ana", "bob"))
		begun := time.Now()
		inc := r.trigger("key-of-ana", "k", "t").Incident
		bobs := r.trigger("key-of-bob", "k", "t").Incident
		time.Sleep(time.Minute)
		down.Store(true)
		if _, err := r.Do(t.Context(), r.org, bobs, engine.Command{Do: "acknowledge", By: tester}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * time.Minute)
		pages := p.pages("ana")
		if last := pages[len(pages)-1].at.Sub(begun); last < 118*time.Minute || last > 122*time.Minute {
			t.Errorf("the page was tried until %v after it was due, want two hours", last)
		}
		if !strings.Contains(r.timeline(inc), "notify_failed") {
			t.Error("the timeline does not tell that the page failed")
		}
		p.mu.Lock()
		var last time.Time
		for _, s := range p.sends {
			if s.kind == notify.Update {
				last = s.at
			}
		}
		p.mu.Unlock()
		if d := last.Sub(begun); d < 30*time.Minute || d > 33*time.Minute {
			t.Errorf("an edit was tried until %v after the beginning, want half an hour", d)
		}
		r.end()
	})
}
