package gate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseBudget(t *testing.T) {
	tests := []struct {
		in   string
		want Budget
		err  string
	}{
		{"", DefaultBudget(), ""},
		{"warning=3", Budget{Critical: 0, Error: 0, Warning: 3, Info: Unlimited}, ""},
		{" error = 0 , warning=any,info=0", Budget{Critical: 0, Error: 0, Warning: Unlimited, Info: 0}, ""},
		{"warnings=3", nil, "no severity"},
		{"warning", nil, "severity=number"},
		{"warning=-1", nil, "no number"},
		{"warning=1e3", nil, "no number"},
		{"warning=", nil, "no number"},
		{"warning=1,", nil, "severity=number"},
		{"warning=1,warning=2", nil, "twice"},
	}
	for _, tt := range tests {
		got, err := ParseBudget(tt.in)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%q: error %v, want %q", tt.in, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.in, diff)
		}
	}
}

func TestBudgetRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{}
		for _, s := range Severities {
			b[s] = rapid.IntRange(Unlimited, 1000).Draw(t, string(s))
		}
		got, err := ParseBudget(b.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}
