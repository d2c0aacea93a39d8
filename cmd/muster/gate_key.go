package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

type gateKeyCmd struct {
	Private string `arg:"" placeholder:"FILE" help:"Where the private key goes, mode 0600; beside it the public one, with .pub."`
}

func (gateKeyCmd) Help() string {
	return `The private key belongs into the variable MUSTER_GATE_KEY of the pipeline, the public one to who deploys.

  muster gate key gate.key`
}

func (c gateKeyCmd) Run(a *app) error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	known, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Private, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usageError{err} // a key is never written over
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.WriteFile(c.Private+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: known}), 0o644)
	}
	if err == nil {
		_, err = fmt.Fprintf(a.out, "%s and %s.pub\n", clean(c.Private), clean(c.Private))
	}
	return err
}
