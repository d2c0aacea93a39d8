package gate

import (
	"regexp"
	"strconv"
	"strings"
)

// leaks are what LeakSanitizer found when the program ended, alone or under
// AddressSanitizer: a block for each place of allocation, and a SUMMARY.
type leaks struct {
	log          *log
	whole        bool // its SUMMARY was read, or there is none to come
	summed       bool // the SUMMARY names what follows
	bytes        int64
	blocks       int64
	told, counts int64 // bytes and blocks of what was read
	suppressions bool  // the table of suppressions is being read
	leak         *Finding
	stacks       stacker
}

var (
	leakLine        = regexp.MustCompile(`((?:Direct|Indirect) leak) of (\d+) byte\(s\) in (\d+) object\(s\) allocated from:`)
	leakSummary     = regexp.MustCompile(`^(\d+) byte\(s\) leaked in (\d+) allocation\(s\)`)
	suppressionLine = regexp.MustCompile(`^\s+(\d+)\s+(\d+) \S`)
)

func (b *leaks) line(s string) bool {
	if m := leakLine.FindStringSubmatch(s); m != nil && !b.whole {
		b.tell()
		b.leak = &Finding{Tool: "lsan", Kind: m[1], Class: Leak, Severity: Error}
		if m[1] == "Indirect leak" { // goes with the block that held it, which is told too
			b.leak.Severity = Warning
		}
		b.leak.Bytes, _ = strconv.ParseInt(m[2], 10, 64)
		b.leak.Blocks, _ = strconv.ParseInt(m[3], 10, 64)
		b.leak.Message = m[1] + " of " + m[2] + " bytes in " + counted(int(b.leak.Blocks), "block")
		return true
	}
	if m := stackLine.FindStringSubmatch(s); m != nil && b.leak != nil {
		b.stacks.add(sanitizerFrame(m[2]))
		return true
	}
	if strings.HasPrefix(s, "Suppressions used:") {
		b.suppressions = true
		return true
	}
	if b.suppressions {
		return b.suppression(s)
	}
	if b.whole || sanitizerHead.MatchString(s) {
		return false
	}
	if m := summaryLine.FindStringSubmatch(s); m != nil {
		b.tell()
		b.whole = true
		if m := leakSummary.FindStringSubmatch(m[2]); m != nil {
			b.summed = true
			b.bytes, _ = strconv.ParseInt(m[1], 10, 64)
			b.blocks, _ = strconv.ParseInt(m[2], 10, 64)
		}
		return true
	}
	if died(s) {
		b.log.fail("%s, within a report of LeakSanitizer", strings.TrimSpace(s))
	}
	return true
}

// suppression reads the table that says what was left out, which ends with a
// line of dashes.
func (b *leaks) suppression(s string) bool {
	if m := suppressionLine.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		b.log.report.Suppressed += n
		return true
	}
	head := strings.Contains(s, "count") && strings.Contains(s, "template")
	if !head {
		b.suppressions = false
	}
	return head || strings.HasPrefix(s, "-----")
}

// tell tells of the leak whose stack was read.
func (b *leaks) tell() {
	if b.leak == nil {
		return
	}
	b.leak.Stacks = b.stacks.told()
	b.told += b.leak.Bytes
	b.counts += b.leak.Blocks
	b.log.add(*b.leak)
	b.leak, b.stacks = nil, nil
}

func (b *leaks) close() {
	b.tell()
	switch {
	case !b.whole:
		b.log.fail("the report of LeakSanitizer is cut off: it has no SUMMARY")
	case b.summed && (b.told != b.bytes || b.counts != b.blocks):
		// The option max_leaks shows the greatest alone; or lines are lost.
		b.log.fail("LeakSanitizer found %d bytes in %s, of which %d bytes in %s are here",
			b.bytes, counted(int(b.blocks), "block"), b.told, counted(int(b.counts), "block"))
	}
}
