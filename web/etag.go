package web

import (
	"net/http"
	"strconv"
	"strings"
)

// etag is the entity tag of a version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// ifMatch returns the version that an If-Match header holds; 0 for any.
func ifMatch(header string) (int64, error) {
	header = strings.TrimSpace(header)
	if header == "" || header == "*" {
		return 0, nil
	}
	inner, found := strings.CutPrefix(header, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	version, err := strconv.ParseInt(inner, 10, 64)
	if !found || !closed || err != nil || version < 1 {
		detail := `want one ETag as the incident had it, such as "12", or *`
		return 0, newProblem(http.StatusBadRequest, "If-Match: %s", detail).at(Fault{Parameter: "If-Match", Detail: detail})
	}
	return version, nil
}
