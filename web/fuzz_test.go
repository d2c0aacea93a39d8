package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzIntakes sends any bytes to any intake in any encoding: the answer is a
// 202 or a 4xx in the form of the intake, and no handler panics.
func FuzzIntakes(f *testing.F) {
	w := newWorld(f)
	all := mouths()
	for i, m := range all {
		for j, e := range encodings() {
			f.Add(uint8(i), uint8(j), []byte(e.encode(m.valid)))
		}
		f.Add(uint8(i), uint8(1), []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
		f.Add(uint8(i), uint8(0), []byte("{\"\":[\xff,{}]}"))
	}
	f.Fuzz(func(t *testing.T, intake, encoding uint8, body []byte) {
		m := all[int(intake)%len(all)]
		r := httptest.NewRequest(http.MethodPost, m.path, strings.NewReader(string(body)))
		r.Header.Set("X-Routing-Key", "key-of-pagerduty-012345")
		if name := encodings()[int(encoding)%len(encodings())].name; name != "" {
			r.Header.Set("Content-Encoding", name)
		}
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		answer := reply{rec.Code, rec.Header(), rec.Body.Bytes()}
		switch {
		case rec.Code == http.StatusAccepted:
		case rec.Code >= 400 && rec.Code < 500:
			m.form(t, answer)
		default:
			t.Errorf("%s: status %d: %s", m.path, rec.Code, rec.Body)
		}
	})
}
