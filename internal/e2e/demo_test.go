package e2e

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// TestLeakDemo plays the demo's story of a leak to its end, and the one that must
// not end well.
func TestLeakDemo(t *testing.T) {
	t.Parallel()
	program(t, "valgrind")
	program(t, "cc")
	tests := []struct {
		name    string
		args    []string
		good    bool
		missing []string
	}{
		{"mended", nil, true, nil},
		{"not mended", []string{"--fault", "no-fix"}, false, []string{"accepted", "deployable", "ticket_closed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, append([]string{"demo", "--story", "leak", "--once", "--json"}, tt.args...)...)
			cmd.Dir = t.TempDir()
			out, err := cmd.Output()
			var at map[string]*string
			if bad := json.Unmarshal(out, &at); bad != nil {
				t.Fatalf("%v, %v\n%s", err, bad, out)
			}
			if (err == nil) != tt.good {
				t.Errorf("%v\n%s", err, out)
			}
			missing := 0
			for _, name := range tt.missing {
				if at[name] == nil {
					missing++
				}
			}
			reached := 0
			for _, when := range at {
				if when != nil {
					reached++
				}
			}
			if missing != len(tt.missing) || reached != 6-missing {
				t.Errorf("%s", out)
			}
		})
	}
}
