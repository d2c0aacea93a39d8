package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// gitlab reads GitLab's rules:
// https://docs.gitlab.com/user/project/codeowners/reference/ and …/advanced/
//
// Each section is judged by itself, and the rules before the first heading are
// one too. Sections whose names differ only in case are one, which is optional
// only if each heading says so. A heading that cannot be read is a rule, a bad
// owner is left out, and a rule without any is kept: it makes what it matches
// nobody's. There are no comments behind a rule: owners in them count.
func (r *codeownersReader) gitlab(text string) {
	r.sections = []ownerSection{{}}
	heading := gitlabHeading{approvals: 1}
	ownerLines(text, func(number int, line string) {
		if h, ok := r.heading(number, line); ok {
			heading = h
			return
		}
		r.gitlabRule(number, line, heading)
	})
}

// A gitlabHeading is what a heading says of the rules below it.
type gitlabHeading struct {
	section   int
	approvals int
	owners    []string
}

// heading reads [name], ^[name], [name][2], each with owners behind it or not.
func (r *codeownersReader) heading(number int, line string) (gitlabHeading, bool) {
	rest, optional := strings.CutPrefix(line, "^")
	rest, ok := strings.CutPrefix(rest, "[")
	if !ok {
		return gitlabHeading{}, false
	}
	name, rest, ok := strings.Cut(rest, "]")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		r.problem(number, "the heading of a section is [name]: GitLab reads the line as a rule of the section before")
		return gitlabHeading{}, false
	}
	h := gitlabHeading{approvals: 1}
	if count, behind, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(count, "[") {
		n, err := strconv.Atoi(count[1:])
		if err != nil || n < 1 {
			r.problem(number, fmt.Sprintf("%q is no number of approvals: GitLab asks for one", clip(count[1:])))
			n = 1
		}
		h.approvals, rest = n, behind
	}
	h.owners = r.gitlabOwners(number, rest)
	h.section = r.section(name, optional)
	return h, true
}

// section returns the number of a section, new or known by another case.
func (r *codeownersReader) section(name string, optional bool) int {
	for i := range r.sections {
		if i > 0 && strings.EqualFold(r.sections[i].name, name) {
			r.sections[i].optional = r.sections[i].optional && optional
			return i
		}
	}
	r.sections = append(r.sections, ownerSection{name, optional})
	return len(r.sections) - 1
}

func (r *codeownersReader) gitlabRule(number int, line string, h gitlabHeading) {
	written, rest := cutPattern(line)
	written, exclude := strings.CutPrefix(written, "!")
	if written == "" {
		r.problem(number, "! stands without a pattern")
		return
	}
	rule := ownerRule{
		pattern: gitlabPattern(written), exclude: exclude,
		section: h.section, approvals: h.approvals, line: number,
	}
	switch {
	case exclude:
	case rest != "":
		rule.owners = r.gitlabOwners(number, rest)
	default:
		rule.owners = h.owners
	}
	if len(rule.owners) == 0 && !exclude {
		r.problem(number, "the rule has no owner: GitLab approves it by itself")
	}
	r.rules = append(r.rules, rule)
}

// gitlabOwners picks the owners out of what stands behind a pattern or heading.
func (r *codeownersReader) gitlabOwners(number int, rest string) (owners []string) {
	for _, word := range strings.Fields(rest) {
		owner := strings.Trim(word, "#(),;:.'\"<>")
		switch {
		case isGitLabOwner(owner):
			if !slices.Contains(owners, owner) {
				owners = append(owners, owner)
			}
		case word[0] == '#':
			r.problem(number, "there are no comments behind a rule: GitLab takes owners from it")
		default:
			r.problem(number, fmt.Sprintf("%q is no owner: @user, @group/subgroup, @@role or an e-mail address; GitLab leaves it out", clip(word)))
		}
	}
	return owners
}

var gitlabRoles = []string{"developer", "developers", "maintainer", "maintainers", "owner", "owners"}

func isGitLabOwner(s string) bool {
	if role, ok := strings.CutPrefix(s, "@@"); ok {
		return slices.Contains(gitlabRoles, strings.ToLower(role))
	}
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return isEmail(s)
	}
	for _, part := range strings.Split(name, "/") {
		if !isName(part, "-_.") {
			return false
		}
	}
	return true
}

// gitlabPattern compiles a pattern as Ruby's fnmatch reads it with FNM_PATHNAME
// and FNM_DOTMATCH: it matches whole paths; ** followed by a slash is any
// folders, and * elsewhere; a slash at the end is all that lies below.
func gitlabPattern(written string) pattern {
	var p pattern
	rest, rooted := strings.CutPrefix(written, "/")
	if !rooted {
		p = append(p, anyFolders())
	}
	names := splitNames(rest)
	for i, name := range names {
		switch last := i == len(names)-1; {
		case last && name == "":
			p = append(p, anyFolders(), anyName())
		case !last && name == "**":
			p = append(p, anyFolders())
		default:
			p = append(p, compileName(name, true))
		}
	}
	return p
}

// splitNames parts a pattern at its slashes, as fnmatch does: not at one in a
// bracket, and also at one behind a backslash.
func splitNames(s string) []string {
	var names []string
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '/':
			names, s, i = append(names, s[:i]), s[i+1:], -1
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '/':
			names, s, i = append(names, s[:i]), s[i+2:], -1
		case s[i] == '\\':
			i++
		case s[i] == '[':
			_, end := compileBracket(s, i+1)
			if end < 0 {
				return append(names, s)
			}
			i = end - 1
		}
	}
	return append(names, s)
}
