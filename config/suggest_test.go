package config

import (
	"testing"

	"pgregory.net/rapid"
)

// TestDistance compares the band with the whole table.
func TestDistance(t *testing.T) {
	whole := func(a, b string) int {
		row := make([]int, len(b)+1)
		for j := range row {
			row[j] = j
		}
		for i := range len(a) {
			diagonal := row[0]
			row[0]++
			for j := range len(b) {
				cost := diagonal
				if a[i] != b[j] {
					cost = 1 + min(diagonal, row[j], row[j+1])
				}
				diagonal, row[j+1] = row[j+1], cost
			}
		}
		return row[len(b)]
	}
	word := rapid.StringMatching(`[abc]{0,9}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, most := word.Draw(t, "a"), word.Draw(t, "b"), rapid.IntRange(1, 4).Draw(t, "most")
		want, got := whole(a, b), distance(a, b, most)
		if want > most && got <= most || want <= most && got != want {
			t.Fatalf("%q to %q is %d, got %d (at most %d)", a, b, want, got, most)
		}
	})
}

func TestSuggest(t *testing.T) {
	known := []string{"policy", "team", "environments", "name"}
	for word, want := range map[string]string{
		"polcy": "policy", "plocy": "policy", "enviroments": "environments", "nme": "name", "nmae": "name", "colour": "", "": "", "x": "", "team": "",
	} {
		if got := suggest(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
