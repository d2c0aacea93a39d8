package collect

import "time"

// instants reads the times of one log. A log says the same second, and the
// same day, again and again: both are remembered.
type instants struct {
	text [40]byte // the last time read
	n    int
	at   time.Time

	day     [11]byte // the last day read, "2026-11-22" or "22/Nov/2026"
	dayLen  int
	dayUnix int64
}

// read reads an instant as RFC 3339 (a space for the T and an offset without
// colon will do), as an access log has it (22/Nov/2026:13:17:21 +0000), or as a
// number since 1970 in seconds, with or without decimals, or in milli-, micro-
// or nanoseconds, told apart by its size. A time without a zone is refused: to
// guess would be to be hours wrong.
func (in *instants) read(b []byte) (time.Time, bool) {
	if len(b) == in.n && in.n > 0 && string(b) == string(in.text[:in.n]) {
		return in.at, true
	}
	var at time.Time
	var ok bool
	switch {
	case len(b) < 1 || len(b) > len(in.text):
		return time.Time{}, false
	case len(b) > 4 && b[4] == '-':
		at, ok = in.rfc3339(b)
	case len(b) > 2 && b[2] == '/':
		at, ok = in.access(b)
	default:
		at, ok = epoch(b)
	}
	if ok {
		in.n = copy(in.text[:], b)
		in.at = at
	}
	return at, ok
}

// rfc3339 reads 2026-11-22T13:17:21.123Z, and +01:00 or +0100 for the Z.
func (in *instants) rfc3339(b []byte) (time.Time, bool) {
	if len(b) < 20 || b[7] != '-' || b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return time.Time{}, false
	}
	day, ok := in.unixDay(b[:10], func() (y, m, d int) { return digits(b[:4]), digits(b[5:7]), digits(b[8:10]) })
	sec, ok2 := clock(b[11:19])
	if !ok || !ok2 {
		return time.Time{}, false
	}
	rest := b[19:]
	nanos := 0
	if rest[0] == '.' || rest[0] == ',' {
		n := 1
		for scale := 100_000_000; n < len(rest) && isDigit(rest[n]); n++ {
			nanos += int(rest[n]-'0') * scale
			scale /= 10
		}
		if n == 1 {
			return time.Time{}, false
		}
		rest = rest[n:]
	}
	offset, ok := zone(rest)
	return time.Unix(day+sec-offset, int64(nanos)), ok
}

// access reads 22/Nov/2026:13:17:21 +0000.
func (in *instants) access(b []byte) (time.Time, bool) {
	if len(b) != 26 || b[6] != '/' || b[11] != ':' || b[20] != ' ' {
		return time.Time{}, false
	}
	day, ok := in.unixDay(b[:11], func() (y, m, d int) { return digits(b[7:11]), month(b[3:6]), digits(b[:2]) })
	sec, ok2 := clock(b[12:20])
	offset, ok3 := zone(b[21:])
	return time.Unix(day+sec-offset, 0), ok && ok2 && ok3
}

// unixDay returns the start of a day in UTC.
func (in *instants) unixDay(text []byte, date func() (y, m, d int)) (int64, bool) {
	if string(text) == string(in.day[:in.dayLen]) {
		return in.dayUnix, true
	}
	y, m, d := date()
	if y < 0 || m < 1 || m > 12 || d < 1 || d > 31 {
		return 0, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	if t.Day() != d { // the 30th of February
		return 0, false
	}
	in.dayLen = copy(in.day[:], text)
	in.dayUnix = t.Unix()
	return in.dayUnix, true
}

// clock reads 13:17:21 as seconds of the day. A leap second, :60, counts as
// the first second of the next minute.
func clock(b []byte) (int64, bool) {
	h, m, s := digits(b[:2]), digits(b[3:5]), digits(b[6:8])
	ok := b[2] == ':' && b[5] == ':' && h >= 0 && h < 24 && m >= 0 && m < 60 && s >= 0 && s <= 60
	return int64(h*3600 + m*60 + s), ok
}

// zone reads Z, +01:00 or +0100 as seconds east of UTC.
func zone(b []byte) (int64, bool) {
	if len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if len(b) == 6 && b[3] == ':' {
		b = append(b[:3:3], b[4:]...)
	}
	if len(b) != 5 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, m := digits(b[1:3]), digits(b[3:5])
	if h < 0 || h > 23 || m < 0 || m > 59 {
		return 0, false
	}
	s := int64(h*3600 + m*60)
	if b[0] == '-' {
		s = -s
	}
	return s, true
}

// epoch reads a number since 1970. Below 1e11 it is seconds (until the year
// 5138), below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds.
func epoch(b []byte) (time.Time, bool) {
	whole, i := int64(0), 0
	for ; i < len(b) && isDigit(b[i]); i++ {
		if i == 18 {
			if len(b) > 19 {
				return time.Time{}, false
			}
		}
		whole = whole*10 + int64(b[i]-'0')
	}
	if i == 0 || whole < 0 {
		return time.Time{}, false
	}
	unit := int64(1) // units in a second
	switch {
	case whole >= 1e17:
		unit = 1e9
	case whole >= 1e14:
		unit = 1e6
	case whole >= 1e11:
		unit = 1e3
	}
	nanos := whole % unit * (1e9 / unit)
	if i < len(b) {
		if b[i] != '.' || i+1 == len(b) {
			return time.Time{}, false
		}
		scale := 1e9 / unit
		for i++; i < len(b); i++ {
			if !isDigit(b[i]) {
				return time.Time{}, false
			}
			scale /= 10
			nanos += int64(b[i]-'0') * scale
		}
	}
	return time.Unix(whole/unit, nanos), true
}

// month reads Jan to Dec; 0 is none of them.
func month(b []byte) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for i := 0; i < len(names); i += 3 {
		if names[i:i+3] == string(b) {
			return i/3 + 1
		}
	}
	return 0
}

// digits reads a number of nothing but digits; -1 is none.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
