package gate

import "strings"

// A tsanWarning is one report of ThreadSanitizer, between lines of equal signs.
// The program goes on after it.
type tsanWarning struct {
	log    *log
	kind   string
	above  string // the line above the next frame
	ended  bool   // by its SUMMARY or its last line
	closed bool   // nothing more belongs to it
	stacks stacker
}

// ruled is the line that ThreadSanitizer and Go's race detector write around a
// report.
const ruled = "=================="

func (w *tsanWarning) line(s string) bool {
	switch {
	case w.closed || sanitizerHead.MatchString(s):
		return false
	case strings.HasSuffix(s, ruled):
		w.ended, w.closed = true, true
		return true
	case summaryLine.MatchString(s):
		w.ended = true
		return true
	case w.ended: // what ends with its SUMMARY has a last line, if the log has it
		return false
	}
	if m := stackLine.FindStringSubmatch(s); m != nil {
		if m[1] == "0" {
			w.stacks.begin(title(w.above))
		}
		w.stacks.add(sanitizerFrame(m[2]))
		return true
	}
	w.above = s
	return true
}

func (w *tsanWarning) close() {
	if !w.ended {
		w.log.fail("the report of ThreadSanitizer is cut off: it has no SUMMARY")
	}
	w.log.tsanTold++
	stacks := w.stacks.told()
	f := Finding{Tool: "tsan", Kind: w.kind, Class: tsanClass(w.kind), Severity: Error, Message: w.kind, Stacks: stacks}
	if f.Class == DataRace {
		f.Message += ": " + raceSides(stacks)
	}
	if f.Class == UseAfterFree {
		f.Severity = Critical
	}
	if len(stacks) > 0 {
		stacks[0].Title = ""
	}
	w.log.add(f)
}

// raceSides says who met: "write in f, previous read in main". Which thread or
// goroutine it was differs from run to run.
func raceSides(stacks []Stack) string {
	var sides []string
	for _, s := range stacks {
		end := strings.Index(s.Title, " by ")
		if end < 0 || strings.Contains(s.Title, " created ") || len(sides) == 2 {
			continue
		}
		access, _, _ := strings.Cut(s.Title[:end], " of size")
		where := s.Frames[0].Function
		if where == "" {
			where = "a function without a name"
		}
		sides = append(sides, access+" in "+where)
	}
	return strings.Join(sides, ", ")
}

func tsanClass(kind string) Class {
	switch {
	case strings.HasPrefix(kind, "data race"), strings.HasPrefix(kind, "race "):
		return DataRace
	case strings.HasPrefix(kind, "heap-use-after-free"):
		return UseAfterFree
	case strings.HasPrefix(kind, "thread leak"):
		return Leak
	case strings.HasPrefix(kind, "lock-order-inversion"), strings.Contains(kind, "mutex"):
		return LockMisuse
	}
	return UndefinedBehavior // of signal handlers
}
