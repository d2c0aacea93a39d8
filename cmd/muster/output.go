package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/musterhq/muster/incident"
)

// jsonFlag is that of every listing.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print JSON, as the API has it."`
}

// print writes a list: as one JSON array, or as a table.
func (f jsonFlag) print(a *app, items []json.RawMessage, none string, t *table) error {
	if f.JSON {
		if items == nil {
			items = []json.RawMessage{}
		}
		return a.printJSON(items)
	}
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(a.out, none)
		return err
	}
	return t.write(a.out, a.width, a.colour)
}

// printJSON writes a value indented. Control characters above ASCII are
// escaped, too: some terminals obey them.
func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := a.out.Write(escapeC1(b.Bytes()))
	return err
}

// escapeC1 escapes U+0080 to U+009F and DEL, which stand only in strings.
func escapeC1(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == 0x7f:
			out = append(out, `\u007f`...)
		case text[i] == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0:
			out = fmt.Appendf(out, `\u%04x`, text[i+1])
			i++
		default:
			out = append(out, text[i])
		}
	}
	return out
}

// list reads a listing page by page, up to limit items; 0 is all. More tells
// whether there would have been more.
func (c *client) list(ctx context.Context, path, field string, query url.Values, limit int) (items []json.RawMessage, more bool, err error) {
	const page = 100
	if query == nil {
		query = url.Values{}
	}
	for {
		size := page
		if limit > 0 {
			size = min(page, limit-len(items))
		}
		query.Set("limit", strconv.Itoa(size))
		var answer map[string]json.RawMessage
		if err := c.get(ctx, path, query, &answer); err != nil {
			return nil, false, err
		}
		var part []json.RawMessage
		if err := json.Unmarshal(answer[field], &part); err != nil {
			return nil, false, fmt.Errorf("GET %s: the answer has no list %q: %w", path, field, err)
		}
		items = append(items, part...)
		var next string
		if raw, ok := answer["next"]; ok {
			if err := json.Unmarshal(raw, &next); err != nil {
				return nil, false, fmt.Errorf("GET %s: next: %w", path, err)
			}
		}
		if next == "" || len(part) == 0 || limit > 0 && len(items) >= limit {
			return items, next != "", nil
		}
		query.Set("after", next)
	}
}

// decoded reads each item of a list.
func decoded[T any](items []json.RawMessage) ([]T, error) {
	out := make([]T, len(items))
	for i, item := range items {
		if err := json.Unmarshal(item, &out[i]); err != nil {
			return nil, fmt.Errorf("item %d of the answer: %w", i, err)
		}
	}
	return out, nil
}

func severity(s incident.Severity) cell {
	switch s.Rank() {
	case 0:
		return cell{s.SEV(), red}
	case 1:
		return cell{s.SEV(), yellow}
	}
	return cell{s.SEV(), ""}
}

func status(s string) cell {
	switch s {
	case "triggered", "firing":
		return cell{s, red}
	case "acknowledged", "snoozed":
		return cell{s, yellow}
	case "resolved":
		return cell{s, green}
	}
	return cell{s, ""}
}
