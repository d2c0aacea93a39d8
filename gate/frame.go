package gate

import (
	"regexp"
	"strconv"
	"strings"
)

// stackLine is a frame as sanitizers write it:
//
//	#0 0x55bea0abb1c0 in g /src/uaf.c:3:5 (/src/a.out+0x11c0) (BuildId: 00ff)
var stackLine = regexp.MustCompile(`^\s*#(\d+) (.*)$`)

var (
	frameAddress = regexp.MustCompile(`^0x[0-9a-f]+\s*`)
	frameBuild   = regexp.MustCompile(`\s*\(BuildId: [0-9a-fA-F]*\)$`)
	frameObject  = regexp.MustCompile(`\s*\(([^()]+)\+0x[0-9a-f]+\)$`)
	frameLine    = regexp.MustCompile(`:(\d+)(?::(\d+))?$`)
)

// sanitizerFrame reads what stands after the number of a frame.
func sanitizerFrame(s string) Frame {
	var f Frame
	s = frameBuild.ReplaceAllString(strings.TrimSpace(s), "")
	s = strings.TrimSuffix(s, " (<unknown module>)")
	if m := frameObject.FindStringSubmatch(s); m != nil {
		f.Object = m[1]
		s = strings.TrimSuffix(s, m[0])
	}
	s = strings.TrimPrefix(s[len(frameAddress.FindString(s)):], "in ")
	f.Function, s = functionAndFile(s)
	f.File, f.Line, f.Column = splitPosition(s)
	f.Function, f.File = known(f.Function), known(f.File)
	return f
}

// known drops what tools write for what they do not know.
func known(s string) string {
	if s == "<null>" || s == "<unknown>" || s == "??" {
		return ""
	}
	return s
}

// functionAndFile splits "operator new(unsigned long) /src/my dir/new.cpp:95".
// An absolute path may hold spaces; a relative one is taken to hold none.
func functionAndFile(s string) (function, file string) {
	if i := strings.Index(s, " /"); i >= 0 {
		return s[:i], s[i+1:]
	}
	i := strings.LastIndexByte(s, ' ')
	if i < 0 || !frameLine.MatchString(s) && s[i+1:] != "<null>" && !strings.HasPrefix(s[i+1:], "..") {
		return s, "" // a function alone, be there spaces in its arguments
	}
	return s[:i], s[i+1:]
}

// splitPosition splits file:line:column.
func splitPosition(s string) (file string, line, column int) {
	m := frameLine.FindStringSubmatch(s)
	if m == nil {
		return s, 0, 0
	}
	line, _ = strconv.Atoi(m[1]) // too great a number is not known
	column, _ = strconv.Atoi(m[2])
	return strings.TrimSuffix(s, m[0]), line, column
}

// A stacker collects the stacks of one finding as they are read, within the
// bounds of what is kept.
type stacker []Stack

// begin begins a stack.
func (s *stacker) begin(title string) {
	if len(*s) <= maxStacks { // one more than is kept takes what is dropped
		*s = append(*s, Stack{Title: clip(title)})
	}
}

// add adds a frame to the last stack.
func (s *stacker) add(f Frame) {
	if len(*s) == 0 {
		s.begin("")
	}
	last := &(*s)[len(*s)-1]
	if len(last.Frames) < maxFrames && len(*s) <= maxStacks {
		last.Frames = append(last.Frames, f.clipped())
	}
}

// told are the stacks that have frames.
func (s stacker) told() []Stack {
	var told []Stack
	for _, stack := range s {
		if len(stack.Frames) > 0 {
			told = append(told, stack)
		}
	}
	return told
}

// memoryAddress is one of memory: no two runs have the same.
var memoryAddress = regexp.MustCompile(`0x[0-9a-fA-F]{3,}`)

// title makes the words above a stack its title: "freed by thread T0".
func title(s string) string {
	s = strings.TrimSpace(s)
	s = strings.TrimSuffix(s, ":")
	s = strings.TrimSuffix(s, " here")
	s = memoryAddress.ReplaceAllString(s, "…")
	s = strings.ReplaceAll(s, " at …", "")
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' {
		s = strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
