// Package seal encrypts secrets for storage with AES-256-GCM. It knows the
// form keyid:nonce:ciphertext and nothing of where keys come from, where sealed
// text is kept, or what a secret is for.
//
// Nonces are random, 96 bits: one key is good for 2^32 seals (NIST SP 800-38D,
// section 8.3), which no configuration reaches.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The ways in which text cannot be opened. No error of this package holds a
// plain text or a key.
var (
	ErrForm    = errors.New("is not sealed text")
	ErrKey     = errors.New("is sealed with another key")
	ErrChanged = errors.New("was changed, or belongs to another place")
)

// A Key seals and opens. The zero Key does neither.
type Key struct {
	id   string
	aead cipher.AEAD
}

// size of a key, in bytes.
const size = 32

// ParseKey reads a key: 32 bytes as 64 hexadecimal digits, or in base64, of
// either alphabet, with or without padding. Space around it is dropped, since
// keys come from files.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	var raw []byte
	var err error
	if len(text) == 2*size {
		raw, err = hex.DecodeString(text)
	} else {
		plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
		raw, err = base64.RawURLEncoding.Strict().DecodeString(plain)
	}
	if err != nil || len(raw) != size {
		return Key{}, fmt.Errorf("key: wants %d bytes as hexadecimal digits or base64; has %d characters", size, len(text))
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Key{}, fmt.Errorf("key: %w", err)
	}
	sum := sha256.Sum256(raw)
	return Key{hex.EncodeToString(sum[:4]), aead}, nil
}

// ID names the key: the first 8 hexadecimal digits of its SHA-256. It may be
// shown.
func (k Key) ID() string { return k.id }

// String is the id, so that a Key that is printed by mistake says nothing.
func (k Key) String() string { return "key " + k.id }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

// Seal returns plain as keyid:nonce:ciphertext, the latter two in base64url
// without padding. aad is the place it belongs to, organization/table/column/id;
// it opens only there. Seal panics on the zero Key: storing a secret in the
// clear is worse.
func (k Key) Seal(plain, aad string) string {
	if k.aead == nil {
		panic("seal: no key")
	}
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		panic("seal: no random numbers: " + err.Error()) // crypto/rand promises that it never happens
	}
	text := k.aead.Seal(nil, nonce, []byte(plain), k.bind(aad))
	encode := base64.RawURLEncoding.EncodeToString
	return k.id + ":" + encode(nonce) + ":" + encode(text)
}

// Open returns what was sealed. Its error is ErrForm, ErrKey or ErrChanged.
func (k Key) Open(text, aad string) (string, error) {
	id, rest, _ := strings.Cut(text, ":")
	nonceText, cipherText, _ := strings.Cut(rest, ":")
	if !Sealed(text) {
		return "", fmt.Errorf("open secret: %w", ErrForm)
	}
	if id != k.id || k.aead == nil {
		return "", fmt.Errorf("open secret: %w: it has key id %s, this is %q", ErrKey, id, k.id)
	}
	decode := base64.RawURLEncoding.Strict().DecodeString
	nonce, err := decode(nonceText)
	if err != nil {
		return "", fmt.Errorf("open secret: %w", ErrForm)
	}
	sealed, err := decode(cipherText)
	if err != nil || len(nonce) != k.aead.NonceSize() {
		return "", fmt.Errorf("open secret: %w", ErrForm)
	}
	plain, err := k.aead.Open(nil, nonce, sealed, k.bind(aad))
	if err != nil {
		return "", fmt.Errorf("open secret: %w", ErrChanged)
	}
	return string(plain), nil
}

// bind adds the key id to the associated data, so that no part of the text is
// outside of the seal.
func (k Key) bind(aad string) []byte { return []byte(k.id + ":" + aad) }

// form: 8 digits, 12 bytes of nonce, and at least the 16 bytes of the tag.
var form = regexp.MustCompile(`^[0-9a-f]{8}:[A-Za-z0-9_-]{16}:[A-Za-z0-9_-]{22,}$`)

// Sealed tells whether text has the form of sealed text.
func Sealed(text string) bool { return form.MatchString(text) }

// SelfTest seals and opens once with k and returns an error if anything that
// sealing promises does not hold: what comes out is what went in, two seals
// differ, nothing opens in another place or after a change. The program runs it
// before it stores the first secret.
func SelfTest(k Key) error {
	if k.aead == nil {
		return errors.New("seal: self-test: no key")
	}
	const plain, place = "self-test", "org/table/column/id"
	text := k.Seal(plain, place)
	if !Sealed(text) || strings.Contains(text, plain) {
		return errors.New("seal: self-test: the sealed text has not the form of one")
	}
	if got, err := k.Open(text, place); err != nil || got != plain {
		return errors.New("seal: self-test: what was sealed does not open")
	}
	if k.Seal(plain, place) == text {
		return errors.New("seal: self-test: two seals are the same: the random numbers are not random")
	}
	if _, err := k.Open(text, place+"2"); !errors.Is(err, ErrChanged) {
		return errors.New("seal: self-test: it opens in another place")
	}
	at := len(text) - 5 // inside the ciphertext, clear of the last digit, which has unused bits
	flipped := byte('A')
	if text[at] == flipped {
		flipped = 'B'
	}
	if _, err := k.Open(text[:at]+string(flipped)+text[at+1:], place); !errors.Is(err, ErrChanged) {
		return errors.New("seal: self-test: it opens after a change")
	}
	return nil
}
