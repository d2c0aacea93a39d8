package wire

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const redactedMark = "REDACTED"

// Redact returns the error with the secrets taken out of its text, in whatever
// form they stand there: as they are, URL-encoded, quoted, in base64 (also in
// the middle of it, as in Basic authentication). The userinfo and the query
// values of every URL go as well.
//
// errors.Is and Verdict see through the result; errors.As finds Later only,
// since any other error within could tell the secret. It returns nil for nil.
func Redact(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	return redacted{text: redactText(err.Error(), secrets), err: err}
}

type redacted struct {
	text string
	err  error
}

func (r redacted) Error() string { return r.text }

func (r redacted) Is(target error) bool {
	return errors.Is(r.err, target) || target == errUnreached && unreached(r.err)
}

func (r redacted) As(target any) bool {
	out, ok := target.(*Later)
	if !ok {
		return false
	}
	var in Later
	if !errors.As(r.err, &in) {
		return false
	}
	*out = Later{After: in.After, Err: errors.New(r.text)}
	return true
}

// Timeout makes the error fit net.Error's question, which callers ask.
func (r redacted) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(r.err, &t) && t.Timeout()
}

// redactText takes the secrets and what URLs hold of them out of a text.
func redactText(text string, secrets []string) string {
	var forms []string
	for _, s := range secrets {
		forms = append(forms, formsOf(s)...)
	}
	// The longest first: a short form may be a part of a longer one, and would
	// leave the rest of it standing.
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	for _, f := range slices.Compact(forms) {
		text = strings.ReplaceAll(text, f, redactedMark)
	}
	return urlsIn.ReplaceAllStringFunc(text, redactURL)
}

// formsOf lists the ways in which a secret may stand in a text.
func formsOf(s string) []string {
	if s == "" {
		return nil
	}
	forms := []string{s}
	if len(s) < 4 { // a mangled form of so short a word matches by chance
		return forms
	}
	for _, f := range []string{url.QueryEscape(s), url.PathEscape(s)} {
		forms = append(forms, f, lowerEscapes(f))
	}
	quoted := strconv.Quote(s)
	forms = append(forms, quoted[1:len(quoted)-1])
	if j, err := json.Marshal(s); err == nil {
		forms = append(forms, string(j[1:len(j)-1]))
	}
	for offset := range 3 {
		if core := base64Core(s, offset); len(core) >= 6 {
			forms = append(forms, core, strings.NewReplacer("+", "-", "/", "_").Replace(core),
				strings.NewReplacer("+", "%2B", "/", "%2F").Replace(core))
		}
	}
	return forms
}

// base64Core returns those characters of the base64 of a longer text that
// depend on nothing but s, if s begins offset bytes (modulo 3) into the text.
func base64Core(s string, offset int) string {
	enc := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), s...))
	enc = enc[(offset*8+5)/6:]
	if (offset+len(s))%3 != 0 {
		enc = enc[:len(enc)-1]
	}
	return enc
}

var escapes = regexp.MustCompile(`%[0-9A-F]{2}`)

func lowerEscapes(s string) string { return escapes.ReplaceAllStringFunc(s, strings.ToLower) }

var urlsIn = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>\\]+`)

// redactURL works on text and not on a parsed URL, since it must also cope
// with those that do not parse.
func redactURL(u string) string {
	scheme, rest, _ := strings.Cut(u, "://")
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, path, hasPath := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = redactedMark + authority[i:]
	}
	out := scheme + "://" + authority
	if hasPath {
		out += "/" + path
	}
	if hasQuery {
		pairs := strings.Split(query, "&")
		for i, p := range pairs {
			if name, _, ok := strings.Cut(p, "="); ok {
				pairs[i] = name + "=" + redactedMark
			} else if p != "" {
				pairs[i] = redactedMark // ?token
			}
		}
		out += "?" + strings.Join(pairs, "&")
	}
	return out
}

// credentials lists what a request itself holds of secrets: an answer may echo
// them, and an error must not.
func credentials(req *http.Request) []string {
	var out []string
	for name, values := range req.Header {
		if !secretHeader(name) {
			continue
		}
		for _, v := range values {
			out = append(out, v)
			if _, rest, ok := strings.Cut(v, " "); ok { // Bearer x, Basic x
				out = append(out, rest)
			}
		}
	}
	if _, password, ok := req.BasicAuth(); ok {
		out = append(out, password)
	}
	if req.URL == nil {
		return out
	}
	if password, ok := req.URL.User.Password(); ok {
		out = append(out, password)
	}
	for _, values := range req.URL.Query() {
		for _, v := range values {
			if len(v) >= 8 { // shorter ones are page=2, and would mangle the text
				out = append(out, v)
			}
		}
	}
	return out
}

func secretHeader(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"authorization", "cookie", "token", "secret", "api-key", "apikey", "signature"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// origin names where a URL leads, and neither path nor query: for many
// receivers of webhooks the path is the password.
func origin(u *url.URL) string {
	if u == nil {
		return "no address"
	}
	return u.Scheme + "://" + u.Host
}
