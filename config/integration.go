package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An Integration is a way in, with its own key.
type Integration struct {
	Kind     string   // a kind of source
	Key      string   // a secret: the token of its URL
	Service  string   // slug; "" leaves it to the label service of the event
	GroupBy  []string // labels; none leaves it to the service
	Settings Settings
	Secrets  []string // names in Settings that are secrets, sorted
}

// minKey is the length of a key below which it could be found by trying.
const minKey = 8

// integrationKeys are the keys of every integration; others are settings of its kind.
var integrationKeys = []string{"kind", "key", "service", "group_by"}

func readIntegration(n node) Integration {
	o := n.entries()
	var i Integration
	var kind Kind
	known := true
	if k, ok := o.need("kind"); ok {
		i.Kind, _ = k.scalar()
		if o.r.kinds != nil && i.Kind != "" {
			if kind, known = find(o.r.kinds.Sources, i.Kind); !known {
				k.problem(fmt.Sprintf("there is no kind of source %s", shown(i.Kind)), o.r.suggest(i.Kind, names(o.r.kinds.Sources)))
				i.Kind = "" // told; Check need not tell it again
			}
		}
	}
	if k, ok := o.need("key"); ok {
		i.Key = k.intakeKey()
	}
	i.Service = o.slug("service")
	i.GroupBy = o.lines("group_by")
	if known { // without the kind nobody knows what is a secret
		i.Settings, i.Secrets = o.settings(kind, integrationKeys...)
	}
	return i
}

// intakeKey returns the key of an integration, a secret that stands in a URL.
func (n node) intakeKey() string {
	s, ok := n.scalar()
	if !ok || n.r.kinds == nil { // what is stored may be sealed
		return s
	}
	why := badSecret(s)
	if why == "" && !IsReference(s) && s != Masked {
		const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
		switch {
		case len(s) < minKey:
			why = fmt.Sprintf("is shorter than %d characters", minKey)
		case strings.Trim(s, safe) != "":
			why = "stands in a URL: it wants letters, digits, - and _ alone"
		}
	}
	if why != "" {
		n.problem(why, "")
	}
	return s
}

func writeIntegration(w writer, i Integration) *yaml.Node {
	m := mapping()
	put(m, "kind", text(i.Kind))
	put(m, "key", w.value(i.Key, true))
	put(m, "service", text(i.Service))
	put(m, "group_by", texts(i.GroupBy))
	w.putSettings(m, i.Settings, i.Secrets)
	return m
}
