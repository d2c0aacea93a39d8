package notify_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

// TestKindsAreTheFiles compares the list with the directory: a file without an
// underscore is a channel.
func TestKindsAreTheFiles(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files, kinds []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".go")
		if ok && !strings.Contains(name, "_") && name != "notify" && name != "text" {
			files = append(files, name)
		}
	}
	for _, k := range notify.Kinds {
		kinds = append(kinds, k.Name)
		if k.Send == nil || k.Check == nil || k.URL.Name != "url" {
			t.Errorf("%s lacks Send, Check or URL", k.Name)
		}
		names := map[string]bool{}
		for _, f := range k.Fields {
			if f.Name == "" || f.Label == "" || names[f.Name] || f.Name == "url" {
				t.Errorf("%s: field %+v", k.Name, f)
			}
			names[f.Name] = true
		}
	}
	slices.Sort(kinds)
	if d := cmp.Diff(files, kinds); d != "" {
		t.Errorf("files and kinds differ:\n%s", d)
	}
}

// TestEveryKind is what all channels must fulfil: it goes through, what fails
// gets the right verdict, and no error holds a secret.
func TestEveryKind(t *testing.T) {
	for _, r := range rigs(t) {
		t.Run(r.kind.Name, func(t *testing.T) {
			w := newWire(t, nil)
			send := func(m notify.Message) (notify.Receipt, error) {
				receipt, err := r.kind.Send(t.Context(), w, r.set, r.address, m)
				noSecret(t, r, err)
				if err != nil && receipt != (notify.Receipt{}) {
					t.Errorf("an error and a receipt: %+v", receipt)
				}
				return receipt, err
			}
			if _, err := send(page()); err != nil || r.taken() != 1 {
				t.Fatalf("a fine day: %v, %d taken", err, r.taken())
			}
			for _, way := range ways {
				before := r.taken()
				r.fail(way.how)
				start := time.Now()
				_, err := send(page())
				if err == nil {
					t.Errorf("%s: no error", way.how)
					continue
				}
				refused, after := wire.Verdict(err)
				if refused != way.refused {
					t.Errorf("%s: refused %v: %v", way.how, refused, err)
				}
				// Mail has no way to name a time.
				if want := way.later && r.kind.Name != "email"; (after == 7*time.Second) != want {
					t.Errorf("%s: after %v: %v", way.how, after, err)
				}
				if (r.taken() > before) != way.taken {
					t.Errorf("%s: %d taken before, %d after", way.how, before, r.taken())
				}
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("%s: took %v", way.how, took)
				}
				if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
					t.Errorf("%s: error is not clean: %q", way.how, err)
				}
			}
			before := r.taken()
			if _, err := send(hostile(5000)); err != nil || r.taken() != before+1 {
				t.Errorf("hostile text: %v", err)
			}
		})
	}
}

func TestEveryKindWithoutAWay(t *testing.T) {
	for _, r := range rigs(t) {
		t.Run(r.kind.Name, func(t *testing.T) {
			// The guard: loopback is closed unless the connection opens it.
			closed := wire.New(wire.Options{Now: now})
			_, err := r.kind.Send(t.Context(), closed, r.set, r.address, page())
			noSecret(t, r, err)
			if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "forbidden") || r.taken() != 0 {
				t.Errorf("a forbidden address: %v", err)
			}

			scheme, _, _ := strings.Cut(r.set["url"], "://")
			set := with(r.set, "url", scheme+"://"+nobody(t)+"/")
			_, err = r.kind.Send(t.Context(), newWire(t, nil), set, r.address, page())
			noSecret(t, r, err)
			if refused, _ := wire.Verdict(err); err == nil || refused {
				t.Errorf("nobody listens: %v; want another try", err)
			}

			for _, url := range []string{"", "::", "file:///etc/passwd", "http://u:" + mailSecret + "@\x7f/", "gopher://127.0.0.1/", "smtp:///", "smtp://h/path"} {
				if url == "" && r.kind.Name == "slack" {
					continue // means Slack's own
				}
				_, err := r.kind.Send(t.Context(), newWire(t, nil), with(r.set, "url", url), r.address, page())
				noSecret(t, r, err)
				if refused, _ := wire.Verdict(err); !refused {
					t.Errorf("url %q: %v; want it refused", url, err)
				}
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("url %q: %v", url, err)
				}
			}

			for _, address := range []string{"nonsense \r\nRCPT TO:<x@y>", "<!channel>", "a@b\r\nX: y", "../..", strings.Repeat("a", 5000)} {
				if r.kind.Check(address) == nil {
					t.Errorf("address %q is fine", address)
				}
				_, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, address, page())
				if refused, _ := wire.Verdict(err); !refused || len(err.Error()) > 300 {
					t.Errorf("address %q: %v; want it refused", address, err)
				}
			}
		})
	}
}

// What is sent to a server that repeats it must not come back in an error.
func TestEchoedSecrets(t *testing.T) {
	server := echo(t)
	for _, r := range rigs(t) {
		if r.kind.Name == "email" {
			continue // its rig echoes, see "refuse"
		}
		url := server.URL + "/path-as-password"
		_, err := r.kind.Send(t.Context(), newWire(t, nil), with(r.set, "url", url), r.address, page())
		if !errors.Is(err, wire.ErrRefused) {
			t.Errorf("%s: %v", r.kind.Name, err)
		}
		noSecret(t, r, err)
	}
}

func noSecret(t *testing.T, r rig, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, s := range r.secrets {
			for _, form := range []string{s, fmt.Sprintf("%q", s), strings.TrimPrefix(s, "whsec_")} {
				if strings.Contains(e.Error(), form) {
					t.Errorf("%s: %s is in %v", r.kind.Name, s, e)
				}
			}
		}
	}
}

func with(set config.Settings, name, value string) config.Settings {
	out := config.Settings{}
	for k, v := range set {
		out[k] = v
	}
	out[name] = value
	return out
}
