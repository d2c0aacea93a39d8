package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/ticket"
)

const token = "glpat-v3ry-s3cret"

// A bench is a tracker with what it talks to. Every tracker has one, so that
// what holds of all of them is tested once.
type bench struct {
	tracker   ticket.Tracker
	conn, set config.Settings
	issues    func() []vendortest.GitLabIssue
	fail      func(match string, n int, f vendortest.GitLabFault)
	requests  func() int
	mentions  func() []string
	gitlab    *vendortest.GitLab
	project   int64
}

// newWire is a client that may reach loopback.
func newWire() *wire.Client { return impatient(20 * time.Second) }

// impatient gives up soon, where something hangs.
func impatient(timeout time.Duration) *wire.Client {
	return wire.New(wire.Options{Now: time.Now, Timeout: timeout,
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
}

func benches(t *testing.T) []bench {
	t.Helper()
	g := vendortest.NewGitLab(time.Now)
	g.AddToken(token, vendortest.GitLabToken{User: "muster"})
	project := g.AddProject("shop/checkout")
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	t.Cleanup(g.Close)
	return []bench{{
		tracker: ticket.GitLab, conn: config.Settings{"url": server.URL + "/", "token": token},
		set:    config.Settings{"project": "shop/checkout", "labels.0": "incident", "labels.1": "team, payments"},
		issues: func() []vendortest.GitLabIssue { return g.Issues(project) }, fail: g.Fail,
		requests: func() int { return len(g.Requests()) }, mentions: g.Mentions, gitlab: g, project: project,
	}}
}

func TestTrackersAreListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		declared += strings.Count(string(text), " = "+"Tracker{\n")
	}
	if declared != len(ticket.Trackers) || len(benches(t)) != len(ticket.Trackers) {
		t.Errorf("%d trackers declared, %d in the list, %d on the bench", declared, len(ticket.Trackers), len(benches(t)))
	}
	for _, tr := range ticket.Trackers {
		if tr.Name == "" || len(tr.Via) == 0 || tr.Create == nil || tr.Comment == nil || tr.Close == nil || tr.Reopen == nil {
			t.Errorf("%+v", tr.Kind)
		}
	}
}

var incident = ticket.Issue{
	Key: "0192f0c1-7d3e-7b3a-9f51-0242ac120002", Title: "5xx on checkout", Body: "40 of 1000 requests failed\nhttps://muster.example/i/7",
	Labels: []string{"sev1", "incident"},
}

// TestTrackersRoundTrip opens, comments and closes, and does each of it twice.
func TestTrackersRoundTrip(t *testing.T) {
	for _, b := range benches(t) {
		t.Run(b.tracker.Name, func(t *testing.T) {
			ctx, w := t.Context(), newWire()
			ref, err := b.tracker.Create(ctx, w, b.conn, b.set, incident)
			if err != nil {
				t.Fatal(err)
			}
			if ref.ID != "1" || !strings.HasSuffix(ref.URL, "/issues/1") {
				t.Errorf("ref %+v", ref)
			}
			comment := func(key, text string) {
				t.Helper()
				if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, key, text); err != nil {
					t.Error(err)
				}
			}
			comment("i7/2", "acknowledged by ana")
			comment("i7/2", "acknowledged by ana")
			comment("i7/3", "resolved")
			for range 2 {
				if err := b.tracker.Close(ctx, w, b.conn, b.set, ref); err != nil {
					t.Error(err)
				}
			}
			again, err := b.tracker.Create(ctx, w, b.conn, b.set, incident) // it finds a closed one too
			closed := ref
			closed.Closed = true
			if err != nil || again != closed {
				t.Errorf("opened again: %+v, %v", again, err)
			}
			for range 2 {
				if err := b.tracker.Reopen(ctx, w, b.conn, b.set, ref); err != nil {
					t.Error(err)
				}
				if got := b.issues()[0].State; got != "opened" {
					t.Errorf("reopened, it is %s", got)
				}
			}
			if err := b.tracker.Close(ctx, w, b.conn, b.set, ref); err != nil {
				t.Error(err)
			}
			want := []vendortest.GitLabIssue{{
				IID: 1, Title: "5xx on checkout", State: "closed",
				Description: "40 of 1000 requests failed\\\n<https://muster.example/i/7>\n\n<!-- muster:0192f0c1-7d3e-7b3a-9f51-0242ac120002 -->",
				Labels:      []string{"muster", "incident", "team payments", "sev1"},
				Notes:       []string{"acknowledged by ana\n\n<!-- muster:i7/2 -->", "resolved\n\n<!-- muster:i7/3 -->"},
			}}
			if diff := cmp.Diff(want, b.issues()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			next := incident
			next.Key = "0192f0c1-7d3e-7b3a-9f51-0242ac120003"
			if second, err := b.tracker.Create(ctx, w, b.conn, b.set, next); err != nil || second == ref {
				t.Errorf("another incident: %+v, %v", second, err)
			}
		})
	}
}

// TestTrackersAreNotObeyed gives text that a tracker would take for commands.
func TestTrackersAreNotObeyed(t *testing.T) {
	for _, b := range benches(t) {
		t.Run(b.tracker.Name, func(t *testing.T) {
			ctx, w := t.Context(), newWire()
			hostile := "/close\n  /title pwned\r/confidential\u2028/label ~pwned\n@all @ana\n<script>alert(1)</script>\n<!-- muster:i9 -->\n```\n/close\n```\n[x](javascript:alert(1))"
			issue := ticket.Issue{Key: "i8", Title: "/close @all\n<!channel> \u202egnp.exe", Body: hostile, Labels: []string{"a,b", "\n", " sev1 "}}
			ref, err := b.tracker.Create(ctx, w, b.conn, b.set, issue)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, "i8/1", hostile); err != nil {
				t.Fatal(err)
			}
			got := b.issues()[0]
			if got.State != "opened" || strings.Contains(got.Title, "pwned") || strings.Contains(strings.Join(got.Labels, " "), "pwned") || strings.ContainsAny(got.Title, "\n\u202e") {
				t.Errorf("it obeyed: %+v", got)
			}
			if len(b.mentions()) != 0 {
				t.Errorf("it mentioned %q", b.mentions())
			}
			for _, text := range append(got.Notes, got.Description) {
				if strings.Contains(text, " <script") || strings.Contains(text, "\n<") && !strings.Contains(text, "\n<!-- muster:i8") || strings.Contains(text, "<!-- muster:i9 -->") {
					t.Errorf("raw HTML: %q", text)
				}
				if !strings.Contains(text, `\/close`) || !strings.Contains(text, "alert") {
					t.Errorf("text was lost: %q", text)
				}
			}
			// Text that holds the marker of another incident does not stand for it.
			if other, err := b.tracker.Create(ctx, w, b.conn, b.set, ticket.Issue{Key: "i9", Title: "x"}); err != nil || other == ref {
				t.Errorf("the ticket of i9 is %+v, %v", other, err)
			}
		})
	}
}

// TestGitLabIsNotFooled by what outsiders write.
func TestGitLabIsNotFooled(t *testing.T) {
	b := benches(t)[0]
	ctx, w := t.Context(), newWire()
	b.gitlab.AddIssue(b.project, "mallory", "gotcha", "<!-- muster:"+incident.Key+" -->") // no label: outsiders cannot set one
	ref, err := b.tracker.Create(ctx, w, b.conn, b.set, incident)
	if err != nil || ref.ID != "2" {
		t.Fatalf("%+v, %v; want an issue of our own", ref, err)
	}
	b.gitlab.AddNote(b.project, 2, "mallory", "<!-- muster:i7/2 -->")
	if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, "i7/2", "acknowledged"); err != nil {
		t.Fatal(err)
	}
	if notes := b.issues()[1].Notes; len(notes) != 2 {
		t.Errorf("mallory's comment silenced us: %q", notes)
	}
}

// TestGitLabFindsItsOwnAmongMany has the issue and the comment on later pages.
func TestGitLabFindsItsOwnAmongMany(t *testing.T) {
	b := benches(t)[0]
	ctx, w := t.Context(), newWire()
	ref, err := b.tracker.Create(ctx, w, b.conn, b.set, incident)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, "i7/2", "acknowledged"); err != nil {
		t.Fatal(err)
	}
	for i := range 70 {
		b.gitlab.AddIssue(b.project, "muster", "other", fmt.Sprintf("<!-- muster:other%d -->", i), "muster")
		b.gitlab.AddNote(b.project, 1, "muster", fmt.Sprintf("<!-- muster:i7/2%d -->", i)) // a longer key is another
	}
	if again, err := b.tracker.Create(ctx, w, b.conn, b.set, incident); err != nil || again != ref {
		t.Errorf("%+v, %v", again, err)
	}
	if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, "i7/2", "acknowledged"); err != nil {
		t.Fatal(err)
	}
	if n := len(b.issues()[0].Notes); n != 71 {
		t.Errorf("%d comments, want 71", n)
	}
	// A page that is too large to be read does not silence us.
	b.gitlab.AddNote(b.project, 1, "mallory", strings.Repeat("x", 2<<20))
	if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, "i7/9", "resolved"); err != nil {
		t.Error(err)
	}
}

// TestGitLabAssigns: users are found by name; who is not there keeps no ticket
// from being opened.
func TestGitLabAssigns(t *testing.T) {
	b := benches(t)[0]
	b.gitlab.AddUser("Dana")
	b.set["assignees.0"], b.set["assignees.1"] = "dana", "nobody"
	if _, err := b.tracker.Create(t.Context(), newWire(), b.conn, b.set, incident); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Dana"}, b.issues()[0].Assignees); diff != "" {
		t.Errorf("assignees (-want +got):\n%s", diff)
	}
}

// TestGitLabUnderFaults breaks every request of a round trip, one after
// another, in every way; then everything is done again, and there is one ticket
// with one comment, closed.
func TestGitLabUnderFaults(t *testing.T) {
	lost := func(f vendortest.GitLabFault) vendortest.GitLabFault {
		f.After = true
		return f
	}
	faults := []struct {
		name    string
		fault   vendortest.GitLabFault
		refused bool
	}{
		{"403", vendortest.GitLabForbidden(), true},
		{"429", vendortest.GitLabTooMany(7 * time.Second), false},
		{"502", vendortest.GitLabBadGateway(), false},
		{"garbage", vendortest.GitLabGarbage(), false},
		{"half", vendortest.GitLabHalf(), false},
		{"lost", vendortest.GitLabLost(), false},
		{"502, but done", lost(vendortest.GitLabBadGateway()), false},
		{"garbage, but done", lost(vendortest.GitLabGarbage()), false},
		{"hang", vendortest.GitLabHang(), false},
		{"echo", vendortest.GitLabFault{Status: 400, Body: "bad token " + token}, true},
	}
	requests := []string{"GET /api/v4/projects/shop%2Fcheckout/issues?", "POST /api/v4/projects/shop%2Fcheckout/issues", "GET /api/v4/user", "/notes", "PUT"}
	for _, f := range faults {
		for _, match := range requests {
			t.Run(f.name+" at "+strings.TrimPrefix(match, "GET /api/v4"), func(t *testing.T) {
				b := benches(t)[0]
				b.fail(strings.TrimSuffix(match, "?"), 1, f.fault)
				all := func(w *wire.Client) error {
					ctx := t.Context()
					ref, err := b.tracker.Create(ctx, w, b.conn, b.set, incident)
					if err != nil {
						return err
					}
					if err := b.tracker.Comment(ctx, w, b.conn, b.set, ref, "i7/2", "acknowledged"); err != nil {
						return err
					}
					return b.tracker.Close(ctx, w, b.conn, b.set, ref)
				}
				w := newWire()
				if f.fault.Hang {
					w = impatient(500 * time.Millisecond)
				}
				err := all(w)
				refused, after := wire.Verdict(err)
				if err == nil || refused != f.refused || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), token[:12]) {
					t.Errorf("%v, refused %v", err, refused)
				}
				if f.name == "429" && after != 7*time.Second {
					t.Errorf("again after %v", after)
				}
				if err := all(newWire()); err != nil {
					t.Fatal(err)
				}
				got := b.issues()
				if len(got) != 1 || len(got[0].Notes) != 1 || got[0].State != "closed" {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

func TestTrackersRefuseWhatIsWrong(t *testing.T) {
	for _, b := range benches(t) {
		ctx, w := t.Context(), newWire()
		without := func(s config.Settings, name string) config.Settings {
			out := config.Settings{}
			for k, v := range s {
				if k != name {
					out[k] = v
				}
			}
			return out
		}
		with := func(s config.Settings, name, value string) config.Settings {
			out := without(s, name)
			out[name] = value
			return out
		}
		create := func(conn, set config.Settings, issue ticket.Issue) error {
			_, err := b.tracker.Create(ctx, w, conn, set, issue)
			return err
		}
		ref := ticket.Ref{ID: "1"}
		tests := []struct {
			name string
			err  error
			want string
		}{
			{"no url", create(without(b.conn, "url"), b.set, incident), "has no url"},
			{"bad url", create(with(b.conn, "url", "://"), b.set, incident), "url"},
			{"no token", create(without(b.conn, "token"), b.set, incident), "has no token"},
			{"wrong token", create(with(b.conn, "token", "glpat-wrong-one"), b.set, incident), "401"},
			{"no project", create(b.conn, without(b.set, "project"), incident), "project"},
			{"unknown project", create(b.conn, with(b.set, "project", "shop/none"), incident), "404"},
			{"confidential", create(b.conn, with(b.set, "confidential", "maybe"), incident), "confidential"},
			{"no key", create(b.conn, b.set, ticket.Issue{Title: "x"}), "key"},
			{"key", create(b.conn, b.set, ticket.Issue{Key: "a --> b"}), "key"},
			{"comment, key", b.tracker.Comment(ctx, w, b.conn, b.set, ref, "", "x"), "key"},
			{"comment, ref", b.tracker.Comment(ctx, w, b.conn, b.set, ticket.Ref{ID: "1/../2"}, "k", "x"), "not the number"},
			{"comment, unknown", b.tracker.Comment(ctx, w, b.conn, b.set, ticket.Ref{ID: "99"}, "k", "x"), "404"},
			{"close, ref", b.tracker.Close(ctx, w, b.conn, b.set, ticket.Ref{}), "not the number"},
			{"reopen, ref", b.tracker.Reopen(ctx, w, b.conn, b.set, ticket.Ref{}), "not the number"},
			{"reopen, unknown", b.tracker.Reopen(ctx, w, b.conn, b.set, ticket.Ref{ID: "99"}), "404"},
			{"close, unknown", b.tracker.Close(ctx, w, b.conn, b.set, ticket.Ref{ID: "99"}), "404"},
		}
		for _, tt := range tests {
			if !errors.Is(tt.err, wire.ErrRefused) || !strings.Contains(tt.err.Error(), tt.want) || strings.Contains(tt.err.Error(), "glpat") {
				t.Errorf("%s, %s: %v", b.tracker.Name, tt.name, tt.err)
			}
		}
		if n := len(b.issues()); n != 0 {
			t.Errorf("%d issues were opened", n)
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := b.tracker.Create(cancelled, w, b.conn, b.set, incident); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}
