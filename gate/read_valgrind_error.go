package gate

import (
	"cmp"
	"slices"
	"strings"
)

// A valgrindError is an <error> while it is read.
type valgrindError struct {
	Finding
	what  string
	title string   // of the stack that comes next
	notes []string // what is told beside, in the order told
}

func (v *valgrindReport) error() error {
	f := valgrindError{Finding: Finding{Tool: cmp.Or(v.Tool, "valgrind")}}
	if err := v.x.Each(func(name string) error { return v.part(&f, name) }); err != nil {
		return err
	}
	if f.Kind == "" {
		v.Break("line %d: an error has no kind", v.x.Line())
		f.Kind = "error"
	}
	v.errors++
	if f.Kind == "Leak_DefinitelyLost" {
		v.lost += f.Blocks
	}
	v.Add(f.finding())
	return nil
}

// part reads an element of an error.
func (v *valgrindReport) part(f *valgrindError, name string) (err error) {
	switch name {
	case "unique":
		var unique string
		err = v.text(&unique)
		v.told.add(unique)
	case "kind":
		err = v.text(&f.Kind)
	case "what", "text":
		err = v.text(&f.what)
	case "leakedbytes":
		f.Bytes, err = v.number()
	case "leakedblocks":
		f.Blocks, err = v.number()
	case "xwhat":
		return v.x.Each(func(name string) error { return v.part(f, name) })
	case "auxwhat":
		err = v.note(f)
	case "xauxwhat":
		return v.x.Each(func(name string) error {
			if name == "text" {
				return v.note(f)
			}
			return nil
		})
	case "stack":
		return v.stack(f)
	case "first_observed_at", "other_segment_start", "other_segment_end": // of drd
		f.title = strings.ReplaceAll(strings.TrimSuffix(name, "_at"), "_", " ")
		return v.x.Each(func(part string) error {
			switch part {
			case "what":
				object := ""
				err := v.text(&object)
				f.title = object + " " + f.title
				return err
			case "stack":
				return v.stack(f)
			}
			return nil
		})
	}
	return err
}

// note reads what is told beside; it is the title of the stack that follows.
func (v *valgrindReport) note(f *valgrindError) error {
	var note string
	err := v.text(&note)
	f.title = withoutAddresses(note)
	if len(f.notes) < maxStacks {
		f.notes = append(f.notes, f.title)
	}
	return err
}

// stack reads a <stack>: the calls, the innermost first.
func (v *valgrindReport) stack(f *valgrindError) error {
	title := f.title
	f.title = ""
	if len(f.Stacks) == maxStacks {
		return nil
	}
	v.frames = v.frames[:0]
	err := v.x.Each(func(name string) error {
		if name != "frame" || len(v.frames) == maxFrames {
			return nil
		}
		frame, err := v.frame()
		v.frames = append(v.frames, frame)
		return err
	})
	f.Stacks = append(f.Stacks, Stack{Title: title, Frames: slices.Clone(v.frames)})
	return err
}

// frame reads a call. A stripped program's has neither function nor file.
func (v *valgrindReport) frame() (f Frame, err error) {
	var dir string
	err = v.x.Each(func(name string) error {
		switch name {
		case "fn":
			return v.text(&f.Function)
		case "obj":
			return v.text(&f.Object)
		case "dir":
			return v.text(&dir)
		case "file":
			return v.text(&f.File)
		case "line":
			n, err := v.number()
			f.Line = int(n)
			return err
		}
		return nil
	})
	if dir != "" && f.File != "" && !strings.HasPrefix(f.File, "/") {
		f.File = strings.TrimSuffix(dir, "/") + "/" + f.File
	}
	f.Function, f.File, f.Object = clip(f.Function), clip(f.File), clip(f.Object)
	return f, err
}

// finding is the error as the gate knows it.
func (f *valgrindError) finding() Finding {
	note := ""
	if len(f.notes) > 0 {
		note = f.notes[0]
	}
	f.Class, f.Severity = valgrindClass(f.Tool, f.Kind, f.what, note)
	if f.Class == DescriptorLeak && len(f.Stacks) == 0 { // it was open before the program began
		f.Severity = Info
	}
	switch {
	case f.Class == Leak: // Bytes and Blocks say how much, of all that leak there
		f.Message = "memory is " + leakWords(f.Kind)
	case f.what == "":
		f.Message = f.Kind
	case f.Class == DataRace, note == "":
		f.Message = withoutAddresses(f.what)
	default:
		f.Message = strings.TrimSuffix(withoutAddresses(f.what), ".") + ": " + note
	}
	return f.Finding
}

// signal reads a <fatal_signal>, which ended the program.
func (v *valgrindReport) signal() error {
	f := valgrindError{Finding: Finding{Tool: cmp.Or(v.Tool, "valgrind"), Class: Crash, Severity: Critical}}
	var event string
	err := v.x.Each(func(name string) error {
		switch name {
		case "signame":
			return v.text(&f.Kind)
		case "event":
			return v.text(&event)
		case "stack":
			return v.stack(&f)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.Kind = cmp.Or(f.Kind, "signal")
	f.Message = "the program was ended by " + f.Kind
	if event != "" {
		f.Message += ": " + withoutAddresses(event)
	}
	v.Add(f.Finding)
	v.Break("%s: what it would have done after that is not in the report", f.Message)
	return nil
}
