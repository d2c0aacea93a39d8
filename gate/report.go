package gate

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what is kept of a report. What is beyond them is counted and fails
// the gate, and is not shown.
const (
	maxFindings = 10_000 // different ones, of one report
	maxFrames   = 256    // of one stack
	maxStacks   = 16     // of one finding
	maxText     = 4 << 10
	maxKept     = 64 << 20 // bytes of all findings of one report, about
	frameSize   = 80       // bytes of a Frame without its text
	maxBroken   = 16
)

// A Report is what was read of one file.
type Report struct {
	Name       string // as the user named it
	Format     string // name in Formats; "" where it is none of them
	Tool       string
	Digest     string // SHA-256 of all of it, in hex
	Size       int64  // in bytes
	Findings   []Finding
	Total      int      // findings, repetitions and those beyond maxFindings included
	Suppressed int      // findings that the tool was told to leave out
	Tests      int      // that ran, in reports of test runners
	Skipped    int      // tests that did not run
	Stopped    bool     // the program was stopped by a finding: what it would have done after that is not known
	Broken     []string // why it does not say everything; a report with any fails the gate

	seen map[[sha256.Size]byte]int // place in Findings by the digest of a finding's raw text
	text []byte                    // room for a raw text
	kept int                       // bytes of Findings, about
}

// Break adds a reason why the report does not say everything.
func (r *Report) Break(format string, args ...any) {
	why := clip(fmt.Sprintf(format, args...))
	switch {
	case len(r.Broken) < maxBroken:
		r.Broken = append(r.Broken, why)
	case len(r.Broken) == maxBroken:
		r.Broken = append(r.Broken, "… and more")
	}
}

// Add adds a finding. One that was told before with the same words and stacks
// only counts.
func (r *Report) Add(f Finding) {
	r.Total++
	f.Count = 1
	f.Report = r.Name
	f.Message = clip(strings.Join(strings.Fields(f.Message), " "))
	f.Kind, f.Key, f.At = clip(f.Kind), clip(f.Key), f.At.clipped()
	if len(f.Stacks) > maxStacks {
		f.Stacks = f.Stacks[:maxStacks]
	}
	for i := range f.Stacks {
		if s := &f.Stacks[i]; len(s.Frames) > maxFrames {
			s.Frames = s.Frames[:maxFrames]
		}
	}
	if r.seen == nil {
		r.seen = map[[sha256.Size]byte]int{}
	}
	r.text = f.appendRaw(r.text[:0])
	key := sha256.Sum256(r.text)
	if at, ok := r.seen[key]; ok {
		same := &r.Findings[at]
		same.Count++
		same.Bytes += f.Bytes
		same.Blocks += f.Blocks
		return
	}
	size := len(r.text)
	for _, s := range f.Stacks {
		size += frameSize * len(s.Frames)
	}
	if len(r.Findings) == maxFindings || r.kept+size > maxKept {
		return // counted in Total
	}
	r.kept += size
	r.seen[key] = len(r.Findings)
	r.Findings = append(r.Findings, f)
}

// appendRaw appends all that tells a finding from others in one report.
func (f Finding) appendRaw(b []byte) []byte {
	field := func(s string) { b = append(append(b, s...), 0) }
	number := func(n int) { b = append(strconv.AppendInt(b, int64(n), 10), 0) }
	field(f.Tool)
	field(f.Kind)
	field(f.Key)
	field(f.At.File)
	number(f.At.Line)
	number(f.At.Column)
	if f.Class != Leak { // a leak's message may have its size
		field(f.Message)
	}
	for _, s := range f.Stacks {
		b = append(b, 1)
		for _, frame := range s.Frames {
			field(frame.Function)
			field(frame.File)
			number(frame.Line)
			field(frame.Object)
		}
	}
	return b
}

// clipped bounds the texts of a frame.
func (f Frame) clipped() Frame {
	f.Function, f.File, f.Object = clip(f.Function), clip(f.File), clip(f.Object)
	return f
}

// clip bounds a text of a report, and lets go of the line that it was cut out of.
func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + " …"
	}
	return strings.Clone(s)
}
