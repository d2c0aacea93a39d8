package wire_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/wire"
)

var escaped = regexp.MustCompile(`%[0-9A-F]{2}`)

// TestRedactProperty hides a random secret in a text in every way we know, and
// looks for it.
func TestRedactProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[ -~]{8,60}`).Draw(t, "secret")
		if strings.TrimSpace(secret) == "" || strings.Contains("REDACTED refused: ", secret) {
			t.Skip("not a secret")
		}
		before := rapid.StringMatching(`[a-z:]{0,7}`).Draw(t, "before")
		after := rapid.StringMatching(`[a-z]{0,7}`).Draw(t, "after")
		inJSON, _ := json.Marshal(secret)
		embedded := base64.StdEncoding.EncodeToString([]byte(before + secret + after))
		forms := map[string]string{
			"as it is":   secret,
			"query":      url.QueryEscape(secret),
			"path":       url.PathEscape(secret),
			"lower case": escaped.ReplaceAllStringFunc(url.QueryEscape(secret), strings.ToLower),
			"base64":     base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64url":  base64.RawURLEncoding.EncodeToString([]byte(secret)),
			"embedded":   embedded,
			"JSON":       string(inJSON[1 : len(inJSON)-1]),
			"quoted":     fmt.Sprintf("%q", secret),
		}
		for name, form := range forms {
			got := wire.Redact(fmt.Errorf("refused: %s.", form), secret).Error()
			if strings.Contains(got, secret) || name != "embedded" && strings.Contains(got, form) {
				t.Fatalf("%s: %q shows %q", name, got, form)
			}
			if name == "embedded" {
				// Whatever is left of the blob must not decode to the secret.
				for _, part := range strings.FieldsFunc(got, func(r rune) bool { return r == ' ' || r == '.' }) {
					text, _ := base64.StdEncoding.DecodeString(part)
					if strings.Contains(string(text), secret) {
						t.Fatalf("%q still decodes to it", got)
					}
				}
				if strings.Contains(got, embedded) {
					t.Fatalf("%q shows %q whole", got, embedded)
				}
			}
		}
	})
}

func TestRedactURLs(t *testing.T) {
	for in, want := range map[string]string{
		`Get "https://u:hunter2@h.example/a?token=abc&page=2#f": EOF`: `Get "https://REDACTED@h.example/a?token=REDACTED&page=REDACTED": EOF`,
		`http://h.example/a?naked`:                                    `http://h.example/a?REDACTED`,
		`smtp://a:p@ss@h.example:25/`:                                 `smtp://REDACTED@h.example:25/`,
		`ftp://x`:                                                     `ftp://x`,
		`no url at all: a@b?c=d`:                                      `no url at all: a@b?c=d`,
		`http://h/?a=1&&b=http://u:p@i/?c=d`:                          `http://h/?a=REDACTED&&b=REDACTED`,
	} {
		if got := wire.Redact(errors.New(in)).Error(); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
	if wire.Redact(nil, "x") != nil {
		t.Error("an error out of nothing")
	}
}

func TestRedactHidesTheInside(t *testing.T) {
	inner := &url.Error{Op: "Get", URL: "http://u:hunter2@h/", Err: io.EOF}
	err := wire.Redact(fmt.Errorf("a: %w", inner), "hunter2")
	var u *url.Error
	if errors.As(err, &u) {
		t.Errorf("the secret can be fetched: %v", u)
	}
	if !errors.Is(err, io.EOF) {
		t.Error("io.EOF is lost")
	}
}

// An answer that repeats what it was sent must not get it into the error.
func TestEchoedCredentials(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.WriteHeader(403)
		fmt.Fprintf(w, "%s %s %s %s %s %q", r.Header.Get("Authorization"), r.Header.Get("Private-Token"), user, password,
			r.URL.RawQuery, r.URL.Query().Get("sig"))
	}))
	defer server.Close()
	c := client(t, nil)
	const basic, token, sig, given = "s3cr3t-of-basic", "glpat-1234567890", "sig/nature+9876", "from the settings"
	req := get(t, strings.Replace(server.URL, "http://", "http://ann:"+url.QueryEscape(basic)+"@", 1)+"/hook/"+url.PathEscape(given)+"?sig="+url.QueryEscape(sig))
	req.Header.Set("Private-Token", token)
	_, err := c.Do(req, given)
	if refused, _ := wire.Verdict(err); !refused {
		t.Fatal(err)
	}
	for _, secret := range []string{basic, token, sig, url.QueryEscape(sig), given, base64.StdEncoding.EncodeToString([]byte("ann:" + basic))} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %v", secret, err)
		}
	}

	// Nor do the errors of the way show more than the host.
	req = get(t, "http://ann:"+basic+"@127.0.0.1:1/hook/"+token+"?sig=x")
	_, err = c.Do(req)
	if err == nil || strings.Contains(err.Error(), basic) || strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
}

// A cut must not leave half a secret behind.
func TestExcerptCutsAfterRedacting(t *testing.T) {
	const secret = "a-secret-of-some-length"
	for most := range 60 {
		got := wire.Excerpt("0123456789 "+secret+" and more", most, secret)
		if strings.Contains(got, secret[:4]) {
			t.Errorf("%d: %q", most, got)
		}
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("Get http://u:p@h/?q=1: EOF", "p")
	f.Add("://@?://", "")
	f.Add("x", "\xff\xfe")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := wire.Redact(errors.New(text), secret).Error()
		if len(secret) > len("REDACTED") && strings.Contains(got, secret) {
			t.Errorf("%q shows %q", got, secret)
		}
	})
}
