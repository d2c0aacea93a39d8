package config

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// check returns what is wrong with settings of kind k, which stand at path.
// templates says that {{ }} may stand in values, whose type is then not known.
// given are settings that come from elsewhere, and may be nil; beside are the
// keys that may stand next to them, for suggestions.
func (k Kind) check(at places, path string, set Settings, templates bool, given Settings, beside ...string) Errors {
	var out Errors
	shapes := map[string]string{} // of each name that is set: one, map
	for _, flat := range slices.Sorted(maps.Keys(set)) {
		name, _, nested := strings.Cut(flat, ".")
		f, ok := k.field(name)
		if !ok {
			p := at.at(join(path, name), "unknown key", suggest(name, append(k.fieldNames(), beside...)))
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
			continue
		}
		if shapes[name] = "one"; nested {
			shapes[name] = "map"
		}
		if f.nests() != nested || templates && strings.Contains(set[flat], "{{") {
			continue
		}
		if why := f.bad(set[flat]); why != "" {
			out = append(out, at.at(at.settingPath(path, flat), why, ""))
		}
	}
	for _, f := range k.Fields {
		shape := shapes[f.Name]
		switch {
		case shape == "" && f.Required && !given.has(f.Name):
			out = append(out, at.at(join(path, f.Name), "is missing", ""))
		case shape == "one" && f.Type == "list":
			out = append(out, at.at(join(path, f.Name), "wants a list such as [a, b], has text", ""))
		case shape == "one" && f.Type == "map":
			out = append(out, at.at(join(path, f.Name), "wants a mapping of keys to values, has text", ""))
		case shape == "map" && !f.nests():
			out = append(out, at.at(join(path, f.Name), "wants text, has a mapping or a list", ""))
		case shape == "map" && f.Type == "list" && !isList(set.under(f.Name)):
			out = append(out, at.at(join(path, f.Name), "wants a list such as [a, b], has a mapping", ""))
		}
	}
	return out
}

func (f Field) nests() bool { return f.Type == "map" || f.Type == "list" }

// has tells whether a setting, or an entry of it, is there.
func (s Settings) has(name string) bool {
	if _, ok := s[name]; ok {
		return true
	}
	return len(s.under(name)) > 0
}

// under returns the keys of a map or a list.
func (s Settings) under(name string) []string {
	var out []string
	for flat := range s {
		if key, ok := strings.CutPrefix(flat, name+"."); ok {
			out = append(out, key)
		}
	}
	return out
}

// bad says what is wrong with one value of the field, or "". It shows the
// value of a secret never.
func (f Field) bad(value string) string {
	if f.Secret && (value == Masked || IsReference(value)) {
		return ""
	}
	if f.Required && strings.TrimSpace(value) == "" {
		return "is empty"
	}
	if value == "" {
		return ""
	}
	has := ""
	if !f.Secret {
		has = "; has " + shown(value)
	}
	switch f.Type {
	case "url":
		return badURL(value)
	case "number":
		if x, err := strconv.ParseFloat(value, 64); err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return "wants a number" + has
		}
	case "duration":
		if _, err := ParseDuration(value); err != nil {
			return "wants a duration such as 5m, 1h30m or 7d" + has
		}
	case "bool":
		if value != "true" && value != "false" {
			return "wants true or false" + has
		}
	}
	return ""
}

// badURL does not show the value: people put passwords into URLs.
func badURL(value string) string {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		if IsReference(value) {
			return "wants a URL such as https://example.com; a reference works only where a secret stands"
		}
		return "wants a URL such as https://example.com"
	case u.User != nil:
		return "has a user or a password in the URL; they belong into the settings for them"
	}
	return ""
}

// checkAddress returns what is wrong with an address of kind k at path.
func (k Kind) checkAddress(at places, path, address string) Errors {
	if k.Address == nil {
		return nil
	}
	why := k.Address.bad(address)
	if why == "" {
		return nil
	}
	if k.Address.Label != "" && !k.Address.Secret {
		why = fmt.Sprintf("%s: %s", k.Address.Label, why)
	}
	return Errors{at.at(path, why, "")}
}
