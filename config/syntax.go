package config

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parserWords begin the messages of the YAML parser proper, whose line numbers
// count from 0; those of its scanner count from 1.
var parserWords = regexp.MustCompile(`^did not find expected (',' or|key|'-' indicator|node content|<)|^found (duplicate|undefined|incompatible)`)

var anchorWords = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// syntaxProblem turns an error of the YAML parser into a Problem. The parser
// quotes the file only where it speaks of an anchor, and that is left out: an
// unquoted password may begin with an asterisk.
func syntaxProblem(file string, body []byte, err error) Problem {
	detail := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := anchorWords.FindStringSubmatch(detail); m != nil {
		p := position(body, bytes.Index(body, []byte("*"+m[1])))
		p.File, p.Detail = file, "is not YAML: an alias (*) without an anchor (&) before it; quote the value if it is text"
		return p
	}
	p := Problem{File: file, Line: 1} // the parser does not name the first line
	if rest, ok := strings.CutPrefix(detail, "line "); ok {
		if number, what, ok := strings.Cut(rest, ": "); ok {
			p.Line, _ = strconv.Atoi(number)
			detail = what
			if parserWords.MatchString(detail) {
				p.Line++
			}
		}
	}
	p.Detail = "is not YAML: " + detail
	lines := bytes.Split(body, []byte("\n"))
	p.Line = min(max(p.Line, 1), len(lines)) // it may count a line after the last
	line := lines[p.Line-1]
	if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; bytes.ContainsRune(indent, '\t') {
		p.Detail = "is not YAML: a tab indents the line; use spaces"
	}
	return p
}

// position returns a Problem at an offset of a file, or at its first line.
func position(body []byte, offset int) Problem {
	if offset < 0 {
		return Problem{Line: 1}
	}
	before := body[:offset]
	return Problem{
		Line:   1 + bytes.Count(before, []byte("\n")),
		Column: 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]),
	}
}
