package runbook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/musterhq/muster/config"
)

// Hash is what an approval is bound to: the lower-case hexadecimal SHA-256 of
// the canonical JSON of the runbook's body, the parameters, the target and the
// kind and pin of every plan, in order. Canonical means: the keys of objects
// sorted, no white space, numbers as they were written.
//
// Body and parameters are those before secrets are put in for their references,
// so that the hash tells nothing about a secret.
func Hash(body json.RawMessage, params config.Settings, target Target, plans []Plan) (string, error) {
	type pinned struct {
		Step string `json:"step"`
		Pin  any    `json:"pin"`
	}
	all := struct {
		Body   any             `json:"body"`
		Params config.Settings `json:"params"`
		Target Target          `json:"target"`
		Plans  []pinned        `json:"plans"`
	}{Params: params, Target: target}
	if all.Params == nil { // none, however it is written
		all.Params = config.Settings{}
	}
	var err error
	if all.Body, err = tree(body); err != nil {
		return "", fmt.Errorf("hash of a plan: body: %w", err)
	}
	for i, p := range plans {
		pin, err := tree(p.Pin)
		if err != nil {
			return "", fmt.Errorf("hash of a plan: steps[%d]: pin: %w", i, err)
		}
		all.Plans = append(all.Plans, pinned{p.Step, pin})
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("hash of a plan: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// tree decodes JSON into values that encoding/json writes canonically: it sorts
// the keys of maps, and a json.Number keeps its digits.
func tree(raw json.RawMessage) (any, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("position %d: more than one value", d.InputOffset())
	}
	return v, nil
}
