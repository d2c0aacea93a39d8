package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/musterhq/muster/store"
)

// idempotencyHeader lets a client ask twice and have it done once, when it
// could not tell what became of the first time.
const idempotencyHeader = "Idempotency-Key"

// replayedHeader says that nothing was done this time, as it had been before.
const replayedHeader = "Idempotency-Replayed"

// kept is an answer as the store keeps it.
type kept struct {
	Request     string `json:"request"` // SHA-256 of method, path and body
	ContentType string `json:"content_type,omitempty"`
	ETag        string `json:"etag,omitempty"`
	Body        string `json:"body,omitempty"`
}

// once runs a request, or returns what was answered to the same one before.
// Only what succeeded is kept: a refusal did nothing, and may be asked again.
// That a key was used is kept in the commit that does the work, so that even one
// whose answer was lost, or whose server died, is not done again. A key belongs
// to one caller. keep, if not nil, takes out of an answer what must
// not be kept.
func (s *server) once(r *http.Request, c caller, body []byte, keep func([]byte) []byte, run func(context.Context) *answer) (*answer, error) {
	key := r.Header.Get(idempotencyHeader)
	if key == "" || r.Method != http.MethodPost {
		return run(r.Context()), nil
	}
	if !fineKey(key) {
		return nil, badKey()
	}
	org, err := s.org(r.Context())
	if err != nil {
		org = c.Org // an instance's admin making its first organization
	}
	id := digest(c.Org, c.Role, c.Name, key)
	request := digest(r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body))
	if !s.inFlight.begin(org, id) {
		return nil, newProblem(http.StatusConflict, "a request with this %s is on its way", idempotencyHeader).with("Retry-After", "1")
	}
	defer s.inFlight.end(org, id)

	before, err := s.engine.Store.Answered(r.Context(), org, id)
	switch {
	case err == nil:
		return replay(before, request)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	begun, err := json.Marshal(kept{Request: request})
	if err != nil {
		return nil, err
	}
	var noted atomic.Bool
	a := run(store.Also(r.Context(), func(t *store.Tx) error {
		noted.Store(true)
		return t.PutAnswer(org, id, s.now(), store.Answer{Body: string(begun)})
	}))
	if a.status < 200 || a.status > 299 {
		if noted.Load() && a.status < 500 { // refused for certain; something was written on the way
			err := s.engine.Store.Write(r.Context(), func(t *store.Tx) error { return t.DropAnswer(org, id) })
			if err != nil {
				s.log.Warn("an idempotency key is taken though its request was refused", "route", r.Pattern, "error", err)
			}
		}
		return a, nil
	}
	k := kept{Request: request, ContentType: a.header.Get("Content-Type"), ETag: a.header.Get("ETag"), Body: a.body.String()}
	if keep != nil {
		k.Body = string(keep(a.body.Bytes()))
	}
	text, err := json.Marshal(k)
	if err == nil {
		err = s.engine.Store.Write(r.Context(), func(t *store.Tx) error {
			return t.PutAnswer(org, id, s.now(), store.Answer{Status: a.status, Body: string(text)})
		})
	}
	if err != nil { // it is done all the same, and the client must know
		s.log.Warn("an answer was not kept for its idempotency key", "route", r.Pattern, "error", err)
	}
	return a, nil
}

func replay(before store.Answer, request string) (*answer, error) {
	var k kept
	if err := json.Unmarshal([]byte(before.Body), &k); err != nil {
		return nil, err
	}
	if k.Request != request {
		detail := "the key was used for another request"
		return nil, newProblem(http.StatusUnprocessableEntity, "%s: %s", idempotencyHeader, detail).at(Fault{Parameter: idempotencyHeader, Detail: detail})
	}
	if before.Status == 0 {
		return nil, newProblem(http.StatusConflict, "the request with this %s was carried out, and its answer was lost: look at what it was about", idempotencyHeader)
	}
	a := newAnswer()
	for name, value := range map[string]string{"Content-Type": k.ContentType, "ETag": k.ETag, replayedHeader: "true"} {
		if value != "" {
			a.header.Set(name, value)
		}
	}
	a.status = before.Status
	a.body.WriteString(k.Body)
	return a, nil
}

func badKey() *Problem {
	detail := "want 1 to 255 visible ASCII characters"
	return newProblem(http.StatusBadRequest, "%s: %s", idempotencyHeader, detail).at(Fault{Parameter: idempotencyHeader, Detail: detail})
}

func fineKey(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return len(key) <= 255
}

// digest is the SHA-256 of parts that cannot run into each other.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		part := sha256.Sum256([]byte(p))
		h.Write(part[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// inFlight are the keys whose first request has not been answered yet.
type inFlight struct {
	mu   sync.Mutex
	keys map[[2]string]bool
}

func newInFlight() *inFlight { return &inFlight{keys: map[[2]string]bool{}} }

func (f *inFlight) begin(org, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys[[2]string{org, id}] {
		return false
	}
	f.keys[[2]string{org, id}] = true
	return true
}

func (f *inFlight) end(org, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, [2]string{org, id})
}
