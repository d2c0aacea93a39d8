package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Budget says how many new findings of each severity may pass; a severity that
// it does not name has none. Unlimited is any number.
type Budget map[Severity]int

// Unlimited stands in a Budget for any number.
const Unlimited = -1

// DefaultBudget lets no defect pass, and what is only worth to be seen always.
func DefaultBudget() Budget {
	return Budget{Critical: 0, Error: 0, Warning: 0, Info: Unlimited}
}

// ParseBudget reads a budget such as "warning=3,info=any". A severity that it
// does not name keeps its number of DefaultBudget.
func ParseBudget(s string) (Budget, error) {
	b := DefaultBudget()
	if strings.TrimSpace(s) == "" {
		return b, nil
	}
	var named []Severity
	for _, item := range strings.Split(s, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(item), "=")
		severity := Severity(strings.TrimSpace(name))
		switch {
		case !ok:
			return nil, fmt.Errorf("budget: %q: write severity=number, such as warning=3 or info=any", item)
		case !slices.Contains(Severities, severity):
			return nil, fmt.Errorf("budget: %q is no severity: one of critical, error, warning, info", name)
		case slices.Contains(named, severity):
			return nil, fmt.Errorf("budget: %s stands twice", severity)
		}
		named = append(named, severity)
		most, err := parseMost(strings.TrimSpace(number))
		if err != nil {
			return nil, fmt.Errorf("budget: %s: %w", severity, err)
		}
		b[severity] = most
	}
	return b, nil
}

func parseMost(s string) (int, error) {
	if s == "any" {
		return Unlimited, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number of findings: 0, 1, 2 … or any", s)
	}
	return n, nil
}

// String writes the budget as ParseBudget reads it, all severities named.
func (b Budget) String() string {
	var items []string
	for _, s := range Severities {
		most := "any"
		if b[s] != Unlimited {
			most = strconv.Itoa(b[s])
		}
		items = append(items, string(s)+"="+most)
	}
	return strings.Join(items, ",")
}
