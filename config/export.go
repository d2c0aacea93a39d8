package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// YAML exports d in canonical form: sections and slugs in a fixed order,
// defaults left out or written always, so that equal configurations are equal
// text. A secret that is not a reference is written as Masked, which
// KeepSecrets turns back. Of a Doc without such secrets, Parse gives an equal
// one.
func (d Doc) YAML() ([]byte, error) {
	root := mapping()
	put(root, "organization", text(d.Organization))
	for _, s := range sections() {
		all := mapping()
		for _, slug := range s.slugs(d) {
			n := s.write(d, slug, writer{masked: true})
			for _, c := range n.Content {
				style(c)
			}
			if s.alone {
				all = n
				break
			}
			put(all, slug, n)
		}
		put(root, s.name, some(all))
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("export of the configuration: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("export of the configuration: %w", err)
	}
	return out.Bytes(), nil
}
