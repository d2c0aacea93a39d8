package gate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
)

// A signed statement is an envelope of DSSE 1.0.2
// (https://github.com/secure-systems-lab/dsse) with signatures of Ed25519.
type envelope struct {
	Payload     string              `json:"payload"` // base64
	PayloadType string              `json:"payloadType"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID     string `json:"keyid"` // a hint, not signed
	Signature string `json:"sig"`   // base64
}

const payloadType = "application/vnd.in-toto+json"

// What an envelope may cost to open.
const (
	maxEnvelope   = 4 << 20 // bytes
	maxSignatures = 64
)

// preAuth is what DSSE signs: the type and the payload, each with its length, so
// that no two pairs look the same.
func preAuth(payloadType string, payload []byte) []byte {
	var b bytes.Buffer
	b.WriteString("DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType + " " + strconv.Itoa(len(payload)) + " ")
	b.Write(payload)
	return b.Bytes()
}

// KeyID names a public key: the first 16 hex digits of its SHA-256.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// Sign returns the statement in a signed envelope. The same statement and key
// give the same envelope.
func Sign(key ed25519.PrivateKey, s Statement) ([]byte, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errors.New("sign: the private key is not of Ed25519")
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	payload, err := s.payload()
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	out, err := json.Marshal(envelope{
		Payload:     base64.StdEncoding.EncodeToString(payload),
		PayloadType: payloadType,
		Signatures: []envelopeSignature{{
			KeyID:     KeyID(key.Public().(ed25519.PublicKey)),
			Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, preAuth(payloadType, payload))),
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append(out, '\n'), nil
}

// Open returns the statement in an envelope that one of the keys has signed.
// Nothing of it is read before that is sure.
func Open(text []byte, keys []ed25519.PublicKey) (Statement, error) {
	var e envelope
	switch err := json.Unmarshal(text, &e); {
	case len(keys) == 0:
		return Statement{}, errors.New("open: there is no public key to check by")
	case len(text) > maxEnvelope:
		return Statement{}, fmt.Errorf("open: the envelope is larger than %d bytes", maxEnvelope)
	case err != nil:
		return Statement{}, fmt.Errorf("open: the file is no envelope: %w", err)
	case e.PayloadType != payloadType:
		return Statement{}, fmt.Errorf("open: the payload is no in-toto statement: %q", clip(e.PayloadType))
	case len(e.Signatures) == 0:
		return Statement{}, errors.New("open: the envelope is not signed")
	case len(e.Signatures) > maxSignatures:
		return Statement{}, fmt.Errorf("open: the envelope has more than %d signatures", maxSignatures)
	}
	payload, err := decode64(e.Payload)
	if err != nil {
		return Statement{}, errors.New("open: the payload is not base64")
	}
	if !signedBy(keys, preAuth(e.PayloadType, payload), e.Signatures) {
		return Statement{}, fmt.Errorf("open: none of %s has signed it; it says that %q has", counted(len(keys), "key"), clip(e.Signatures[0].KeyID))
	}
	s, err := parseStatement(payload)
	if err != nil {
		return Statement{}, fmt.Errorf("open: %w", err)
	}
	return s, nil
}

// signedBy tries each key, whatever the signatures say of theirs.
func signedBy(keys []ed25519.PublicKey, message []byte, signatures []envelopeSignature) bool {
	for _, s := range signatures {
		signature, err := decode64(s.Signature)
		if err != nil || len(signature) != ed25519.SignatureSize {
			continue
		}
		for _, key := range keys {
			if len(key) == ed25519.PublicKeySize && ed25519.Verify(key, message, signature) {
				return true
			}
		}
	}
	return false
}

// decode64 reads both alphabets of base64, as DSSE has it.
func decode64(s string) ([]byte, error) {
	if b, err := base64.StdEncoding.DecodeString(s); err == nil {
		return b, nil
	}
	return base64.URLEncoding.DecodeString(s)
}

// ParsePrivateKey reads a key to sign with: PEM of PKCS #8, or the seed of 32
// bytes in base64. No error shows any of it.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, seed, err := keyText(text)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	if block == nil {
		return ed25519.NewKeyFromSeed(seed), nil
	}
	switch block.Type {
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("private key: it is encrypted; give it decrypted, from the place where secrets are kept")
	case "PUBLIC KEY":
		return nil, errors.New("private key: it is a public one")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("private key: it is no PKCS #8")
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("private key: it is not of Ed25519")
	}
	return key, nil
}

// ParsePublicKey reads a key to check by: PEM of PKIX, or its 32 bytes in base64.
func ParsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, raw, err := keyText(text)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	if block == nil {
		return ed25519.PublicKey(raw), nil
	}
	if block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("public key: it is a %q; a public key begins with -----BEGIN PUBLIC KEY-----", clip(block.Type))
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("public key: it is no PKIX")
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("public key: it is not of Ed25519")
	}
	return key, nil
}

// keyText reads a key as it is written: a block of PEM, or else 32 bytes.
func keyText(text []byte) (*pem.Block, []byte, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if bytes.Contains(text, []byte("-----BEGIN")) {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, nil, errors.New("the PEM is damaged")
		}
		return block, nil, nil
	}
	raw, err := decode64(string(text))
	if err != nil || len(raw) != ed25519.SeedSize {
		return nil, nil, errors.New("it is neither PEM nor 32 bytes in base64")
	}
	return nil, raw, nil
}
