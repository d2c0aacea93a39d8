package collect

import (
	"bytes"
	"slices"

	"github.com/musterhq/muster/detect"
)

// The parts of an access log's line, as they are called in rules.
const (
	remoteAddr = iota
	user
	method
	uri
	path
	query
	protocol
	status
	size
	referer
	userAgent
	parts
)

// accessParts are the names of the parts above, in their order.
func accessParts() []string {
	return []string{
		"remote_addr", "user", "method", "uri", "path", "query", "protocol", "status", "bytes", "referer", "user_agent",
	}
}

// access reads the common and the combined log format,
//
//	192.0.2.4 - ann [22/Nov/2026:13:17:21 +0000] "GET /a?b=c HTTP/1.1" 200 217 "https://x/" "agent"
//
// as https://httpd.apache.org/docs/2.4/logs.html describes them; what stands
// behind them is passed over, and so is a pair of quotes around the whole line.
// A request that is none (a scanner's bytes, "-", nothing at all) leaves method,
// uri, path, query and protocol away; such lines still have a status, and count.
type access struct {
	instants
	want    []accessField
	part    [parts][]byte
	scratch []byte
}

type accessField struct {
	name      string
	part      int // -1: only a default
	otherwise []byte
}

func newAccess(f Format, fields []string) *access {
	p := &access{}
	names := accessParts()
	for _, name := range fields {
		p.want = append(p.want, accessField{name, slices.Index(names, source(f, name)), defaultOf(f, name)})
	}
	return p
}

func (p *access) parse(line []byte, rec *detect.Record) error {
	p.part = [parts][]byte{}
	p.scratch = p.scratch[:0]
	start := 0
	if len(line) > 1 && line[0] == '"' {
		start = 1
		if line[len(line)-1] == '"' {
			line = line[:len(line)-1]
		}
	}
	open, err := p.head(line, start, rec)
	if err != nil {
		return err
	}
	shut := endOfRequest(line, open)
	if shut < 0 {
		return &LineError{open, "expected a quoted request followed by a status of three digits"}
	}
	p.request(line[open:shut])
	p.part[status] = line[shut+2 : shut+5]
	p.tail(line[shut+5:])
	for _, f := range p.want {
		value := []byte(nil)
		if f.part >= 0 {
			value = p.plain(p.part[f.part])
		}
		if value == nil {
			value = f.otherwise
		}
		if value != nil {
			rec.Add(f.name, value)
		}
	}
	return nil
}

// head reads up to the request's first quote and returns the place behind it.
// The user's name may hold spaces and brackets, but no quote.
func (p *access) head(line []byte, start int, rec *detect.Record) (int, error) {
	space := bytes.IndexByte(line[start:], ' ')
	if space < 1 {
		return 0, &LineError{start, "expected an address and a space"}
	}
	p.part[remoteAddr] = line[start : start+space]
	const date = len("22/Nov/2026:13:17:21 +0000")
	for i := start + space; ; i++ {
		next := bytes.IndexByte(line[i:], '[')
		if next < 0 {
			return 0, &LineError{start + space + 1, "expected [day/month/year:hour:minute:second zone]"}
		}
		i += next
		end := i + 1 + date
		if len(line) < end+3 || line[end] != ']' || line[end+1] != ' ' || line[end+2] != '"' {
			continue
		}
		at, ok := p.read(line[i+1 : end])
		if !ok {
			return 0, &LineError{i + 1, "no such time"}
		}
		rec.Time = at
		who := bytes.TrimSpace(line[start+space : i]) // identity, which nobody has, and user
		p.part[user] = present(who[bytes.IndexByte(who, ' ')+1:])
		return end + 3, nil
	}
}

// endOfRequest returns the place of the quote that ends the request: the first
// that stands before a status and has no backslash before it. Some servers
// escape nothing, so that even one with a backslash is better than none.
func endOfRequest(line []byte, from int) int {
	otherwise := -1
	for i := from; ; i++ {
		next := bytes.IndexByte(line[i:], '"')
		if next < 0 {
			return otherwise
		}
		i += next
		if len(line) < i+5 || line[i+1] != ' ' || !isDigit(line[i+2]) || !isDigit(line[i+3]) || !isDigit(line[i+4]) {
			continue
		}
		if len(line) > i+5 && line[i+5] != ' ' {
			continue
		}
		if !escaped(line, i) {
			return i
		}
		if otherwise < 0 {
			otherwise = i
		}
	}
}

// escaped reports whether an odd number of backslashes stands before i.
func escaped(line []byte, i int) bool {
	n := 0
	for i-n > 0 && line[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// request takes apart "METHOD target PROTOCOL".
func (p *access) request(b []byte) {
	first := bytes.IndexByte(b, ' ')
	if first < 1 {
		return
	}
	for _, c := range b[:first] { // RFC 9110 tokens; a scanner's bytes are none
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return
		}
	}
	last := bytes.LastIndexByte(b, ' ')
	target := b[first+1:]
	if last > first && bytes.HasPrefix(b[last+1:], []byte("HTTP/")) {
		p.part[protocol] = b[last+1:]
		target = b[first+1 : last]
	}
	p.part[method] = b[:first]
	p.part[uri] = target
	p.part[path] = target
	if q := bytes.IndexByte(target, '?'); q >= 0 {
		p.part[path], p.part[query] = target[:q], target[q+1:]
	}
}

// tail reads what stands behind the status: bytes, referer, user agent.
func (p *access) tail(b []byte) {
	b = bytes.TrimLeft(b, " ")
	n := bytes.IndexByte(b, ' ')
	if n < 0 {
		n = len(b)
	}
	if digits(b[:n]) >= 0 && n > 0 {
		p.part[size] = b[:n]
	}
	b = b[n:]
	for _, part := range []int{referer, userAgent} {
		b = bytes.TrimLeft(b, " ")
		if len(b) == 0 || b[0] != '"' {
			return
		}
		b = b[1:]
		end := bytes.IndexByte(b, '"')
		for end >= 0 && escaped(b, end) {
			next := bytes.IndexByte(b[end+1:], '"')
			if next < 0 {
				end = -1
				break
			}
			end += 1 + next
		}
		if end < 0 { // cut off
			p.part[part] = present(b)
			return
		}
		p.part[part] = present(b[:end])
		b = b[end+1:]
	}
}

func present(b []byte) []byte {
	if string(b) == "-" {
		return nil
	}
	return b
}

// plain undoes the escapes of servers: \" \\ and \xHH.
func (p *access) plain(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	from := len(p.scratch)
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			if b[i+1] == '"' || b[i+1] == '\\' {
				i++
			} else if hi, lo := hex(b, i+2), hex(b, i+3); b[i+1] == 'x' && hi >= 0 && lo >= 0 {
				p.scratch = append(p.scratch, byte(hi<<4|lo))
				i += 3
				continue
			}
		}
		p.scratch = append(p.scratch, b[i])
	}
	return p.scratch[from:len(p.scratch):len(p.scratch)]
}

// hex returns the value of the hexadecimal digit at i, or -1.
func hex(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
