// Package knowledge holds the handbook: a page for each class of defect that a
// gate finds. It knows the text and nothing of who reads it.
package knowledge

import (
	"embed"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Page returns the page of a class as Markdown, and whether there is one.
func Page(class string) (text string, ok bool) {
	body, err := pages.ReadFile(class + ".md")
	return string(body), err == nil
}

// Title is the heading of a page.
func Title(page string) string {
	first, _, _ := strings.Cut(page, "\n")
	return strings.TrimPrefix(first, "# ")
}

// Summary is the first paragraph of a page, on one line.
func Summary(page string) string {
	_, rest, _ := strings.Cut(page, "\n\n")
	paragraph, _, _ := strings.Cut(rest, "\n\n")
	return strings.Join(strings.Fields(paragraph), " ")
}
