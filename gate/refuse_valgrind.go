package gate

import (
	"bytes"
	"strings"
)

// refuseValgrind names what belongs to Valgrind and is no report in XML.
func refuseValgrind(head []byte) string {
	text := string(bytes.TrimLeft(head, " \t\r\n"))
	switch {
	case strings.HasPrefix(text, "{") && suppression(text):
		return "the file holds suppressions for Valgrind, and belongs to --suppressions"
	case strings.HasPrefix(text, "# callgrind format"), // and massif's, and cachegrind's
		strings.HasPrefix(text, "desc: ") && (strings.Contains(text, "\ntime_unit: ") || strings.Contains(text, "\nevents: ")):
		return "the file is a profile of Valgrind: it says what was used, not what is wrong"
	case strings.HasPrefix(text, "==") && strings.Contains(text, "== Command: "):
		return "the file is Valgrind's report as text; --xml=yes --xml-file=NAME.%p.xml writes one that can be judged"
	}
	return ""
}

// suppression reports whether the third line of { NAME KIND … } says what tool
// and sort of error is suppressed.
func suppression(text string) bool {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 3 || strings.TrimSpace(lines[0]) != "{" {
		return false
	}
	tools, kind, ok := strings.Cut(strings.TrimSpace(lines[2]), ":")
	return ok && kind != "" && (strings.Contains(tools, "Memcheck") || strings.Contains(tools, "Helgrind") || strings.Contains(tools, "drd") || strings.Contains(tools, "CoreError"))
}
