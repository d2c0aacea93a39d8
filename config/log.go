package config

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// A Log is a log source: how its lines become records.
type Log struct {
	Format   string            // a format of collect; "" is auto
	Fields   map[string]string // our name of a field to its name in the log
	Service  string            // slug; "" leaves it to the field service of the record
	Defaults map[string]string // values of fields that a record lacks
}

func readLog(n node) Log {
	o := n.object("format", "fields", "service", "defaults")
	l := Log{Format: o.line("format"), Fields: o.words("fields"), Service: o.slug("service"), Defaults: o.words("defaults")}
	if k := n.r.kinds; k != nil && len(k.Formats) > 0 && l.Format != "" && !slices.Contains(k.Formats, l.Format) {
		o.vals["format"].problem(fmt.Sprintf("there is no format %s", shown(l.Format)), n.r.suggest(l.Format, k.Formats))
	}
	return l
}

func writeLog(_ writer, l Log) *yaml.Node {
	m := mapping()
	put(m, "format", text(l.Format))
	put(m, "fields", words(l.Fields))
	put(m, "service", text(l.Service))
	put(m, "defaults", words(l.Defaults))
	return m
}
