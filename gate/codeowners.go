package gate

import (
	"slices"
	"strings"
)

// A Dialect is whose rules a CODEOWNERS file follows.
type Dialect string

// The dialects.
const (
	GitHub Dialect = "github"
	GitLab Dialect = "gitlab"
)

// CodeownersPlaces are where a repository has its CODEOWNERS file, with slashes
// and from its root; the first that is there counts, and no other.
func CodeownersPlaces(d Dialect) []string {
	if d == GitHub {
		return []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"}
	}
	return []string{"CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"}
}

// Codeowners are the rules of one file. The zero one has none.
type Codeowners struct {
	rules    []ownerRule
	sections []ownerSection
	index    patternIndex
}

// An ownerRule is one line.
type ownerRule struct {
	pattern   pattern
	owners    []string
	section   int
	approvals int
	line      int
	exclude   bool // takes what it matches out of its section
}

type ownerSection struct {
	name     string // "" for the rules of no section
	optional bool
}

// Ownership says who owns a path by one section of the file.
type Ownership struct {
	Section   string   // "" for the rules of no section; GitHub knows no sections
	Owners    []string // as they are written; none: a rule says that it is nobody's
	Optional  bool     // the section's approval may be missing
	Approvals int      // how many of them must approve
	Line      int      // of the rule, from 1
}

// A Problem is a line that does not say what its author meant, in all likelihood.
type Problem struct {
	Line int // from 1; 0: the whole file
	Why  string
}

// ParseCodeowners reads a CODEOWNERS file as the vendor does: a line that the
// vendor passes over is passed over and told of.
func ParseCodeowners(d Dialect, text []byte) (Codeowners, []Problem) {
	r := codeownersReader{}
	if d == GitHub {
		r.github(string(text))
	} else {
		r.gitlab(string(text))
	}
	for i, rule := range r.rules {
		r.index.add(rule.pattern, i)
	}
	return r.Codeowners, r.problems
}

// A codeownersReader collects what reading one file gives.
type codeownersReader struct {
	Codeowners
	problems []Problem
}

func (r *codeownersReader) problem(line int, why string) {
	r.problems = append(r.problems, Problem{line, why})
}

// ownerLines calls f for each line that is neither empty nor a comment, without
// spaces around it.
func ownerLines(text string, f func(number int, line string)) {
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			f(number, line)
		}
	}
}

// cutPattern parts a line at the first space or tab that no backslash escapes.
func cutPattern(line string) (pattern, rest string) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case ' ', '\t':
			return line[:i], strings.TrimSpace(line[i:])
		}
	}
	return line, ""
}

// Of returns who owns a path of the repository, one Ownership for each section
// that has a rule for it, in the order of the sections. In a section the last
// rule that matches counts.
func (c Codeowners) Of(path string) []Ownership {
	parts := pathParts(path)
	if len(parts) == 0 || len(c.rules) == 0 {
		return nil
	}
	last := make([]int, len(c.sections)) // number of the rule, from 1
	excluded := make([]bool, len(c.sections))
	c.index.each(parts, func(i int) {
		rule := &c.rules[i]
		switch s := rule.section; {
		case excluded[s] || !rule.exclude && i < last[s]:
		case !rule.pattern.match(parts):
		case rule.exclude:
			excluded[s] = true
		default:
			last[s] = i + 1
		}
	})
	var out []Ownership
	for s, n := range last {
		if n == 0 || excluded[s] {
			continue
		}
		rule := c.rules[n-1]
		out = append(out, Ownership{
			Section:   c.sections[s].name,
			Owners:    slices.Clone(rule.owners),
			Optional:  c.sections[s].optional,
			Approvals: rule.approvals,
			Line:      rule.line,
		})
	}
	return out
}

// Owners returns the owners of a path by all sections, each once.
func (c Codeowners) Owners(path string) []string {
	var out []string
	for _, o := range c.Of(path) {
		for _, owner := range o.Owners {
			if !slices.Contains(out, owner) {
				out = append(out, owner)
			}
		}
	}
	return out
}

// pathParts are the names in a path from the repository's root.
func pathParts(path string) []string {
	path = strings.Trim(strings.TrimPrefix(path, "./"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// isEmail says whether an owner is written as an address.
func isEmail(s string) bool {
	name, host, ok := strings.Cut(s, "@")
	return ok && name != "" && host != "" && !strings.ContainsAny(host, "@/") && !strings.ContainsAny(name, "/#[]()<>,;:")
}

// isName says whether all of s is letters, digits and the other characters, and
// that it begins with none of the others but _.
func isName(s, others string) bool {
	for i, c := range s {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (!strings.ContainsRune(others, c) || i == 0 && c != '_') {
			return false
		}
	}
	return s != ""
}

// GuessDialect tells whose rules a file follows from its text: GitLab's, if it
// has sections or roles, which GitHub does not know.
func GuessDialect(text []byte) Dialect {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		section := strings.HasPrefix(line, "[") || strings.HasPrefix(line, "^[")
		if section && strings.Contains(line, "]") || !strings.HasPrefix(line, "#") && strings.Contains(line, " @@") {
			return GitLab
		}
	}
	return GitHub
}
