package jsonscan

import "bytes"

// AppendClean appends the value to dst as compact JSON that every reader agrees
// on: of duplicate names only the last member, valid UTF-8, and every string
// and name as text returns it (which must be valid UTF-8). Numbers are copied
// as they stand. Text is not called for strings of plain, printable ASCII
// without escapes. It recurses, so it is for texts scanned with a Limits.Depth.
func (v Value) AppendClean(dst []byte, text func(string) string) []byte {
	if v.doc == nil {
		return dst
	}
	if v.plain() {
		return append(dst, v.Raw()...)
	}
	switch v.Kind() {
	case Array:
		dst = append(dst, '[')
		first := true
		for e := range v.Elements() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = e.AppendClean(dst, text)
		}
		return append(dst, ']')
	case Object:
		return v.appendObject(dst, text)
	case String:
		return AppendString(dst, text(v.Text()))
	}
	return append(dst, v.Raw()...)
}

func (v Value) appendObject(dst []byte, text func(string) string) []byte {
	// Two names may become one when they are cleaned, so the cleaned ones count.
	type member struct {
		name  string
		value Value
	}
	var members []member
	at := map[string]int{}
	for name, value := range v.children() {
		clean := name.Text()
		if !name.plain() {
			clean = text(clean)
		}
		if n, again := at[clean]; again {
			members[n].value = value
			continue
		}
		at[clean] = len(members)
		members = append(members, member{clean, value})
	}
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, m.name)
		dst = append(dst, ':')
		dst = m.value.AppendClean(dst, text)
	}
	return append(dst, '}')
}

// plain says whether the value can be copied as it stands.
func (v Value) plain() bool {
	n := v.doc.nodes[v.at]
	if n.info&container == 0 {
		return n.info == 0 && bytes.IndexByte(v.Raw(), 0x7f) < 0
	}
	if v.doc.spaced || bytes.IndexByte(v.Raw(), 0x7f) >= 0 {
		return false
	}
	for _, n := range v.doc.nodes[v.at:v.doc.after(v.at)] {
		if n.info&container != 0 && n.info&duplicates == 0 {
			continue
		}
		if n.info != 0 {
			return false
		}
	}
	return true
}

// AppendString appends s, which must be valid UTF-8, as a JSON string.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
