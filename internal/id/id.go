// Package id makes the identifiers of Muster's rows: UUIDs of version 7
// (RFC 9562), as text. They sort by the microsecond in which they were made,
// or nearly: a twelve-bit fraction of the millisecond is what fits.
// It knows no clock; the caller says what time it is.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// New returns a UUIDv7 for the instant now.
func New(now time.Time) string {
	return text(fresh(now))
}

// Secret returns n random bytes as lower-case hexadecimal: for tokens and keys.
func Secret(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// A Series is a UUIDv7 whose last 16 bits are zero; it names a set of up to
// 65,536 things, and the n-th of them is the same UUID with n in these bits.
// So the id of a member alone finds the set it was written with.
type Series [16]byte

// Members is how many ids a Series can give.
const Members = 1 << 16

// NewSeries returns a fresh series for the instant now.
func NewSeries(now time.Time) Series {
	b := fresh(now)
	b[14], b[15] = 0, 0
	return b
}

// String returns the id of the series itself, which is that of its member 0.
func (s Series) String() string { return text(s) }

// Member returns the id of member n, 0 <= n < Members.
func (s Series) Member(n int) string {
	binary.BigEndian.PutUint16(s[14:], uint16(n))
	return text(s)
}

// SplitMember returns the series that a member's id belongs to, and its number.
func SplitMember(member string) (series string, n int, err error) {
	raw, err := parse(member)
	if err != nil {
		return "", 0, err
	}
	n = int(binary.BigEndian.Uint16(raw[14:]))
	raw[14], raw[15] = 0, 0
	return text(raw), n, nil
}

// At returns when an id was made, to the millisecond; false for what is no id.
func At(made string) (at time.Time, ok bool) {
	b, err := parse(made)
	if err != nil {
		return time.Time{}, false
	}
	ms := int64(b[0])<<40 | int64(b[1])<<32 | int64(binary.BigEndian.Uint32(b[2:]))
	return time.UnixMilli(ms).UTC(), true
}

func fresh(now time.Time) [16]byte {
	var b [16]byte
	rand.Read(b[8:])
	ms := uint64(now.UnixMilli())
	fine := uint64(now.UnixMicro()-now.UnixMilli()*1000) * 4096 / 1000 // RFC 9562, 6.2, method 3: ids of one millisecond sort too
	b[0], b[1], b[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	b[3], b[4], b[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	b[6], b[7] = byte(fine>>8)|0x70, byte(fine)
	b[8] = b[8]&0x3f | 0x80
	return b
}

func text(b [16]byte) string {
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

var errForm = errors.New("not an id: want 36 characters like 0190a5f2-1c3e-7000-8000-000000000000")

func parse(s string) ([16]byte, error) {
	var b [16]byte
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return b, errForm
	}
	compact := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(b[:], []byte(compact)); err != nil {
		return b, errForm
	}
	return b, nil
}
