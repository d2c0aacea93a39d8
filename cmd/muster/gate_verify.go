package main

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/musterhq/muster/gate"
)

type gateVerifyCmd struct {
	jsonFlag
	Artefact string        `required:"" placeholder:"FILE" help:"What is to be deployed: a file, or sha256:… of an image."`
	Key      []string      `sep:"none" type:"existingfile" placeholder:"FILE" help:"Public key to trust; else those in MUSTER_GATE_PUBLIC_KEY."`
	Commit   string        `placeholder:"SHA" help:"It must have been judged at this commit."`
	Project  string        `placeholder:"URL" help:"It must be of this project, as the verdict names it."`
	Suite    []string      `placeholder:"NAME" help:"Each of these must have passed. Default: at least one of any name, and none failed."`
	MaxAge   time.Duration `placeholder:"DURATION" help:"It must not have been judged longer ago."`
	Verdicts []string      `arg:"" name:"verdict" help:"Files that muster gate --sign wrote."`
}

func (gateVerifyCmd) Help() string {
	return `A deployment calls it, and goes on only at exit code 0: the artefact is the one that was judged, the
verdict was pass, and it was signed with a key that is trusted.

  muster gate verify --artefact shop.tar --key gate.key.pub --max-age 24h muster-verdict.json`
}

func (c gateVerifyCmd) Run(a *app) error {
	keys, err := c.keys(a)
	if err != nil {
		return usageError{err}
	}
	name, digest, err := artefact(c.Artefact)
	if err != nil {
		return err
	}
	var statements []gate.Statement
	for _, file := range c.Verdicts {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s, err := gate.Open(text, keys)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		statements = append(statements, s)
	}
	policy := gate.Policy{Artefact: digest, Commit: c.Commit, Project: c.Project, Suites: c.Suite, MaxAge: c.MaxAge}
	if err := policy.Check(statements, a.now().UTC()); err != nil {
		return fmt.Errorf("%s may not be deployed: %w", name, err)
	}
	if c.JSON {
		return a.printJSON(statements)
	}
	_, err = fmt.Fprintf(a.out, "%s may be deployed: %s\n", clean(name), plural(len(statements), "signed verdict"))
	return err
}

func (c gateVerifyCmd) keys(a *app) ([]ed25519.PublicKey, error) {
	var texts [][]byte
	for _, name := range c.Key {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("--key: %w", err)
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		for text := range strings.FieldsFuncSeq(a.getenv(gatePublicKey), func(r rune) bool { return r == ',' }) {
			texts = append(texts, []byte(text))
		}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("no key to trust: give --key, or %s", gatePublicKey)
	}
	var keys []ed25519.PublicKey
	for _, text := range texts {
		key, err := gate.ParsePublicKey(text)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
