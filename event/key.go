package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode"
)

// settleKey makes a key or group fit for storage. One that is too long or has
// control characters is replaced by its hash, and neither cut nor cleaned, so
// that two problems never become one.
func settleKey(s string) (key string, hashed bool) {
	if strings.TrimSpace(s) == "" {
		return "", false
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= MaxKey && strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s, false
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:]), true
}

// hashKey derives a key from what must be equal for two messages to be about
// the same thing: prefix and the first 128 bits of a SHA-256, in hexadecimal.
// Each part counts with its length, so that ("ab", "c") is not ("a", "bc").
func hashKey(prefix string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return prefix + hex.EncodeToString(h.Sum(nil)[:16])
}
