package engine

import (
	"fmt"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/seal"
)

// sealed returns the configuration with every secret that is no reference
// encrypted, as it is kept.
func (e *Engine) sealed(org string, d config.Doc) (config.Doc, error) {
	return d.MapSecrets(func(place, value string) (string, error) {
		if config.IsReference(value) || value == config.Masked {
			return value, nil
		}
		return e.Key.Seal(value, bound(org, place)), nil
	})
}

// unseal is the inverse of sealed.
func (e *Engine) unseal(org string, d config.Doc) (config.Doc, error) {
	return d.MapSecrets(func(place, value string) (string, error) {
		if !seal.Sealed(value) {
			return value, nil
		}
		return e.Key.Open(value, bound(org, place))
	})
}

// bound is the associated data of a secret: sealed for one place of one
// organization, it cannot be opened at another.
func bound(org, place string) string { return org + "/resources/" + place }

// plain returns what a secret of the configuration stands for: the value of a
// reference, or itself.
func (e *Engine) plain(value string) (string, error) {
	if !config.IsReference(value) {
		return value, nil
	}
	if e.Resolve == nil {
		return "", fmt.Errorf("%s: references are not resolved here", value)
	}
	return e.Resolve(value)
}
