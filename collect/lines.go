package collect

import (
	"bytes"
	"fmt"

	"github.com/musterhq/muster/detect"
)

// MaxLine bounds a line in bytes. A longer one is counted as unparsed and
// passed over.
const MaxLine = 1 << 20

// samples is how many lines that do not parse are kept to be shown.
const samples = 5

// Stats says what became of the lines of a source. Blank lines do not count.
type Stats struct {
	Parsed   int64
	Unparsed int64
	Bytes    int64      // after decompression
	Samples  []Unparsed // the first lines that did not parse, five at most
}

// Unparsed is a line that did not parse.
type Unparsed struct {
	Line   int64 // from 1
	Reason string
	Text   string // its beginning, quoted so that it is safe to print
}

// Each parses a block of whole lines and calls visit with each record, which
// is valid until visit returns.
func (p *Parser) Each(lines []byte, visit func(*detect.Record)) Stats {
	st, _ := p.each(lines, &detect.Record{}, visit)
	return st
}

// each also returns the number of lines, blank ones too. The samples' line
// numbers begin at 1 with the block.
func (p *Parser) each(lines []byte, rec *detect.Record, visit func(*detect.Record)) (st Stats, n int64) {
	st.Bytes = int64(len(lines))
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n')
		if end < 0 {
			end = len(lines) - 1
		}
		line := trimEnd(lines[:end+1])
		lines = lines[end+1:]
		n++
		if len(line) == 0 || len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		rec.Reset()
		if err := p.lines.parse(line, rec); err != nil {
			st.Unparsed++
			if len(st.Samples) < samples {
				st.Samples = append(st.Samples, Unparsed{n, err.Error(), excerpt(line)})
			}
			continue
		}
		st.Parsed++
		visit(rec)
	}
	return st, n
}

func excerpt(line []byte) string {
	const most = 120
	if len(line) > most {
		return fmt.Sprintf("%+q…", line[:most])
	}
	return fmt.Sprintf("%+q", line)
}

// Recognize returns the format with its kind found out from the first lines of
// a log, if it was Auto.
func Recognize(f Format, first []byte) (Format, error) {
	if f.Kind != "" && f.Kind != Auto {
		return f, f.Validate()
	}
	f.Kind = Access
	access, err := NewParser(f, nil)
	if err != nil {
		return f, err
	}
	var lines, objects, entries int
	var rec detect.Record
	for line := range bytes.Lines(first) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if lines++; lines > 20 {
			break
		}
		if line[0] == '{' {
			objects++
		} else if access.Parse(line, &rec) == nil {
			entries++
		}
	}
	switch {
	case lines == 0:
		return f, nil // nothing to read, whatever the kind
	case objects == 0 && entries == 0:
		return f, fmt.Errorf("format not recognized: the first lines are neither access log nor JSON; one is %s", excerpt(firstLine(first)))
	case objects >= entries:
		f.Kind = NDJSON
	}
	return f, nil
}

func firstLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return trimEnd(b[:i])
	}
	return b
}
