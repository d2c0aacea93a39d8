package gate

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"strings"
)

// maxComment is how long the Markdown gets, in bytes. GitHub takes comments of
// 65,536 characters, GitLab of 1,000,000.
const maxComment = 60_000

// What is shown of a verdict in a comment.
const (
	shownRows    = 50
	shownDetails = 20
	shownText    = 200 // characters of what stands in a cell
)

// writeMarkdown writes a verdict as a comment: one line, a table, and the
// stacks folded. All text of reports stands in code, in one line each: there it
// mentions nobody, is no quick action, and opens no HTML.
func writeMarkdown(to io.Writer, v Verdict, _ View) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "### Gate %s: %s\n\n%s\n\n", code(suiteName(v), shownText), strings.ToUpper(v.Word()), code(v.Reason, 5*shownText))
	if s := v.Source.text(); s != "" {
		fmt.Fprintf(&out, "Judged: %s\n\n", code(s, 5*shownText))
	}
	problems := v.problems()
	for i, problem := range problems {
		if i == shownDetails {
			fmt.Fprintf(&out, "- and %d more\n", len(problems)-i)
			break
		}
		fmt.Fprintf(&out, "- %s\n", code(problem, shownText))
	}
	if len(problems) > 0 {
		out.WriteString("\n")
	}
	s := v.shares()
	markdownTable(&out, s.blocking)
	end := markdownEnd(v, s)
	for i, f := range s.blocking {
		details := f.markdown()
		if i == shownDetails || out.Len()+len(details)+len(end) > maxComment {
			break
		}
		out.WriteString(details)
	}
	out.WriteString(end)
	_, err := to.Write(out.Bytes())
	return err
}

// markdownTable has a row for each finding that blocks, as long as they fill no
// more than half a comment.
func markdownTable(out *bytes.Buffer, blocking []Finding) {
	if len(blocking) == 0 {
		return
	}
	out.WriteString("| Severity | Finding | Place | Owner | Fingerprint |\n|---|---|---|---|---|\n")
	rows := 0
	for _, f := range blocking {
		if rows == shownRows || out.Len() > maxComment/2 {
			break
		}
		rows++
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n",
			cell(string(f.Severity)), cell(f.title()), cell(f.At.place()), cell(strings.Join(f.Owners, " ")), cell(f.Fingerprint))
	}
	if n := len(blocking) - rows; n > 0 {
		fmt.Fprintf(out, "\nand %s more that block.\n", counted(n, "finding"))
	}
	out.WriteString("\n")
}

// markdownEnd is what passes, and what is gone.
func markdownEnd(v Verdict, s share) string {
	var out strings.Builder
	if n := len(s.allowed); n > 0 {
		fmt.Fprintf(&out, "%s within the budget %s.\n\n", counted(n, "new finding"), code(v.Budget.String(), shownText))
	}
	list := func(heading string, n int, line func(i int) string) {
		var lines strings.Builder
		for i := range n {
			if lines.Len() > maxComment/10 {
				fmt.Fprintf(&lines, "… and %d more\n", n-i)
				break
			}
			lines.WriteString(shorten(visible(line(i)), shownText) + "\n")
		}
		if n > 0 {
			out.WriteString(fold(counted(n, "finding")+heading, lines.String()))
		}
	}
	list(" that the baseline accepts", len(s.accepted), func(i int) string { return s.accepted[i].acceptedLine(v) })
	list(" of the baseline not found any more", len(v.Gone), func(i int) string {
		k := v.Gone[i]
		return strings.Join(nonEmpty(k.Fingerprint, k.Kind, k.Where), "  ")
	})
	return out.String()
}

// markdown is a finding in full, folded.
func (f Finding) markdown() string {
	text := printer{view: View{Width: 160}}
	text.finding(f)
	return fold(shorten(visible(f.title()), shownText), strings.TrimPrefix(text.out.String(), "\n"))
}

// fold is text below a heading that opens it. Each line is indented in the block
// of code, so that none ends it or is taken for a quick action.
func fold(heading, text string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<details><summary><code>%s</code></summary>\n\n```text\n", html.EscapeString(heading))
	for line := range strings.Lines(text) {
		b.WriteString("  " + strings.ReplaceAll(line, "```", "'''"))
	}
	b.WriteString("```\n\n</details>\n\n")
	return b.String()
}

// code is text as a span of code, of n characters at most.
func code(s string, n int) string {
	s = strings.TrimSpace(shorten(visible(s), n))
	if s == "" {
		return "–"
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

// cell is code in a table, where a bar begins the next cell if no backslash
// stands before it, and one that does must be no other's.
func cell(s string) string {
	return strings.NewReplacer(`\|`, `\ \|`, `|`, `\|`).Replace(code(s, shownText))
}
