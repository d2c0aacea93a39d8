package gate

import (
	"fmt"
	"strings"
)

// maxGitHubOwners is the size up to which GitHub loads a file, in bytes.
const maxGitHubOwners = 3 << 20

// github reads GitHub's rules:
// https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
//
// Patterns are those of gitignore, but for !, [ ] and \#. A line with invalid
// syntax is skipped as a whole; a pattern without owners makes what it matches
// nobody's. A word that begins with # begins a comment.
func (r *codeownersReader) github(text string) {
	if len(text) > maxGitHubOwners {
		r.problem(0, "the file is larger than 3 MB: GitHub does not load it")
		return
	}
	r.sections = []ownerSection{{}}
	ownerLines(text, func(number int, line string) {
		written, rest := cutPattern(line)
		owners, why := githubOwners(rest)
		var p pattern
		if why == "" {
			p, why = githubPattern(written)
		}
		if why != "" {
			r.problem(number, why+": GitHub skips the line")
			return
		}
		r.rules = append(r.rules, ownerRule{pattern: p, owners: owners, approvals: 1, line: number})
	})
}

// githubOwners reads what stands behind a pattern.
func githubOwners(rest string) (owners []string, why string) {
	for _, word := range strings.Fields(rest) {
		if word[0] == '#' {
			break
		}
		if !isGitHubOwner(word) {
			return nil, fmt.Sprintf("%q is no owner: @user, @organisation/team or an e-mail address", clip(word))
		}
		owners = append(owners, word)
	}
	return owners, ""
}

func isGitHubOwner(s string) bool {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return isEmail(s)
	}
	user, team, ok := strings.Cut(name, "/")
	return isName(user, "-_") && (!ok || isName(team, "-_."))
}

// githubPattern compiles a pattern; why says why it is none.
func githubPattern(written string) (p pattern, why string) {
	switch {
	case written[0] == '!':
		return nil, "! does not negate here"
	case strings.HasPrefix(written, `\#`):
		return nil, `a pattern cannot begin with \#`
	case strings.ContainsAny(written, "[]"):
		return nil, "[ ] is no range here"
	case strings.Trim(written, "/") == "":
		return nil, "the pattern matches nothing"
	}
	trimmed, folder := strings.CutSuffix(written, "/")
	trimmed, rooted := strings.CutPrefix(trimmed, "/")
	names := strings.Split(trimmed, "/")
	if !rooted && len(names) == 1 { // a slash in the middle binds to the root too
		p = append(p, anyFolders())
	}
	for i, name := range names {
		switch {
		case name != "**":
			p = append(p, compileName(name, false))
		case i < len(names)-1:
			p = append(p, anyFolders())
		default:
			p = append(p, anyFolders(), anyName())
		}
	}
	switch last := names[len(names)-1]; {
	case folder:
		p = append(p, anyFolders(), anyName()) // what is in it
	case last != "*" && last != "**": // docs/* is not what is below a folder of docs
		p = append(p, anyFolders())
	}
	return p, ""
}
