package gate

import (
	"strings"
	"unicode/utf8"
)

// A pattern matches the names of a path one by one, from the root to the file.
type pattern []namePattern

// A namePattern matches one name of a path, or any number of them.
type namePattern struct {
	folders bool   // any number of names, also none
	globs   []glob // of one name; nil: it is the literal end
	end     string // literal text that the name ends with
	never   bool   // nothing matches: a bracket is not closed
}

// A glob is one element of a name's pattern.
type glob struct {
	kind   globKind
	char   rune
	ranges []rune // of a bracket: from, to, from, to …
	negate bool
}

type globKind byte

const (
	globChar    globKind = iota
	globAny              // one character
	globStar             // any number of characters
	globBracket          // one of ranges
)

func anyFolders() namePattern { return namePattern{folders: true} }
func anyName() namePattern    { return namePattern{globs: []glob{{kind: globStar}}} }

// compileName compiles the pattern of one name: * ? and the backslash, and
// brackets where the dialect has them.
func compileName(s string, brackets bool) namePattern {
	var n namePattern
	var globs []glob
	literal := true
	for i := 0; i < len(s); {
		from := i
		c, size := utf8.DecodeRuneInString(s[i:])
		i += size
		g := glob{char: c}
		switch {
		case c == '*':
			g = glob{kind: globStar}
		case c == '?':
			g = glob{kind: globAny}
		case c == '[' && brackets:
			if g, i = compileBracket(s, i); i < 0 {
				return namePattern{never: true}
			}
		case c == '\\' && i < len(s):
			from = i
			g.char, size = utf8.DecodeRuneInString(s[i:])
			i += size
		}
		if g.kind == globChar {
			n.end += s[from:i]
		} else {
			literal, n.end = false, ""
		}
		globs = append(globs, g)
	}
	if !literal {
		n.globs = globs
	}
	return n
}

// compileBracket reads a bracket behind its [ and returns where it ends, or -1.
func compileBracket(s string, i int) (glob, int) {
	g := glob{kind: globBracket}
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		g.negate = true
		i++
	}
	next := func() (rune, bool) {
		if i < len(s) && s[i] == '\\' {
			i++
		}
		if i >= len(s) {
			return 0, false
		}
		c, size := utf8.DecodeRuneInString(s[i:])
		i += size
		return c, true
	}
	for i < len(s) && s[i] != ']' {
		low, ok := next()
		high := low
		if ok && i+1 < len(s) && s[i] == '-' && s[i+1] != ']' {
			i++
			high, ok = next()
		}
		if !ok {
			return g, -1
		}
		g.ranges = append(g.ranges, low, high)
	}
	if i >= len(s) {
		return g, -1
	}
	return g, i + 1
}

func (g glob) matches(c rune) bool {
	switch g.kind {
	case globChar:
		return g.char == c
	case globBracket:
		for i := 0; i < len(g.ranges); i += 2 {
			// The ends of a range count also where they stand the wrong way round.
			if low, high := g.ranges[i], g.ranges[i+1]; low <= c && c <= high || c == low || c == high {
				return !g.negate
			}
		}
		return g.negate
	}
	return true
}

// match says whether a pattern matches all names of a path. When it gets stuck,
// the last ** takes one name more: those before it need not change.
func (p pattern) match(names []string) bool {
	i, j := 0, 0
	star, from := -1, 0
	for j < len(names) {
		switch {
		case i < len(p) && p[i].folders:
			star, from = i, j
			i++
		case i < len(p) && p[i].match(names[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(p) && p[i].folders {
		i++
	}
	return i == len(p)
}

// match is pattern.match for the characters of one name.
func (n namePattern) match(name string) bool {
	if n.never || n.globs == nil {
		return !n.never && name == n.end
	}
	if !strings.HasSuffix(name, n.end) {
		return false
	}
	i, j := 0, 0
	star, from := -1, 0
	for j < len(name) {
		c, size := utf8.DecodeRuneInString(name[j:])
		switch {
		case i < len(n.globs) && n.globs[i].kind == globStar:
			star, from = i, j
			i++
		case i < len(n.globs) && n.globs[i].matches(c):
			i++
			j += size
		case star >= 0:
			_, size = utf8.DecodeRuneInString(name[from:])
			from += size
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(n.globs) && n.globs[i].kind == globStar {
		i++
	}
	return i == len(n.globs)
}

// A patternIndex holds the numbers of patterns by something that a path must
// have for one to match, so that few are tried.
type patternIndex struct {
	rooted map[string][]int // by the names that a path begins with
	named  map[string][]int // by a name in a path
	ending map[string][]int // by what stands behind the last dot of a name
	others []int
}

// add puts a pattern where the fewest stand.
func (x *patternIndex) add(p pattern, number int) {
	if x.rooted == nil {
		*x = patternIndex{rooted: map[string][]int{}, named: map[string][]int{}, ending: map[string][]int{}}
	}
	var best map[string][]int
	var key string
	offer := func(in map[string][]int, k string) {
		if best == nil || len(in[k]) < len(best[key]) {
			best, key = in, k
		}
	}
	var prefix []string
	for i, n := range p {
		switch {
		case n.folders || n.never:
		case n.globs == nil:
			if len(prefix) == i {
				prefix = append(prefix, n.end)
			}
			offer(x.named, n.end)
		default:
			if dot := strings.LastIndexByte(n.end, '.'); dot >= 0 {
				offer(x.ending, n.end[dot+1:])
			}
		}
	}
	if len(prefix) > 0 {
		offer(x.rooted, strings.Join(prefix, "/"))
	}
	if best == nil {
		x.others = append(x.others, number)
		return
	}
	best[key] = append(best[key], number)
}

// each calls f with the numbers of all patterns that may match a path, some of
// them more than once.
func (x *patternIndex) each(names []string, f func(number int)) {
	// Later rules first: they count, and spare those before them.
	all := func(numbers []int) {
		for i := len(numbers) - 1; i >= 0; i-- {
			f(numbers[i])
		}
	}
	path := strings.Join(names, "/")
	end := -1
	for _, name := range names {
		end += 1 + len(name)
		all(x.rooted[path[:end]])
		all(x.named[name])
		if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
			all(x.ending[name[dot+1:]])
		}
	}
	all(x.others)
}
