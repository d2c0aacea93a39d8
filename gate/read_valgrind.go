package gate

import (
	"bufio"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/internal/xmlscan"
)

// valgrind is what memcheck, helgrind and drd write with --xml=yes. Valgrind's
// docs/internals/xml-output-protocol4.txt describes it; protocols 5 and 6 add
// summaries and errors about descriptors.
var valgrind = Format{
	Name: "valgrind",
	Is:   func(head []byte) bool { return xmlRoot(head) == "valgrindoutput" },
	Read: func(from *bufio.Reader, r *Report) error {
		v := valgrindReport{Report: r, x: xmlscan.New(from), told: numbers{}}
		return v.judged(v.read())
	},
}

// A valgrindReport is a report while it is read.
type valgrindReport struct {
	*Report
	x        *xmlscan.Scanner
	frames   []Frame // room for those of a stack
	running  bool    // the program was started under Valgrind, not forked by such a one
	finished bool    // the program ended, and Valgrind knew it
	errors   int     // told
	told     numbers // what errors call themselves
	untold   int     // errors that are counted, and not told
	contexts int     // different errors that Valgrind counts itself, from protocol 6 on
	lost     int64   // blocks that are definitely lost and told
	summed   int64   // the same as Valgrind counts them, from protocol 6 on
	children bool    // other programs that are started are watched, too
	hidden   string  // option that hides blocks that are definitely lost
	shared   bool    // the name of the file is the same for all processes
	sockets  bool    // descriptors are watched, and sockets may be named
}

func (v *valgrindReport) read() error {
	if _, err := v.x.Root(); err != nil {
		return err
	}
	err := v.x.Each(func(name string) error {
		switch name {
		case "protocoltool", "tool":
			return v.text(&v.Tool)
		case "args":
			return v.x.Each(v.args)
		case "status":
			return v.x.Each(v.status)
		case "error":
			return v.error()
		case "fatal_signal":
			return v.signal()
		case "errorcounts":
			return v.x.Each(v.counted)
		case "suppcounts":
			return v.x.Each(v.suppressed)
		case "error_summary", "leak_summary":
			return v.x.Each(v.summary)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.x.Close()
}

// ownFile tells how each process gets a file of its own.
const ownFile = "with --xml-file=NAME.%p.xml each has its own"

// judged says what is broken about a report that was read to its end, or to err.
func (v *valgrindReport) judged(err error) error {
	wrong, ok := xmlBroken(err)
	switch {
	case err != nil && !ok:
		return err
	case errors.Is(err, xmlscan.ErrSecond), errors.Is(err, xmlscan.ErrAfter):
		v.Break("line %d: another report begins in the midst of this file: several processes wrote into it; %s", wrong.Line, ownFile)
	case errors.Is(err, xmlscan.ErrTruncated) && !v.running && !v.finished:
		v.Break("%v: the process was killed, or it was forked and became another program that is not watched; "+
			"--trace-children=yes watches it, --child-silent-after-fork=yes says nothing of forked processes", err)
	case errors.Is(err, xmlscan.ErrTruncated):
		v.Break("%v: the report is truncated, as Valgrind was killed or could not write", err)
	case err != nil && v.sockets:
		v.Break("%v: with --track-fds some versions of Valgrind write the names of sockets, such as <unknown>, so that the report is no XML", err)
	case err != nil:
		v.Break("%v: Valgrind does not write so; perhaps several processes wrote into the file, and %s", err, ownFile)
	case !v.finished:
		v.Break("there is no status FINISHED: Valgrind did not see the program end")
	}
	if v.children && v.shared {
		v.Break("--trace-children=yes and one file for all processes: they overwrite what others found; %s", ownFile)
	}
	if v.hidden != "" && (v.Tool == "" || v.Tool == "memcheck") {
		v.Break("%s: blocks that are definitely lost are not told", v.hidden)
	}
	if v.running { // a forked child counts also what its parent told before, in the parent's file
		v.compare()
	}
	return nil
}

// compare breaks a report in which Valgrind counts more than it tells.
func (v *valgrindReport) compare() {
	if v.untold > 0 {
		v.Break("%d errors are counted that the report does not tell", v.untold)
	}
	if v.contexts > v.errors {
		v.Break("Valgrind counts %d different errors, and tells %d; --show-leak-kinds may leave out what --errors-for-leak-kinds counts", v.contexts, v.errors)
	}
	if v.summed > v.lost {
		v.Break("Valgrind counts %d blocks that are definitely lost, and tells %d; --leak-check=full --show-leak-kinds=all tells all", v.summed, v.lost)
	}
}

// args reads how Valgrind was called.
func (v *valgrindReport) args(name string) error {
	if name != "vargv" {
		return nil
	}
	return v.x.Each(func(string) error {
		arg, err := v.x.Content()
		if file, ok := strings.CutPrefix(arg, "--xml-file="); ok {
			v.shared = !strings.Contains(file, "%p")
		}
		if kinds, ok := strings.CutPrefix(arg, "--show-leak-kinds="); ok { // the last one counts
			v.hidden = arg
			if kinds == "all" || slices.Contains(strings.Split(kinds, ","), "definite") {
				v.hidden = ""
			}
		}
		v.children = v.children || arg == "--trace-children=yes"
		v.sockets = v.sockets || strings.HasPrefix(arg, "--track-fds=")
		return err
	})
}

func (v *valgrindReport) status(name string) error {
	if name != "state" {
		return nil
	}
	state, err := v.x.Content()
	switch strings.TrimSpace(state) {
	case "RUNNING":
		v.running = true
	case "FINISHED":
		v.finished = true
	}
	return err
}

// counted reads how often an error happened. Leaks are not counted here.
func (v *valgrindReport) counted(name string) error {
	if name != "pair" {
		return nil
	}
	return v.x.Each(func(name string) error {
		if name != "unique" {
			return nil
		}
		unique, err := v.x.Content()
		if !v.told.has(unique) {
			v.untold++
		}
		return err
	})
}

func (v *valgrindReport) suppressed(name string) error {
	if name != "pair" {
		return nil
	}
	return v.x.Each(func(name string) error {
		if name != "count" {
			return nil
		}
		n, err := v.number()
		v.Suppressed += int(n)
		return err
	})
}

// summary reads what protocol 6 tells in the end of all errors and leaks.
func (v *valgrindReport) summary(name string) error {
	switch name {
	case "error_contexts":
		n, err := v.number()
		v.contexts = int(n)
		return err
	case "definitely_lost":
		return v.x.Each(func(name string) (err error) {
			if name == "blocks" || name == "in_blocks" {
				v.summed, err = v.number()
			}
			return err
		})
	}
	return nil
}

// text reads the open element into to.
func (v *valgrindReport) text(to *string) error {
	s, err := v.x.Content()
	*to = strings.TrimSpace(s)
	return err
}

// number reads the open element as a number, which may have commas between its
// thousands. What is none is 0.
func (v *valgrindReport) number() (int64, error) {
	s, err := v.x.Content()
	n, _ := strconv.ParseInt(strings.ReplaceAll(strings.TrimSpace(s), ",", ""), 10, 64)
	return min(max(n, 0), 1<<47), err // so that sums stay what they are
}

// numbers are hexadecimal numbers, such as 0x1f. As they are given out one after
// the other, 64 of them share an entry.
type numbers map[uint64]uint64

// maxNumbers bounds the entries: what is beyond is not of Valgrind, and counts as
// not told.
const maxNumbers = 1 << 20

func (n numbers) add(s string) {
	if v, ok := hexadecimal(s); ok && len(n) < maxNumbers {
		n[v/64] |= 1 << (v % 64)
	}
}

func (n numbers) has(s string) bool {
	v, ok := hexadecimal(s)
	return ok && n[v/64]&(1<<(v%64)) != 0
}

func hexadecimal(s string) (uint64, bool) {
	v, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(s), "0x"), 16, 64)
	return v, err == nil
}
