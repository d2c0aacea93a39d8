package engine_test

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/notify"
)

// A spoilt replica goes to the database under a name of its own, by which the
// test takes the right to write from it alone.
type spoilt struct {
	*running
	probe *probe
	admin string
	role  string
}

func startSpoilt(t *testing.T, address, role string, behave func(ctx context.Context, address string, m notify.Message) error) *spoilt {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &spoilt{probe: &probe{behave: behave}, admin: address, role: role + "_of" + u.Path[1:]}
	sqlOn(t, address, `CREATE ROLE `+s.role+` SUPERUSER LOGIN`)
	t.Cleanup(func() { // after the engine has ended
		sqlOn(t, address, `REASSIGN OWNED BY `+s.role+` TO postgres`, `DROP OWNED BY `+s.role, `DROP ROLE `+s.role)
	})
	u.User = url.User(s.role)
	s.running = start(t, u.String(), options{channels: []notify.Kind{s.probe.kind()}, pace: engine.Pace{Stall: time.Minute}}) // a probe that is slow is slow
	return s
}

// mayWrite changes whether the replica's connections may write, from the next
// one on; those that it has are ended, but for the one by which it sends without claims.
func (s *spoilt) mayWrite(may bool) {
	s.t.Helper()
	only := "on"
	if may {
		only = "off"
	}
	sqlOn(s.t, s.admin, `ALTER ROLE `+s.role+` SET default_transaction_read_only = `+only,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+s.role+`'
			AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 7695971 AND objid = 1818323309)`)
}

func (s *spoilt) isBlind() bool { return s.store.Health().Blind() }

// TestBlindBesideTheLiving: a replica that can read and not write sends nothing
// while another one lives, which will send it. (One that had been cut off from the
// database read what was due before it could write again, and sent what another
// claimed in the same moment.)
func TestBlindBesideTheLiving(t *testing.T) {
	t.Parallel()
	address := postgres(t)
	release := make(chan struct{})
	a := startSpoilt(t, address, "living", func(ctx context.Context, _ string, _ notify.Message) error {
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	})
	a.apply(people(onePager, "ana"))
	b := startSpoilt(t, address, "victim", nil)
	b.mayWrite(false)
	b.wait("it is blind", 20*time.Second, b.isBlind)
	const pages = 20 // more than two claims may take for one destination: some are due and nobody has them
	for n := range pages {
		a.trigger("key-of-ana", string(rune('a'+n)), "t")
	}
	a.wait("all hands are full", 20*time.Second, func() bool { return len(a.probe.pages("")) >= 8 })
	time.Sleep(4 * time.Second) // of looks, one a second
	if sent := b.probe.pages(""); len(sent) > 0 {
		t.Errorf("the replica that cannot write sent %+v beside one that lives", sent)
	}
	close(release)
	a.wait("all pages", 20*time.Second, func() bool { return len(a.probe.pages("")) == pages })
	if sent := b.probe.pages(""); len(sent) > 0 {
		t.Errorf("the replica that cannot write sent %+v beside one that lives", sent)
	}
}

// blindPair is two replicas of which none can write, while a second page comes
// due, which one of them sends: the first of those returned.
func blindPair(t *testing.T, behave func(ctx context.Context) error) (sent, other *spoilt) {
	t.Helper()
	address := postgres(t)
	second := func(ctx context.Context, address string, m notify.Message) error {
		if address == "phone" {
			return behave(ctx)
		}
		return nil
	}
	a := startSpoilt(t, address, "one", second)
	a.apply(people("{contacts: {pager: {probe: pager, via: %s}, phone: {probe: phone, via: %s}}, notify: {high: [pager, {wait: 4s, by: phone}]}}", "ana"))
	b := startSpoilt(t, address, "two", second)
	a.trigger("key-of-ana", "k", "t")
	a.wait("the first page", 10*time.Second, func() bool { return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'sent'`) == 1 })
	a.mayWrite(false)
	b.mayWrite(false)
	a.wait("the second page is sent though nobody can write", 30*time.Second, func() bool {
		return len(a.probe.pages("phone"))+len(b.probe.pages("phone")) == 1
	})
	if len(a.probe.pages("phone")) == 1 {
		return a, b
	}
	return b, a
}

// phoned asks how the second page's row is.
func (s *spoilt) phoned(condition string) bool {
	return number(s.t, s.admin, `SELECT count(*) FROM outbox WHERE kind = 'page' AND id LIKE '%phone%' AND `+condition) == 1
}

// TestBlindThenOther: when the database takes writes again, a replica that did
// not send blindly waits for the one that did to say so.
func TestBlindThenOther(t *testing.T) {
	t.Parallel()
	sent, other := blindPair(t, func(context.Context) error { return nil })
	other.mayWrite(true)
	other.wait("it can write", 20*time.Second, func() bool { return !other.isBlind() })
	time.Sleep(1500 * time.Millisecond)
	if pages := other.probe.pages("phone"); len(pages) > 0 {
		t.Errorf("it was sent again before its sender could say so: %+v", pages)
	}
	sent.mayWrite(true)
	sent.wait("the receipt", 20*time.Second, func() bool { return sent.phoned(`state = 'sent' AND attempt = 1`) })
	time.Sleep(2 * time.Second)
	if n := len(sent.probe.pages("phone")) + len(other.probe.pages("phone")); n != 1 {
		t.Errorf("the page came %d times", n)
	}
}

// TestBlindAndGone: one that sent blindly and does not come back is waited for a
// while only; then the page is sent again and says so.
func TestBlindAndGone(t *testing.T) {
	t.Parallel()
	sent, other := blindPair(t, func(context.Context) error { return nil })
	other.mayWrite(true)
	other.wait("it is sent by the other", 30*time.Second, func() bool { return len(other.probe.pages("phone")) == 1 })
	if again := other.probe.pages("phone")[0]; again.repeat != 1 {
		t.Errorf("it came again as repeat %d", again.repeat)
	}
	sent.mayWrite(true)
	sent.wait("it can write", 20*time.Second, func() bool { return !sent.isBlind() })
	time.Sleep(2 * time.Second)
	if n := len(sent.probe.pages("phone")) + len(other.probe.pages("phone")); n != 2 || !other.phoned(`state = 'sent' AND attempt = 2`) {
		t.Errorf("the page came %d times, or has no receipt", n)
	}
}

// TestBlindInFlight: a page that is being sent blindly when the database takes
// writes again is nobody else's.
func TestBlindInFlight(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	sent, other := blindPair(t, func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	sent.mayWrite(true)
	sent.wait("it is adopted", 20*time.Second, func() bool { return sent.phoned(`state = 'pending' AND attempt = 1 AND lease_until > 0`) })
	other.mayWrite(true)
	other.wait("the other can write", 20*time.Second, func() bool { return !other.isBlind() })
	time.Sleep(2 * time.Second)
	close(release)
	sent.wait("the receipt", 10*time.Second, func() bool { return sent.phoned(`state = 'sent' AND attempt = 1`) })
	if n := len(sent.probe.pages("phone")) + len(other.probe.pages("phone")); n != 1 {
		t.Errorf("the page came %d times", n)
	}
}

// TestBlindAndFailed: a blind send that failed may have arrived. What comes after
// it says so.
func TestBlindAndFailed(t *testing.T) {
	t.Parallel()
	var failing atomic.Bool
	failing.Store(true)
	sent, other := blindPair(t, func(context.Context) error {
		if failing.Load() {
			return errors.New("no answer came, and perhaps it arrived")
		}
		return nil
	})
	sent.wait("it failed", 10*time.Second, func() bool { return len(sent.probe.pages("phone")) >= 1 })
	failing.Store(false)
	tries := len(sent.probe.pages("phone"))
	sent.mayWrite(true)
	other.mayWrite(true)
	sent.wait("the receipt", 30*time.Second, func() bool { return sent.phoned(`state = 'sent'`) })
	again := append(sent.probe.pages("phone")[tries:], other.probe.pages("phone")...)
	if len(again) != 1 || again[0].repeat == 0 {
		t.Errorf("after a blind send that failed came %+v, want one that says that it is a repeat", again)
	}
}
