package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/store"
)

// TestGateShuts: it opens for a time, what is under way when it shuts is cut off,
// and it opens again.
func TestGateShuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newSendGate()
		if !errors.Is(g.check(), errStarts) {
			t.Error("it is open before anything opened it")
		}
		if g.open(time.Now().Add(-time.Second)) || g.check() == nil {
			t.Error("an instant that is over opened it")
		}
		if !g.open(time.Now().Add(5*time.Second)) || g.check() != nil {
			t.Error("it does not open")
		}
		sending, cancel := g.attend(t.Context())
		defer cancel()
		time.Sleep(4 * time.Second)
		if g.open(time.Now().Add(5 * time.Second)) {
			t.Error("it says that it was shut")
		}
		time.Sleep(4 * time.Second)
		if sending.Err() != nil || g.check() != nil {
			t.Error("it shut although it was opened for longer")
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if cause := context.Cause(sending); !errors.Is(cause, errHandedBack) || !errors.Is(cause, errUnheard) {
			t.Errorf("it shut, and what is under way ended with %v", cause)
		}
		late, cancel := g.attend(t.Context())
		defer cancel()
		synctest.Wait()
		if late.Err() == nil {
			t.Error("something may begin though it is shut")
		}
		if !g.open(time.Now().Add(time.Second)) {
			t.Error("it does not open again")
		}
		g.close(ErrSkewed)
		if !errors.Is(g.check(), ErrSkewed) {
			t.Error("it does not say why it is shut")
		}
		g.open(time.Time{})
		time.Sleep(1000 * time.Hour)
		if g.check() != nil {
			t.Error("for ever is over")
		}
	})
}

// TestBefore: a machine that was suspended has lost its lease, though its
// monotonic clock stood still.
func TestBefore(t *testing.T) {
	at := time.Now()
	until := at.Add(5 * time.Second)
	if !before(at, until) || before(until, until) || before(until.Add(1), until) {
		t.Error("the bounds are wrong")
	}
	if before(at.Round(0).Add(time.Minute), until) { // only the wall's clock has gone on
		t.Error("a minute of suspension was not seen")
	}
}

// TestReach: a replica is cut off when several destinations fail or keep silent,
// and nothing answers; one destination that fails is that one's fault.
func TestReach(t *testing.T) {
	begin := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	lost := &net.OpError{Op: "dial", Err: errors.New("refused")}
	type send struct {
		to          string
		from, until float64 // 0: it goes on
		err         error
	}
	for _, tt := range []struct {
		name  string
		sends []send
		look  float64
		want  bool
	}{
		{"nothing was sent", nil, 10, false},
		{"one destination fails again and again", []send{{"a", 1, 2, lost}, {"a", 2, 3, lost}, {"a", 3, 4, lost}}, 5, false},
		{"two fail", []send{{"a", 1, 2, lost}, {"b", 1, 2, lost}}, 3, true},
		{"two fail, and one answers after them", []send{{"a", 1, 2, lost}, {"b", 1, 2, lost}, {"c", 1, 3, nil}}, 3, false},
		{"a refusal is an answer", []send{{"a", 1, 2, lost}, {"b", 1, 2, fmt.Errorf("%w: 404", wire.ErrRefused)}}, 3, false},
		{"an error of the server is an answer", []send{{"a", 1, 2, lost}, {"b", 1, 2, errors.New("500")}}, 3, false},
		{"two failed, but long ago", []send{{"a", 1, 2, lost}, {"b", 1, 40, lost}}, 41, false},
		{"two keep silent", []send{{"a", 1, 0, nil}, {"b", 1, 0, nil}}, 6, true},
		{"two keep silent, not for long yet", []send{{"a", 1, 0, nil}, {"b", 1, 0, nil}}, 4, false},
		{"two are slow, and others answer", []send{{"a", 1, 0, nil}, {"b", 1, 0, nil}, {"c", 5, 6, nil}}, 7, false},
		{"one fails and one keeps silent", []send{{"a", 1, 2, lost}, {"b", 1, 0, nil}}, 6, true},
		{"what was handed back tells nothing", []send{{"a", 1, 2, errHandedBack}, {"b", 1, 2, lost}}, 3, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReach()
			for _, s := range tt.sends {
				ended := r.begin(s.to, at(s.from))
				if s.until > 0 {
					ended(s.err, at(s.until))
				}
			}
			if got := r.look(at(tt.look)); got != tt.want {
				t.Errorf("cut off: %v", got)
			}
		})
	}

	r := newReach()
	r.begin("a", at(1))(lost, at(2))
	r.begin("b", at(1))(lost, at(2))
	r.look(at(3))
	if may, next := r.try(at(5)); may || !next.Equal(at(13)) {
		t.Errorf("it may try at once: %v, %v", may, next)
	}
	if may, _ := r.try(at(13)); !may {
		t.Error("it may never try")
	}
	if may, _ := r.try(at(13.1)); may {
		t.Error("it tries twice")
	}
	r.begin("a", at(14))(nil, at(15))
	if r.cut() || r.look(at(15)) {
		t.Error("an answer does not end it")
	}
}

// TestSkew: a replica whose clock is wrong leaves the work to those whose is right;
// where none is, the eldest works all the same, and nobody else.
func TestSkew(t *testing.T) {
	replica := func(id string, started int, skew time.Duration, offline bool) store.Replica {
		return store.Replica{ID: id, StartedAt: time.Unix(int64(started), 0), Skew: skew, Offline: offline}
	}
	right, wrong := 10*time.Millisecond, -3*time.Second
	for _, tt := range []struct {
		name   string
		me     store.Replica
		others []store.Replica
		may    bool
	}{
		{"right, alone", replica("a", 1, right, false), nil, true},
		{"wrong, alone", replica("a", 1, wrong, false), nil, true},
		{"wrong among right ones", replica("a", 1, wrong, false), []store.Replica{replica("b", 2, right, false)}, false},
		{"right among wrong ones", replica("a", 9, right, false), []store.Replica{replica("b", 2, wrong, false)}, true},
		{"all wrong, the eldest", replica("a", 1, wrong, false), []store.Replica{replica("b", 2, 5*time.Second, false)}, true},
		{"all wrong, not the eldest", replica("a", 3, wrong, false), []store.Replica{replica("b", 2, 5*time.Second, false)}, false},
		{"all wrong, of one age", replica("b", 1, wrong, false), []store.Replica{replica("a", 1, wrong, false)}, false},
		{"the right one reaches nobody", replica("a", 1, wrong, false), []store.Replica{replica("b", 2, right, true)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := mayNot(tt.me, tt.others)
			if (err == nil) != tt.may || err != nil && !errors.Is(err, ErrSkewed) {
				t.Errorf("may: %v", err)
			}
		})
	}
}

// TestMeasure: the clocks are compared as they are in the middle of the question,
// and a question that took long tells nothing.
func TestMeasure(t *testing.T) {
	e := &Engine{replica: newReplica(true), metrics: newMetrics()}
	begun := time.Now()
	skew := func() time.Duration { return time.Duration(e.replica.skew.Load()) * time.Microsecond }
	e.measure(begun, begun.Add(200*time.Millisecond), begun.Add(3100*time.Millisecond).UTC())
	if skew() != 3*time.Second {
		t.Errorf("the database is ahead by 3 s, and it says %v", skew())
	}
	e.measure(begun, begun.Add(30*time.Second), begun.UTC())
	if skew() != 3*time.Second {
		t.Errorf("after a question of 30 s it says %v", skew())
	}
	e.measure(begun, begun.Add(2*time.Millisecond), begun.Add(time.Millisecond).UTC())
	if skew().Abs() > time.Millisecond {
		t.Errorf("the clocks are alike, and it says %v", skew())
	}
}

// TestOwnSilence: who heard nothing itself for a while gives the others as long
// again before it takes from them; a beat that is a little late changes nothing.
func TestOwnSilence(t *testing.T) {
	begin := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return begin.Add(time.Duration(s * float64(time.Second))) }
	for _, tt := range []struct {
		name  string
		beats []float64
		seen  float64 // the other one
		want  bool
	}{
		{"it fell silent while we heard", []float64{1, 2, 3, 4, 5, 6, 7, 8}, 2, true},
		{"not for long enough", []float64{1, 2, 3, 4, 5, 6, 7, 8}, 2.1, false},
		{"we began to hear after its end", []float64{30}, 2, true},
		{"one beat of ours failed", []float64{1, 2, 4, 5, 6, 7, 8}, 2, true},
		{"nobody could write", []float64{1, 30}, 1, false},
		{"nobody could write, and it does not come back", []float64{1, 30, 31, 32, 33, 34, 35, 36}, 1, true},
	} {
		r := &replica{}
		for _, b := range tt.beats {
			r.hears(at(b))
		}
		if got := r.isDead(store.Replica{SeenAt: at(tt.seen)}, at(tt.beats[len(tt.beats)-1])); got != tt.want {
			t.Errorf("%s: dead: %v", tt.name, got)
		}
	}
}
