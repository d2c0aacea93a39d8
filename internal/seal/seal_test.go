package seal_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/seal"
)

const place = "shop/connections/token/gitlab"

func key(t *testing.T, fill byte) seal.Key {
	t.Helper()
	k, err := seal.ParseKey(strings.Repeat(fmt.Sprintf("%02x", fill), 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestParseKey(t *testing.T) {
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(250 + i) // gives both + and / in base64
	}
	// The first 8 digits of sha256sum of these 32 bytes.
	const id = "bc2753b8"
	for _, text := range []string{
		hex.EncodeToString(raw),
		strings.ToUpper(hex.EncodeToString(raw)),
		base64.StdEncoding.EncodeToString(raw),
		base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw),
		base64.RawURLEncoding.EncodeToString(raw) + "\n",
	} {
		k, err := seal.ParseKey(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if k.ID() != id {
			t.Errorf("%q: id %s, want %s", text, k.ID(), id)
		}
	}
	for _, text := range []string{
		"", "short", hex.EncodeToString(raw[:31]), hex.EncodeToString(raw) + "00", strings.Repeat("g", 64),
		base64.StdEncoding.EncodeToString(raw[:31]), base64.StdEncoding.EncodeToString(append(raw, 1)), strings.Repeat("!", 43),
	} {
		k, err := seal.ParseKey(text)
		if err == nil {
			t.Errorf("%q is taken for a key", text)
			continue
		}
		if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the key: %v", err)
		}
		if _, err := k.Open("00000000:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAA", ""); !errors.Is(err, seal.ErrKey) {
			t.Errorf("the zero key: %v", err)
		}
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	k := key(t, 0x41)
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", k, k, k, k)} {
		if strings.Contains(s, "4141") || strings.Contains(s, "65 65") || !strings.Contains(s, k.ID()) {
			t.Errorf("printed as %s", s)
		}
	}
}

func TestZeroKeySealsNothing(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the zero key sealed")
		}
	}()
	seal.Key{}.Seal("secret", place)
}

func TestOpensWhatWasSealed(t *testing.T) {
	k := key(t, 7)
	rapid.Check(t, func(t *rapid.T) {
		plain, aad := rapid.String().Draw(t, "plain"), rapid.String().Draw(t, "aad")
		text := k.Seal(plain, aad)
		if !seal.Sealed(text) {
			t.Fatalf("%q is not the form of sealed text", text)
		}
		if !strings.HasPrefix(text, k.ID()+":") {
			t.Fatalf("%q does not say which key sealed it", text)
		}
		got, err := k.Open(text, aad)
		if err != nil || got != plain {
			t.Fatalf("opened %q, %v; want %q", got, err, plain)
		}
		if other := rapid.String().Draw(t, "other"); other != aad {
			if got, err := k.Open(text, other); !errors.Is(err, seal.ErrChanged) || got != "" {
				t.Fatalf("opened %q in another place: %v", got, err)
			}
		}
	})
}

// TestTampering changes every character of sealed text to every other one of
// its alphabet, cuts it everywhere and lengthens it.
func TestTampering(t *testing.T) {
	const plain = "glpat-canary-5f1d"
	k := key(t, 7)
	text := k.Seal(plain, place)
	try := func(changed string) {
		t.Helper()
		got, err := k.Open(changed, place)
		if err == nil || got != "" {
			t.Fatalf("%s opened as %q", changed, got)
		}
		if strings.Contains(err.Error(), plain) || strings.Contains(err.Error(), "canary") {
			t.Fatalf("the error shows the secret: %v", err)
		}
		if !errors.Is(err, seal.ErrForm) && !errors.Is(err, seal.ErrKey) && !errors.Is(err, seal.ErrChanged) {
			t.Fatalf("the error is of no kind: %v", err)
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_:= \n"
	for i := range len(text) {
		for _, c := range []byte(alphabet) {
			if c != text[i] {
				try(text[:i] + string(c) + text[i+1:])
			}
		}
		try(text[:i])
		try(text[i+1:])
		try(text[:i] + text[i+1:])
	}
	try(text + "A")
	try(text + "\n")
	try(" " + text)
	try(strings.ToUpper(text))
	// Parts of two seals do not go together.
	other := strings.Split(k.Seal(plain, place), ":")
	parts := strings.Split(text, ":")
	try(parts[0] + ":" + other[1] + ":" + parts[2])
	try(parts[0] + ":" + parts[1] + ":" + other[2])
}

func TestOtherKey(t *testing.T) {
	const plain = "canary"
	a, b := key(t, 1), key(t, 2)
	text := a.Seal(plain, place)
	_, err := b.Open(text, place)
	if !errors.Is(err, seal.ErrKey) || !strings.Contains(err.Error(), a.ID()) || !strings.Contains(err.Error(), b.ID()) {
		t.Errorf("%v; want both key ids", err)
	}
	// The id of the other key does not make it open either.
	if _, err := b.Open(b.ID()+text[8:], place); !errors.Is(err, seal.ErrChanged) {
		t.Errorf("with a forged id: %v", err)
	}
}

func TestSealed(t *testing.T) {
	for _, text := range []string{"", "plain", "env:GITLAB_TOKEN", "file:/run/secret", "a:b:c", "deadbeef:AAAA:BBBB", "***"} {
		if seal.Sealed(text) {
			t.Errorf("%q counts as sealed", text)
		}
		if _, err := key(t, 1).Open(text, place); !errors.Is(err, seal.ErrForm) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSelfTest(t *testing.T) {
	for i := range 200 {
		if err := seal.SelfTest(key(t, byte(i))); err != nil {
			t.Fatal(err)
		}
	}
	if seal.SelfTest(seal.Key{}) == nil {
		t.Error("the zero key passes the self-test")
	}
}

func FuzzOpen(f *testing.F) {
	k, err := seal.ParseKey(strings.Repeat("07", 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(k.Seal("x", place))
	f.Add("07070707:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if plain, err := k.Open(text, "nowhere"); err == nil {
			t.Errorf("%q opened as %q", text, plain)
		}
	})
}
