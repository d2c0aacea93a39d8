package web

import (
	"encoding/base64"
	"net/http"
	"strings"
)

// A page says which part of a list is asked for.
type Page struct {
	After string `query:"after" doc:"The cursor \"next\" of the page before." maxLength:"200"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most."`
}

// cursor makes the opaque cursor of a list that goes on after an id. The name
// of the list is in it: the cursor of one list is none of another.
func cursor(list, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + id))
}

// after returns the id in the cursor, "" for none.
func (p Page) after(list string) (string, error) {
	if p.After == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(p.After)
	id, ok := strings.CutPrefix(string(text), list+":")
	if err != nil || !ok || id == "" {
		detail := `not a cursor of this list; use "next" of the page before as it is`
		return "", newProblem(http.StatusUnprocessableEntity, "after: %s", detail).at(Fault{Parameter: "after", Detail: detail})
	}
	return id, nil
}

// cut takes a page from a list that was read one longer than asked for, and
// makes the cursor of the next page, "" at the end.
func cut[T any](all []T, limit int, list string, id func(T) string) ([]T, string) {
	if len(all) <= limit {
		return all, ""
	}
	all = all[:limit]
	return all, cursor(list, id(all[limit-1]))
}
