package runbook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// HTTP sends one request to any address, such as a webhook of a tool that has
// no step of its own.
var HTTP = Step{
	Kind: config.Kind{
		Name: "http",
		Fields: []config.Field{
			{Name: "method", Label: "Method", Help: "GET, HEAD, POST, PUT, PATCH or DELETE", Default: "POST"},
			{Name: "url", Label: "URL", Help: "placeholders such as {{incident.id}} may stand in its path and query", Required: true, Secret: true, Type: "url"},
			{Name: "headers", Label: "Headers", Help: "sent as they are", Secret: true, Type: "map"},
			{Name: "body", Label: "Body", Help: "placeholders are filled in, escaped for the content type"},
			{Name: "expect", Label: "Expected status", Help: "such as 200, 2xx or 200,204,409", Default: "2xx"},
			{Name: "idempotent", Label: "May be repeated", Help: "by default for GET, HEAD, PUT and DELETE", Type: "bool"},
		},
	},
	Plan:       planHTTP,
	Apply:      applyHTTP,
	Look:       lookHTTP,
	repeatable: repeatable,
}

// httpPin holds the plan to a request without keeping the secrets in it.
type httpPin struct {
	Request string `json:"request"` // SHA-256 of all that is sent but the headers' values
}

// repeatable follows RFC 9110 section 9.2.2, unless the settings say otherwise.
func repeatable(params config.Settings) bool {
	if yes, err := strconv.ParseBool(params["idempotent"]); err == nil {
		return yes
	}
	switch method(params) {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

func method(params config.Settings) string {
	if m := strings.ToUpper(strings.TrimSpace(params["method"])); m != "" {
		return m
	}
	return http.MethodPost
}

// A call is a request with everything filled in.
type call struct {
	method, url, body string
	header            http.Header
	expect            statuses
}

// render makes the call of an Env. Its errors name the field.
func render(env Env) (call, error) {
	c := call{method: method(env.Params), header: http.Header{}}
	fail := func(field string, err error) (call, error) {
		return call{}, wire.Redact(fmt.Errorf("http: %w: %s: %w", wire.ErrRefused, field, err), secretsOf(env)...)
	}
	switch c.method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE":
	default:
		return fail("method", fmt.Errorf("%q is none of GET, HEAD, POST, PUT, PATCH, DELETE", c.method))
	}
	if s := env.Params["idempotent"]; s != "" {
		if _, err := strconv.ParseBool(s); err != nil {
			return fail("idempotent", fmt.Errorf("%q is neither true nor false", s))
		}
	}
	var err error
	if c.url, err = fillURL(env.Params["url"], env); err != nil {
		return fail("url", err)
	}
	for _, name := range slices.Sorted(maps.Keys(env.Params)) {
		header, ok := strings.CutPrefix(name, "headers.")
		if !ok {
			continue
		}
		value := env.Params[name]
		switch {
		case strings.Contains(value, "{{"):
			return fail(name, errors.New("placeholders are not filled in here"))
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return fail(name, errors.New("a header has one line of text"))
		case header == "" || strings.ContainsFunc(header, notInToken):
			return fail(name, errors.New("it is not the name of a header"))
		}
		c.header.Set(header, value)
	}
	if c.body, err = fillBody(env, c.header); err != nil {
		return fail("body", err)
	}
	if c.body != "" && (c.method == "GET" || c.method == "HEAD") {
		return fail("body", fmt.Errorf("%s has none", c.method))
	}
	if c.expect, err = parseStatuses(env.Params["expect"]); err != nil {
		return fail("expect", err)
	}
	if _, err := c.request(context.Background()); err != nil { // what net/http would say later is said in time
		return fail("url", errors.New("no request can be made of it"))
	}
	return c, nil
}

// notInToken finds what may not stand in a header's name (RFC 9110 section 5.6.2).
func notInToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
}

// fillURL lets placeholders stand in the path and the query only: who writes
// the title of an alert must not choose the host.
func fillURL(text string, env Env) (string, error) {
	u, err := url.Parse(strings.NewReplacer("{{", "x", "}}", "x").Replace(text))
	if err != nil {
		return "", errors.New("it is not a URL") // the parser's error would quote it, secrets and all
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("it begins neither with https:// nor with http://")
	case u.Hostname() == "":
		return "", errors.New("it names no host")
	}
	start := strings.Index(text, "://") + len("://")
	end := len(text)
	if i := strings.IndexAny(text[start:], "/?#"); i >= 0 {
		end = start + i
	}
	if i := strings.Index(text[:end], "{{"); i >= 0 {
		return "", fmt.Errorf("position %d: a placeholder may not stand in the host", i+1)
	}
	return fill(text, env, escapeURL)
}

// escapeURL leaves nothing of a value that means something in a URL.
func escapeURL(s string) string {
	if s == "." || s == ".." { // a path of them leads elsewhere
		return strings.ReplaceAll(s, ".", "%252E")
	}
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// fillBody escapes values for the content type, which it sets where it is missing.
func fillBody(env Env, h http.Header) (string, error) {
	text := env.Params["body"]
	if text == "" {
		return "", nil
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		if s := strings.TrimSpace(text); strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
			h.Set("Content-Type", "application/json")
		}
	}
	kind, _, _ := strings.Cut(strings.ToLower(h.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	switch {
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		out, err := fill(text, env, escapeJSON)
		if err == nil && !json.Valid([]byte(out)) {
			err = errors.New("it is not JSON once the placeholders are filled in; they belong between quotes")
		}
		return out, err
	case kind == "application/x-www-form-urlencoded":
		return fill(text, env, escapeURL)
	case kind == "text/plain":
		return fill(text, env, plainText)
	case strings.Contains(text, "{{"):
		return "", fmt.Errorf("placeholders cannot be escaped for content of type %q", kind)
	}
	return text, nil
}

// escapeJSON writes a value as it stands between the quotes of a JSON string.
func escapeJSON(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(raw[1 : len(raw)-1])
}

func (c call) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, strings.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header = c.header.Clone()
	return req, nil
}

func (c call) pin() httpPin {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q", c.method, c.url, slices.Sorted(maps.Keys(c.header)), c.body)
	return httpPin{hex.EncodeToString(h.Sum(nil))}
}

// secretsOf lists what must not stand in an error of this step.
func secretsOf(env Env) []string {
	out := slices.Clone(env.Secrets)
	for name, value := range env.Params {
		header, ok := strings.CutPrefix(name, "headers.")
		switch http.CanonicalHeaderKey(header) {
		case "Content-Type", "Accept", "User-Agent":
			continue
		}
		if ok && len(value) >= 6 { // a shorter one is no secret, and matches by chance
			out = append(out, value)
			if _, rest, ok := strings.Cut(value, " "); ok { // Bearer x
				out = append(out, rest)
			}
		}
	}
	// For many receivers of webhooks the path is the password. Short words in it
	// are names, and would only mangle the error.
	if u, err := url.Parse(env.Params["url"]); err == nil {
		for _, part := range append(strings.Split(u.Path, "/"), strings.Trim(u.Path, "/")) {
			if len(part) >= 8 {
				out = append(out, part)
			}
		}
	}
	return out
}

func planHTTP(_ context.Context, env Env) (Plan, error) {
	c, err := render(env)
	if err != nil {
		return Plan{}, err
	}
	u, err := url.Parse(c.url)
	if err != nil {
		return Plan{}, fmt.Errorf("http: %w: url: it is not a URL", wire.ErrRefused)
	}
	lines := []string{fmt.Sprintf("%s to %s://%s (the path may be a secret and is not shown)", c.method, u.Scheme, u.Host)}
	if c.body != "" {
		lines = append(lines, fmt.Sprintf("with a body of %d bytes, %s", len(c.body), c.header.Get("Content-Type")))
	}
	lines = append(lines, "expected: status "+c.expect.String())
	if !repeatable(env.Params) {
		lines = append(lines, "it may not be repeated: if its answer is lost, a human decides")
	}
	return planOf("http", c.pin(), lines...)
}

// applyHTTP sends the request that was planned, and no other.
func applyHTTP(ctx context.Context, env Env, plan Plan) (Result, error) {
	var pin httpPin
	if err := unpin("http", plan, &pin); err != nil {
		return Result{}, err
	}
	c, err := render(env)
	if err != nil {
		return Result{}, err
	}
	if c.pin() != pin {
		return Result{Done: true, Outcome: OutcomeRefused, Detail: "the request is not the one that was planned: its settings or what fills its placeholders changed"}, nil
	}
	return c.send(ctx, env)
}

func (c call) send(ctx context.Context, env Env) (Result, error) {
	ctx, sent := watching(ctx)
	req, err := c.request(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("http: %w: url: no request can be made of it", wire.ErrRefused)
	}
	resp, err := env.Wire.Do(req, secretsOf(env)...)
	refused, _ := wire.Verdict(err)
	switch {
	case resp.Status != 0 && c.expect.has(resp.Status):
		return Result{Done: true, Outcome: OutcomeDone, Detail: fmt.Sprintf("status %d", resp.Status)}, nil
	case err == nil:
		return Result{Done: true, Outcome: OutcomeFailed, Detail: fmt.Sprintf("status %d, expected %s", resp.Status, c.expect)}, nil
	case resp.Status == http.StatusTooManyRequests, resp.Status == 0 && sent.neverSent():
		return Result{}, fmt.Errorf("http: %w", err) // nothing was done, and another time it may be
	case refused && resp.Status == 0: // a forbidden address, a certificate that does not hold
		return Result{}, fmt.Errorf("http: %w", err)
	case refused:
		return Result{Done: true, Outcome: OutcomeRefused, Detail: err.Error()}, nil
	case repeatable(env.Params):
		return Result{Done: true, Outcome: OutcomeFailed, Detail: err.Error()}, nil
	default: // it may have been done before the answer broke
		return Result{Done: true, Outcome: OutcomeUnknown, Detail: err.Error()}, nil
	}
}

// lookHTTP knows only what Apply stored. Where that was lost it asks once more
// if asking is all that the request does, and otherwise cannot tell.
func lookHTTP(ctx context.Context, env Env, plan Plan, last Result) (Result, error) {
	if last.Done {
		return last, nil
	}
	if m := method(env.Params); (m == http.MethodGet || m == http.MethodHead) && repeatable(env.Params) {
		return applyHTTP(ctx, env, plan)
	}
	return Result{Done: true, Outcome: OutcomeUnknown, Detail: "the answer to the request was lost: nobody can tell whether it was carried out"}, nil
}

// statuses are ranges of HTTP statuses, both ends included.
type statuses [][2]int

// parseStatuses reads 200, 2xx, 200-299 and lists of them; "" is 2xx.
func parseStatuses(s string) (statuses, error) {
	if strings.TrimSpace(s) == "" {
		s = "2xx"
	}
	var out statuses
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		low, high, ranged := strings.Cut(word, "-")
		switch {
		case len(word) == 3 && strings.HasSuffix(word, "xx"):
			low, high = word[:1]+"00", word[:1]+"99"
		case !ranged:
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < 100 || to > 599 || from > to {
			return nil, fmt.Errorf("%q is not a status such as 200, 2xx or 200-204", word)
		}
		out = append(out, [2]int{from, to})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q names no status", s)
	}
	return out, nil
}

func (s statuses) has(status int) bool {
	return slices.ContainsFunc(s, func(r [2]int) bool { return r[0] <= status && status <= r[1] })
}

func (s statuses) String() string {
	var words []string
	for _, r := range s {
		if r[0] == r[1] {
			words = append(words, strconv.Itoa(r[0]))
		} else {
			words = append(words, fmt.Sprintf("%d-%d", r[0], r[1]))
		}
	}
	return strings.Join(words, ",")
}
