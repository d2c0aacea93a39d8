package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A fingerprint names a defect over time: 32 hex digits, the first half of the
// SHA-256 of
//
//	muster/1                     the version of this recipe
//	kind                         as the tool names it
//	function, function, …        our own frames, from the place outwards; a
//	                             function that calls itself counts once
//	line TEXT  or  order N       the source line of the place, spaces made one
//	                             each; without source: how many places with the
//	                             same functions stand above it
//	again N                      only for the second and further places in
//	                             functions of the same names with the same text
//
// and of what stands for the functions where there is no stack: the tool's own
// key, or the file. Of a race's two stacks each counts, in the order of their
// text. Line numbers, addresses, sizes, folders, process numbers and the order
// of allocations are not in it. So a defect keeps its name when code above it
// or its folder changes, and gets a new one when its line, its function or one
// that calls it is renamed.
const recipe = "muster/1"

// identify sets At, Fingerprint and Excerpt of all findings of a run, and makes
// one of those that are the same. Paths are brought home to the tree.
func identify(all []Finding, t *Tree) []Finding {
	type named struct {
		finding Finding
		trace   string // kind and functions
		text    string // of the source line; "" without
		place   string // file and line, to count by
	}
	found := make([]named, len(all))
	places := map[string][]string{} // by trace and text: places, which are sorted below
	numbers := map[string]int{}
	for i, f := range all {
		f.At = t.place(f)
		n := named{finding: f, trace: t.trace(f)}
		if within, ok := t.find(f.At.File); ok {
			n.text = t.line(within, f.At.Line)
			n.finding.Excerpt = t.excerpt(within, f.At.Line)
			n.finding.At.File = within
		}
		n.place = fmt.Sprintf("%s:%09d", n.finding.At.File, n.finding.At.Line)
		found[i] = n
		key := n.trace + "\n" + n.text
		if !slices.Contains(places[key], n.place) {
			places[key] = append(places[key], n.place)
		}
	}
	for key, p := range places {
		slices.Sort(p)
		for i, place := range p {
			numbers[key+"\n"+place] = i
		}
	}
	var out []Finding
	at := map[string]int{}
	for _, n := range found {
		order := numbers[n.trace+"\n"+n.text+"\n"+n.place]
		n.finding.Fingerprint = digest(n.trace, n.text, order)
		if i, ok := at[n.finding.Fingerprint]; ok {
			out[i] = joined(out[i], n.finding)
			continue
		}
		at[n.finding.Fingerprint] = len(out)
		out = append(out, n.finding)
	}
	for i := range out {
		for s := range out[i].Stacks {
			frames := slices.Clone(out[i].Stacks[s].Frames)
			for j := range frames {
				if within, ok := t.find(frames[j].File); ok {
					frames[j].File = within
				}
			}
			out[i].Stacks[s].Frames = frames
		}
	}
	return out
}

func digest(trace, text string, order int) string {
	s := recipe + "\n" + trace
	switch {
	case text == "":
		s += fmt.Sprintf("order %d\n", order)
	case order > 0:
		s += fmt.Sprintf("line %s\nagain %d\n", text, order)
	default:
		s += fmt.Sprintf("line %s\n", text)
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// joined is two findings with one fingerprint. What was told worse stands.
func joined(a, b Finding) Finding {
	a.Count += b.Count
	a.Bytes += b.Bytes
	a.Blocks += b.Blocks
	if slices.Index(Severities, b.Severity) < slices.Index(Severities, a.Severity) {
		a.Severity = b.Severity
	}
	return a
}

// place is the first frame of our own, or else the first with a source, or else
// the first, of the first stack. A finding without a stack knows its place.
func (t *Tree) place(f Finding) Frame {
	if len(f.Stacks) == 0 || len(f.Stacks[0].Frames) == 0 {
		return f.At
	}
	frames := f.Stacks[0].Frames
	if own := t.own(frames); len(own) > 0 {
		return own[0]
	}
	if f.At.File != "" {
		return f.At
	}
	if i := slices.IndexFunc(frames, func(f Frame) bool { return f.File != "" }); i >= 0 {
		return frames[i]
	}
	return frames[0]
}

// twoSided are the classes whose second stack is as guilty as the first, and
// which of them is told first is chance.
var twoSided = []Class{DataRace, LockMisuse}

// trace is what a fingerprint is made of but for the place: lines, each ended.
func (t *Tree) trace(f Finding) string {
	head := "kind " + f.Kind + "\n"
	if f.Key != "" {
		return head + "key " + f.Key + "\n"
	}
	var sides []string
	for i, s := range f.Stacks {
		if i > 0 && (!slices.Contains(twoSided, f.Class) || i > 1) {
			break
		}
		sides = append(sides, t.functions(s))
	}
	slices.Sort(sides)
	if strings.Join(sides, "") == "" { // no stack, or none with a name
		where := f.At
		file := where.File
		if within, ok := t.find(file); ok {
			file = within
		}
		return head + "file " + cmp.Or(file, path.Base(where.Object)) + "\n" + stableMessage(f)
	}
	return head + strings.Join(sides, "and\n")
}

// stableMessage stands for a stack that says nothing. A leak's message has its
// size, which is no name.
func stableMessage(f Finding) string {
	if f.Class == Leak {
		return ""
	}
	return "says " + f.Message + "\n"
}

// functions are those of a stack that are our own, a line each; if none is, all.
func (t *Tree) functions(s Stack) string {
	own := t.own(s.Frames)
	if len(own) == 0 {
		own = s.Frames
	}
	var b strings.Builder
	last := ""
	for _, f := range own {
		name := "in " + bare(f.Function)
		if f.Function == "" {
			if f.Object == "" && f.File == "" {
				continue
			}
			name = "in object " + path.Base(cmp.Or(f.Object, f.File))
		}
		if name != last {
			b.WriteString(name + "\n")
		}
		last = name
	}
	return b.String()
}

// What compilers append to the name of a function when they split, clone or
// number it: .part.0, .isra.1, .constprop.0, .cold, .llvm.123, [clone .x];
// closures of Go are numbered in the order in which they are written.
var (
	cloned   = regexp.MustCompile(`( \[clone [^\]]*\])+$|(\.(part|isra|constprop|cold|lto_priv|llvm|localalias)(\.\d+)?)+$`)
	numbered = regexp.MustCompile(`\.(func|gowrap|deferwrap)\d+`)
	renamed  = regexp.MustCompile(`@@?[A-Z]\w*_?[\d.]*\w*$`) // the version of a symbol, as in memcpy@@GLIBC_2.14
)

// bare is the name of a function without what changes from build to build.
func bare(function string) string {
	function = strings.TrimSpace(function)
	function = renamed.ReplaceAllString(function, "")
	function = cloned.ReplaceAllString(function, "")
	return numbered.ReplaceAllString(function, ".$1")
}
