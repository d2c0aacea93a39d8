package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// clientFlags say which server a command talks to, and as whom.
type clientFlags struct {
	Server       string `env:"MUSTER_URL" default:"http://127.0.0.1:8080" placeholder:"URL" help:"Address of the server."`
	Organization string `short:"o" env:"MUSTER_ORGANIZATION" placeholder:"SLUG" help:"The organization, where the token is good for several."`
	TokenFile    string `env:"MUSTER_TOKEN_FILE" placeholder:"FILE" help:"File that holds the token; MUSTER_TOKEN goes before it."`
}

// answerWithin is how long a request may take.
const answerWithin = 60 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// A client calls the HTTP API of a server.
type client struct {
	base         *url.URL
	token        string
	organization string
	key          string // Idempotency-Key; "" for none
	http         *http.Client
}

// client makes a client with the token of the environment.
func (f clientFlags) client(a *app) (*client, error) {
	return f.clientAs(a, "MUSTER_TOKEN")
}

// clientAs makes a client with the first token that a variable holds.
func (f clientFlags) clientAs(a *app, variables ...string) (*client, error) {
	base, err := url.Parse(f.Server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, misused("--server (MUSTER_URL): wants an address such as https://muster.example.com")
	}
	c := &client{base: base, organization: f.Organization, http: &http.Client{
		Timeout: answerWithin,
		// A token that is meant for one server must not go to another.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, name := range variables {
		if c.token == "" {
			c.token = strings.TrimSpace(a.getenv(name))
		}
	}
	if c.token == "" && f.TokenFile != "" {
		text, err := os.ReadFile(f.TokenFile)
		if err != nil {
			return nil, misused("--token-file: %w", err)
		}
		c.token = strings.TrimSpace(string(text))
	}
	if c.token == "" {
		return nil, misused("no token: set %s, or --token-file", strings.Join(variables, " or "))
	}
	return c, nil
}

// A problem is an error answer of the server, RFC 9457 with positions.
type problem struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		File      string `json:"file"`
		Line      int    `json:"line"`
		Column    int    `json:"column"`
		Pointer   string `json:"pointer"`
		Parameter string `json:"parameter"`
		Detail    string `json:"detail"`
	} `json:"errors"`
}

// Error is one line, and one more for each error with a position.
func (p problem) Error() string {
	var b strings.Builder
	what := cmp.Or(p.Detail, p.Title)
	if len(p.Errors) > 0 && strings.Contains(what, p.Errors[0].Detail) { // it comes below, with its place
		what = p.Title
	}
	fmt.Fprintf(&b, "the server refused: %s (%d)", what, p.Status)
	for _, e := range p.Errors {
		b.WriteString("\n  ")
		if e.File != "" {
			b.WriteString(e.File + ":")
		}
		if e.Line > 0 {
			fmt.Fprintf(&b, "%d:", e.Line)
			if e.Column > 0 {
				fmt.Fprintf(&b, "%d:", e.Column)
			}
		}
		if e.File != "" || e.Line > 0 {
			b.WriteByte(' ')
		}
		if at := cmp.Or(e.Pointer, e.Parameter); at != "" {
			b.WriteString(at + ": ")
		}
		b.WriteString(e.Detail)
	}
	return b.String()
}

// get reads an answer into out.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.call(ctx, http.MethodGet, path, query, nil, out)
}

// post sends a JSON body, and reads the answer into out.
func (c *client) post(ctx context.Context, path string, body, out any) error {
	if body == nil {
		body = struct{}{}
	}
	return c.call(ctx, http.MethodPost, path, nil, body, out)
}

// postOnce is post with a key by which the server does it once.
func (c *client) postOnce(ctx context.Context, path, key string, body, out any) error {
	keyed := *c
	keyed.key = key
	return keyed.post(ctx, path, body, out)
}

func (c *client) delete(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodDelete, path, nil, nil, nil)
}

// call makes one request. Out may be nil, a *[]byte for the answer as it is,
// or anything that JSON is decoded into. A refusal is a problem.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, out any) error {
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		send = bytes.NewReader(text)
	}
	// Path parts were escaped where they were put together.
	at := strings.TrimSuffix(c.base.String(), "/") + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, at, send)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", "muster/"+version)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.organization != "" {
		req.Header.Set("X-Muster-Organization", c.organization)
	}
	if c.key != "" {
		req.Header.Set("Idempotency-Key", c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer of %s: %w", c.base.Host, err)
	case resp.StatusCode/100 == 3:
		return fmt.Errorf("%s redirects to %q; give the server's own address", c.base.Host, resp.Header.Get("Location"))
	case resp.StatusCode/100 != 2:
		return refusal(resp, answer)
	case len(answer) > maxAnswer:
		return fmt.Errorf("the answer of %s is larger than %d bytes", c.base.Host, maxAnswer)
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = answer
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %s does not answer as a Muster does: %w", method, path, c.base.Host, err)
	}
	return nil
}

func refusal(resp *http.Response, answer []byte) error {
	p := problem{}
	if err := json.Unmarshal(answer, &p); err != nil || p.Title == "" && p.Detail == "" {
		p = problem{Title: http.StatusText(resp.StatusCode), Detail: excerpt(answer)}
	}
	p.Status = resp.StatusCode
	if resp.StatusCode == http.StatusUnauthorized && p.Detail == "" {
		p.Detail = "the token is not known"
	}
	return p
}

// excerpt is the first line of an answer that is no problem.
func excerpt(answer []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(answer), []byte("\n"))
	if len(line) > 200 {
		line = line[:200]
	}
	return strings.ToValidUTF8(string(line), "")
}

// unreachable says why there was no answer, without the URL of each request.
func (c *client) unreachable(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("no answer from %s://%s: %w", c.base.Scheme, c.base.Host, err)
}
