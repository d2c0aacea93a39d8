package gate

import (
	"bufio"
	"errors"
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
	running  bool    // the program was started under Valgrind, not forked by such a one
	finished bool    // the program ended, and Valgrind knew it
	errors   int     // told
	told     numbers // what errors call themselves
	untold   int     // errors that are counted, and not told
	contexts int     // different errors that Valgrind counts itself, from protocol 6 on
}

func (v *valgrindReport) read() error {
	if _, err := v.x.Root(); err != nil {
		return err
	}
	err := v.x.Each(func(name string) error {
		switch name {
		case "protocoltool", "tool":
			return v.text(&v.Tool)
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
		case "error_summary":
			return v.x.Each(v.summary)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return v.x.Close()
}

// judged says what is broken about a report that was read to its end, or to err.
func (v *valgrindReport) judged(err error) error {
	wrong, ok := xmlBroken(err)
	switch {
	case err != nil && !ok:
		return err
	case errors.Is(err, xmlscan.ErrSecond), errors.Is(err, xmlscan.ErrAfter):
		v.Break("line %d: another report begins in the midst of this file: several processes wrote into it; with --xml-file=NAME.%%p.xml each has its own", wrong.Line)
	case errors.Is(err, xmlscan.ErrTruncated) && !v.running && !v.finished:
		v.Break("%v: the process was killed, or it was forked and went on as another program; --trace-children=yes follows it there", err)
	case errors.Is(err, xmlscan.ErrTruncated):
		v.Break("%v: the report is truncated, as Valgrind was killed or could not write", err)
	case err != nil:
		v.Break("%v: this is not as Valgrind writes it; perhaps the program wrote into the same file", err)
	case !v.finished:
		v.Break("there is no status FINISHED: Valgrind did not see the program end")
	}
	// A forked child counts what its parent told before, in the parent's file.
	if v.running && v.untold > 0 {
		v.Break("%d errors are counted that the report does not tell", v.untold)
	} else if v.running && v.contexts > v.errors {
		v.Break("Valgrind counts %d different errors, and tells %d", v.contexts, v.errors)
	}
	return nil
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

func (v *valgrindReport) summary(name string) error {
	if name != "error_contexts" {
		return nil
	}
	n, err := v.number()
	v.contexts = int(n)
	return err
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
	return max(n, 0), err
}

// numbers are hexadecimal numbers, such as 0x1f. As they are given out one after
// the other, 64 of them share an entry.
type numbers map[uint64]uint64

func (n numbers) add(s string) {
	if v, ok := hexadecimal(s); ok {
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
