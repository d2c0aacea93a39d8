package detect_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/detect"
)

// TestCadence: the usual gap is that of the 99th percentile, rounded up by √2 at
// most, and silence is what is longer than three of them.
func TestCadence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)), 0, 300).Draw(t, "gaps")
		var c detect.Cadence
		at := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
		c.Hear(at)
		for _, g := range gaps {
			at = at.Add(time.Duration(g))
			c.Hear(at)
		}
		usual, known := c.Usual()
		if known != (len(gaps) >= 20) {
			t.Fatalf("after %d gaps known is %v", len(gaps), known)
		}
		if !known {
			if c.Silent(at.Add(1000*time.Hour), 0) {
				t.Fatal("silent, though nothing is known")
			}
			return
		}
		slices.Sort(gaps)
		p99 := time.Duration(gaps[(len(gaps)*99+99)/100-1])
		if usual < p99 || float64(usual) > 1.4143*float64(p99) {
			t.Fatalf("usual is %v, the 99th percentile %v", usual, p99)
		}
		least := time.Duration(rapid.Int64Range(0, int64(10*time.Hour)).Draw(t, "least"))
		limit := max(3*usual, least)
		if c.Silent(at.Add(limit), least) || !c.Silent(at.Add(limit+time.Second), least) {
			t.Fatal("silence does not begin after three usual gaps")
		}
	})
}
