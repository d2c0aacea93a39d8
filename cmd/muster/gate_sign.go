package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/musterhq/muster/gate"
)

// signFlags ask for a verdict that is signed.
type signFlags struct {
	Artefact string `group:"What is signed" placeholder:"FILE" help:"What the verdict is about, to be deployed: a file, or sha256:… of an image."`
	Sign     string `group:"What is signed" placeholder:"FILE" help:"Write the signed verdict there. The key is in MUSTER_GATE_KEY."`
}

// gateKey is the variable that holds the private key, and gatePublicKey the one
// with public ones.
const (
	gateKey       = "MUSTER_GATE_KEY"
	gatePublicKey = "MUSTER_GATE_PUBLIC_KEY"
)

// A signer signs verdicts about one artefact.
type signer struct {
	signFlags
	key    ed25519.PrivateKey
	digest string // of the artefact, before anything ran
}

func (f signFlags) signer(a *app) (*signer, error) {
	switch {
	case f.Sign == "" && f.Artefact == "":
		return nil, nil
	case f.Artefact == "":
		return nil, misused("--sign: needs --artefact, what the verdict is about")
	case f.Sign == "":
		return nil, misused("--artefact: needs --sign, where the signed verdict goes")
	}
	text := a.getenv(gateKey)
	if text == "" {
		return nil, misused("--sign: %s holds no key; muster gate key makes one", gateKey)
	}
	key, err := gate.ParsePrivateKey([]byte(text))
	if err != nil {
		return nil, misused("%s: %w", gateKey, err)
	}
	_, digest, err := artefact(f.Artefact)
	if err != nil {
		return nil, misused("%w: it is to be there before it is judged", err)
	}
	return &signer{f, key, digest}, nil
}

func (s *signer) sign(v gate.Verdict, b gate.Baseline) error {
	name, digest, err := artefact(s.Artefact)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if digest != s.digest {
		return fmt.Errorf("sign: %s was changed by the run: what goes out is not what was tested", name)
	}
	lives := "" // of what it lives with
	if len(b) > 0 {
		lives = fmt.Sprintf("%x", sha256.Sum256(b.Text()))
	}
	signed, err := gate.Sign(s.key, v.Statement(name, digest, lives, version))
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if err := writeWhole(s.Sign, append(signed, '\n')); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return nil
}

// artefact names what is deployed, and its SHA-256 in hex.
func artefact(given string) (name, digest string, err error) {
	if sum, ok := strings.CutPrefix(given, "sha256:"); ok {
		if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
			return "", "", fmt.Errorf("--artefact: %q is no digest: sha256: and 64 hexadecimal digits", given)
		}
		return given, strings.ToLower(sum), nil
	}
	f, err := os.Open(given)
	if err != nil {
		return "", "", fmt.Errorf("--artefact: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", "", fmt.Errorf("--artefact: %w", err)
	}
	return filepath.Base(given), hex.EncodeToString(sum.Sum(nil)), nil
}
