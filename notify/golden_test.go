package notify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares what goes over the wire with testdata, byte for byte but
// for forms and JSON, which are unfolded to be read.
func TestGolden(t *testing.T) {
	repeat, edit, again, note, ask := page(), page(), page(), page(), page()
	repeat.Repeat = 1
	edit.Kind, edit.Ref, edit.Status, edit.Key = notify.Update, "C0OPS:1790000000.000001", "acknowledged", "0198c0de-0001/update/2"
	edit.Facts = append(edit.Facts, notify.Fact{Name: "Acknowledged", Value: "Ana Ruiz, 03:01"})
	edit.Actions = edit.Actions[1:]
	again.Ref, again.Key = edit.Ref, "0198c0de-0001/1/2/1/ana/slack"
	note.Kind, note.Ref, note.Text, note.Actions = notify.Note, edit.Ref, "Rollback to 1.4.1 has begun.", nil
	ask.Kind, ask.Ref, ask.Title = notify.Approval, edit.Ref, "Roll checkout back to 1.4.1?"
	ask.Actions = []notify.Action{{Name: "approve", Label: "Approve", Value: "run-1", Style: "primary"}, {Name: "reject", Label: "Reject", Value: "run-1", Style: "danger"}}

	digest, flood := gathered("More than 0.5 % of requests fail", 3), gathered(hostile(3).Title+"\n#99 SEV1 fake: (since 03:00 UTC)", 214)
	for _, m := range []struct {
		name string
		m    notify.Message
	}{{"digest", digest}, {"digest-hostile", flood}, {"page", page()}, {"repeat", repeat}, {"update", edit}, {"again", again}, {"note", note}, {"approval", ask}, {"hostile", hostile(3)}} {
		for _, r := range rigs(t) {
			t.Run(r.kind.Name+"/"+m.name, func(t *testing.T) {
				var got []byte
				if r.kind.Name == "email" {
					got = mailOf(t, m.m)
				} else {
					got = requestsOf(t, r, m.m)
				}
				compare(t, filepath.Join("testdata", r.kind.Name, m.name+".golden"), got)
			})
		}
	}
}

// gathered is a digest as the engine makes it, of incidents with such a title.
func gathered(title string, incidents int) notify.Message {
	m := notify.Message{
		Key: "digest/ana/slack/0198c0de-0002", Kind: notify.DigestKind, Organization: "Shop", Status: "triggered", Severity: "critical",
		URL: "https://muster.example/incidents", Now: three,
		Digest: &notify.Digest{Incidents: incidents, Critical: 1, Since: three.Add(-31 * time.Minute)},
	}
	for i, severity := range []string{"critical", "error", "error"} {
		m.Digest.First = append(m.Digest.First, notify.DigestLine{
			ID: fmt.Sprint("0198c0de-000", i), Number: fmt.Sprint(44 - i), Severity: severity, Service: "checkout", Title: title,
			URL: "https://muster.example/incidents/0198c0de-0001", Since: three.Add(-time.Duration(i) * time.Minute),
		})
	}
	return m
}

func compare(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-update writes it anew):\n%s", path, d)
	}
}

// requestsOf sends a message and returns the requests that it makes.
func requestsOf(t *testing.T, r rig, m notify.Message) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newWire(t, func(o *wire.Options) {
		o.Transport = trip(func(req *http.Request) (*http.Response, error) {
			dump(t, &out, req)
			return &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{},
				Body: io.NopCloser(strings.NewReader(`{"ok":true,"channel":"C0OPS","ts":"1790000000.000001"}`))}, nil
		})
	})
	set := with(r.set, "url", "https://vendor.example/hook")
	if _, err := r.kind.Send(t.Context(), w, set, r.address, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func dump(t *testing.T, out io.Writer, r *http.Request) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(out, "%s %s\n", r.Method, r.URL)
	var names []string
	for n := range r.Header {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(out, "%s: %s\n", n, strings.Join(r.Header[n], ", "))
	}
	fmt.Fprintln(out)
	if json.Valid(body) {
		unfold(out, "", body)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	names = names[:0]
	for n := range form {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, v := range form[n] {
			unfold(out, n+" = ", []byte(v))
		}
	}
}

// unfold writes JSON over several lines, and other text as it is.
func unfold(out io.Writer, prefix string, text []byte) {
	var b bytes.Buffer
	if len(text) > 0 && strings.ContainsRune("{[", rune(text[0])) && json.Indent(&b, text, "", "  ") == nil {
		text = b.Bytes()
	}
	fmt.Fprintf(out, "%s%s\n", prefix, text)
}

// mailOf sends a message to the mail server and returns what it took.
func mailOf(t *testing.T, m notify.Message) []byte {
	t.Helper()
	r, s := emailRigWith(t, nil)
	if _, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, m); err != nil {
		t.Fatal(err)
	}
	mails := s.Mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	return envelope(mails[0])
}

func envelope(m vendortest.Mail) []byte {
	return fmt.Appendf(nil, "MAIL FROM:<%s>\nRCPT TO:<%s>\n\n%s", m.From, strings.Join(m.To, "> <"), bytes.ReplaceAll(m.Data, []byte("\r\n"), []byte("\n")))
}
