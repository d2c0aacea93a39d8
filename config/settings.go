package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The stored form says with these keys what a file leaves to the Kinds. No
// field can be called so.
const (
	keyKind    = "$kind"    // the kind of a connection, a ticket
	keySecret  = "$secret"  // the address is a secret
	keySecrets = "$secrets" // the names of the settings that are secrets
)

// settings reads the keys of o that are not taken as settings of kind, and
// the names of those that are secret.
func (o object) settings(kind Kind, taken ...string) (Settings, []string) {
	stored := map[string]bool{}
	if n, ok := o.get(keySecrets); ok && o.r.kinds == nil {
		for _, item := range n.list() {
			name, _ := item.scalar()
			stored[name] = true
		}
	}
	set := Settings{}
	var secrets []string
	for _, key := range o.order {
		if slices.Contains(taken, key) || strings.HasPrefix(key, "$") && o.r.kinds == nil {
			continue
		}
		if why := badSettingName(key); why != "" {
			o.keys[key].problem(why, "")
			continue
		}
		f, _ := kind.field(key)
		o.vals[key].flatten(key, func(name string, n node) {
			v, ok := n.scalar()
			if !ok {
				return
			}
			secret := f.Secret || stored[name]
			why := badText(v)
			if secret {
				why = badSecret(v)
				secrets = append(secrets, name)
			}
			if why != "" {
				n.problem(why, "")
			}
			set[name] = v // even so: otherwise it would be missed
		})
	}
	slices.Sort(secrets)
	return set, secrets
}

// badSettingName keeps names clear of the dot, which separates a name from a
// key or an index.
func badSettingName(name string) string {
	if strings.HasPrefix(name, "$") || strings.Contains(name, ".") || badLine(name) != "" {
		return "unknown key"
	}
	return ""
}

// flatten visits the scalars of a setting: itself, or the entries of a mapping
// or of a list, one level deep.
func (n node) flatten(name string, visit func(string, node)) {
	switch n.y.Kind {
	case yaml.MappingNode:
		o := n.entries()
		for _, k := range o.order {
			if why := badLine(k); why != "" {
				o.keys[k].problem("the key "+why, "")
				continue
			}
			visit(name+"."+k, o.vals[k])
		}
	case yaml.SequenceNode:
		for i, item := range n.list() {
			visit(name+"."+strconv.Itoa(i), item)
		}
	default:
		visit(name, n)
	}
}

// putSettings writes settings into the mapping m, unflattened.
func (w writer) putSettings(m *yaml.Node, set Settings, secrets []string) {
	groups := map[string][]string{} // by name: the keys after the dot
	for _, flat := range slices.Sorted(maps.Keys(set)) {
		name, key, nested := strings.Cut(flat, ".")
		if !nested {
			put(m, name, w.setting(set, secrets, flat))
			continue
		}
		groups[name] = append(groups[name], key)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		keys := groups[name]
		if isList(keys) {
			list := sequence()
			for i := range keys {
				list.Content = append(list.Content, w.setting(set, secrets, fmt.Sprintf("%s.%d", name, i)))
			}
			put(m, name, list)
			continue
		}
		entries := mapping()
		for _, key := range keys {
			put(entries, key, w.setting(set, secrets, name+"."+key))
		}
		put(m, name, entries)
	}
	if w.stored && len(secrets) > 0 {
		put(m, keySecrets, texts(secrets))
	}
}

func (w writer) setting(set Settings, secrets []string, flat string) *yaml.Node {
	return w.value(set[flat], slices.Contains(secrets, flat))
}

// isList tells whether keys are 0, 1 … n-1, in any order.
func isList(keys []string) bool {
	for i := range keys {
		if !slices.Contains(keys, strconv.Itoa(i)) {
			return false
		}
	}
	return true
}

// settingPath returns the path of a flattened setting, as node.path has it.
func (p places) settingPath(path, flat string) string {
	name, key, nested := strings.Cut(flat, ".")
	path = join(path, name)
	if !nested {
		return path
	}
	if item := path + "[" + key + "]"; p[item] != (place{}) {
		return item
	}
	return join(path, key)
}
