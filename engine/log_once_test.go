package engine_test

import (
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/notify"
)

// TestLogsOnce sends bodies of log lines again, as shippers do that had no
// answer: with a key they are counted once, without one they are counted once
// if the time before was not answered, also across a restart.
func TestLogsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		begin := func() *running {
			return start(t, address, options{channels: []notify.Kind{p.kind()}})
		}
		r := begin()
		r.apply(watched("above: 50%", "above: 99%", "window: 20s", "window: 10m"))
		var want int64
		send := func(key string, body []byte, delivered, counts bool) {
			t.Helper()
			result, answered, err := r.LogsOnce(t.Context(), engine.Sender{Org: r.org, Integration: "shipper"}, "shop", key, body)
			answered(delivered)
			if err != nil || result.Lines != 3 || result.Repeated == counts {
				t.Errorf("%+v, %v; want 3 lines, repeated: %v", result, err, !counts)
			}
			if counts {
				want += 3
			}
		}
		anew := func() []byte { return lines(time.Now(), 3, 1, "/x") }
		const answer, lost, counted, known = true, false, true, false

		body := anew()
		send("", body, answer, counted)
		send("", body, answer, counted) // the same happened twice
		body = anew()
		send("", body, lost, counted)
		send("", body, lost, known)
		send("", body, answer, known)
		send("", body, answer, counted)
		body = anew()
		send("k1", body, answer, counted)
		send("k1", body, answer, known)
		send("k2", body, answer, counted)
		send("", body, answer, counted)

		// Two that are under way at once are two, but with a key.
		body = anew()
		for _, key := range []string{"", "k3"} {
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					_, answered, err := r.LogsOnce(t.Context(), engine.Sender{Org: r.org, Integration: "shipper"}, "shop", key, body)
					if err != nil {
						t.Error(err)
					}
					answered(true)
				})
			}
			both.Wait()
			want += 3
			if key == "" {
				want += 3
			}
		}

		// What was counted before a crash is known after it.
		body, other := anew(), anew()
		send("", body, lost, counted)
		send("", other, answer, counted)
		r.wait("the answered bodies are forgotten", 5*time.Second, func() bool {
			return number(t, address, `SELECT count(*) FROM log_bodies`) == 4 // k1, k2, k3 and the one
		})
		r.end()
		r = begin()
		send("", body, answer, known)
		send("", other, answer, counted)
		send("k1", anew(), answer, counted)
		if _, total := countedOnce(t, r, address, want); total != want {
			t.Errorf("%d lines are counted, want %d", total, want)
		}
	})
}

func countedOnce(t *testing.T, r *running, address string, want int64) (bad, total int64) {
	t.Helper()
	r.wait("the counts", 5*time.Second, func() bool { bad, total = counted(t, address, "errors"); return total >= want })
	return bad, total
}
