package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/musterhq/muster/docs/knowledge"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/store"
)

// fixesShown is how many earlier fixes a page of the handbook names.
const fixesShown = 20

// Knowledge returns the handbook's page of a class as Markdown, with the defects
// of the class that an organization has mended.
func (e *Engine) Knowledge(ctx context.Context, org string, class gate.Class) (string, error) {
	page, ok := knowledge.Page(string(class))
	if !ok {
		return "", fmt.Errorf("class %q: %w", class, store.ErrNotFound)
	}
	fixes, err := e.Store.MendedDefects(ctx, org, class, fixesShown)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(page, "\n") + "\n\n## Mended here\n\n")
	if len(fixes) == 0 {
		b.WriteString("None yet.\n")
	}
	for _, d := range fixes {
		fmt.Fprintf(&b, "* %s", plainMarkdown(line(d.Title(), 200)))
		if d.FixedFrom.Commit != "" {
			fmt.Fprintf(&b, ", gone with commit %s", plainMarkdown(line(d.FixedFrom.Commit, 100)))
		}
		fmt.Fprintf(&b, " (%s)", d.ClosedAt.Format("2006-01-02"))
		if d.Ticket.URL != "" {
			fmt.Fprintf(&b, ": %s", plainMarkdown(line(d.Ticket.URL, 500)))
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// plainMarkdown takes every meaning from the signs of one line of hostile text.
func plainMarkdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]()<>#+!|&~$^", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
