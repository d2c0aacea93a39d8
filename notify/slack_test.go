package notify_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

// TestSlackLife follows one incident: one message, edited in place, and replies
// in its thread when somebody must be rung.
func TestSlackLife(t *testing.T) {
	r, s := slackRig(t)
	send := func(edit func(*notify.Message)) notify.Receipt {
		t.Helper()
		m := page()
		edit(&m)
		receipt, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, m)
		if err != nil {
			t.Fatal(err)
		}
		return receipt
	}
	first := send(func(*notify.Message) {})
	root := s.Messages()[0]
	if first.Ref != "C0OPS:"+root.TS {
		t.Errorf("ref %q", first.Ref)
	}
	if d := cmp.Diff(map[string]string{"acknowledge": "act-1", "resolve": "act-2"}, root.Buttons()); d != "" {
		t.Error(d)
	}

	second := send(func(m *notify.Message) { m.Ref = first.Ref })
	third := send(func(m *notify.Message) { m.Ref, m.Kind = first.Ref, notify.Note })
	ask := send(func(m *notify.Message) {
		m.Ref, m.Kind = first.Ref, notify.Approval
		m.Actions = []notify.Action{{Name: "approve", Label: "Approve", Value: "v"}, {Name: "approve", Label: "Approve all", Value: "w"}}
	})
	edited := send(func(m *notify.Message) {
		m.Ref, m.Kind, m.Status, m.Actions = first.Ref, notify.Update, "resolved", nil
	})
	if second.Ref != first.Ref || third.Ref != first.Ref || ask.Ref != first.Ref || edited.Ref != first.Ref {
		t.Errorf("the message to edit changed: %v %v %v %v", second, third, ask, edited)
	}

	type row struct {
		Thread    string
		Broadcast bool
		Edits     int
		Buttons   []string
		Colour    string
	}
	var got []row
	for _, m := range s.Messages() {
		var names []string
		for n := range m.Buttons() {
			names = append(names, n)
		}
		slices.Sort(names)
		_, colour, _ := strings.Cut(string(m.Attachments), `"color":"`)
		colour, _, _ = strings.Cut(colour, `"`)
		got = append(got, row{m.Thread, m.Broadcast, m.Edits, names, colour})
	}
	want := []row{
		{"", false, 1, nil, "#2eb67d"}, // green now, and nothing left to press
		{root.TS, true, 0, nil, "#d92d20"},
		{root.TS, false, 0, []string{"acknowledge", "resolve"}, "#d92d20"},
		{root.TS, true, 0, []string{"approve"}, "#d92d20"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSlackColours(t *testing.T) {
	r, s := slackRig(t)
	for status, want := range map[string]string{
		"triggered": "#d92d20", "acknowledged": "#e8a317", "resolved": "#2eb67d", "snoozed": "#8d8d8d", "": "#d92d20",
	} {
		m := page()
		m.Status = status
		if _, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, "U0ANA", m); err != nil {
			t.Fatal(err)
		}
		last := s.Messages()[len(s.Messages())-1]
		if !strings.Contains(string(last.Attachments), `"color":"`+want+`"`) || last.Channel != "D0ANA" {
			t.Errorf("%s in %s: %s", status, last.Channel, last.Attachments)
		}
	}
}

// What cannot be edited any more is posted anew, so that the state is seen.
func TestSlackEditOfWhatIsGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		ref  func(*vendortest.Slack) string
	}{
		{"deleted", func(s *vendortest.Slack) string {
			ts := s.Say("C0OPS", "U0ANA", "x")
			s.Delete("C0OPS", ts)
			return "C0OPS:" + ts
		}},
		{"not ours", func(s *vendortest.Slack) string { return "C0OPS:" + s.Say("C0OPS", "U0ANA", "x") }},
		{"another workspace", func(*vendortest.Slack) string { return "C0OTHER:1.000001" }},
		{"no ref at all", func(*vendortest.Slack) string { return `{"json":"of another channel"}` }},
	} {
		r, s := slackRig(t)
		m := page()
		m.Kind, m.Ref = notify.Update, tt.ref(s)
		before := len(s.Messages())
		receipt, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, m)
		all := s.Messages()
		if err != nil || len(all) != before+1 || receipt.Ref != "C0OPS:"+all[before].TS || all[before].Thread != "" {
			t.Errorf("%s: %+v, %v, %d messages", tt.name, receipt, err, len(all))
		}
	}
}

// If Slack takes exception to the card, the text goes out without it.
func TestSlackFallsBackToText(t *testing.T) {
	for _, code := range []string{"invalid_blocks", "invalid_attachments", "msg_too_long", "invalid_metadata_format"} {
		r, s := slackRig(t)
		s.Fail(1, vendortest.Fault{Kind: vendortest.FaultAPI, Code: code})
		m := hostile(2000)
		m.URL = "https://muster.example/i/42"
		if _, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, m); err != nil {
			t.Errorf("%s: %v", code, err)
			continue
		}
		got := s.Messages()[0]
		if got.Attachments != nil || !strings.Contains(got.Text, "onerror") || !strings.HasSuffix(got.Text, "<https://muster.example/i/42|Open the incident>") {
			t.Errorf("%s: %+v", code, got)
		}
		if d := cmp.Diff([]string{"<https://muster.example/i/42|Open the incident>"}, got.Live()); d != "" {
			t.Error(d)
		}
	}
}

func TestSlackVerdicts(t *testing.T) {
	for code, refused := range map[string]bool{
		"channel_not_found": true, "invalid_auth": true, "is_archived": true, "token_revoked": true, "not_in_channel": true,
		"missing_scope": true, "no_text": true, "user_not_found": true, "restricted_action": true, "account_inactive": true,
		"internal_error": false, "fatal_error": false, "service_unavailable": false, "request_timeout": false, "": false, "never_heard_of": false,
	} {
		r, s := slackRig(t)
		s.Fail(1, vendortest.Fault{Kind: vendortest.FaultAPI, Code: code})
		_, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, page())
		if got, _ := wire.Verdict(err); err == nil || got != refused || !strings.Contains(err.Error(), code) {
			t.Errorf("%q: refused %v: %v", code, got, err)
		}
	}
	// A limit told in the body, at status 200.
	for want, f := range map[string]vendortest.Fault{
		"10s": {Kind: vendortest.FaultAPI, Code: "ratelimited"},
		"30s": {Kind: vendortest.FaultAPI, Code: "rate_limited", RetryAfter: 30e9},
	} {
		r, s := slackRig(t)
		s.Fail(1, f)
		_, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, page())
		var later wire.Later
		if !errors.As(err, &later) || later.After.String() != want {
			t.Errorf("%+v: %v", f, err)
		}
	}
	// The real limit of the stand-in, and the settings that are missing.
	r, s := slackRig(t)
	s.Archive("C0OPS", true)
	if _, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, "C0OPS", page()); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("archived: %v", err)
	}
	for _, token := range []string{"", "xoxb-wrong"} {
		if _, err := r.kind.Send(t.Context(), newWire(t, nil), with(r.set, "token", token), "U0ANA", page()); !errors.Is(err, wire.ErrRefused) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// A 200 that does not say "ok": true, with a channel and a ts, posted nothing.
func TestSlackAnswersThatAreNone(t *testing.T) {
	r, _ := slackRig(t)
	for _, body := range []string{"", "{}", "null", "[]", `"ok"`, "ok", `{"ok":null}`, `{"ok":true}`, `{"ok":false}`, `{"channel":"C0OPS","ts":"1.000001"}`,
		`{"ok":true,"channel":"C0OPS"}`, `{"ok":true,"channel":"<!x>","ts":"1.000001"}`} {
		w := newWire(t, func(o *wire.Options) {
			o.Transport = trip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Status: "200 OK", Body: io.NopCloser(strings.NewReader(body))}, nil
			})
		})
		receipt, err := r.kind.Send(t.Context(), w, r.set, r.address, page())
		if refused, _ := wire.Verdict(err); err == nil || refused || receipt.Ref != "" {
			t.Errorf("%s: %+v, %v; want another try", body, receipt, err)
		}
	}
}

func TestSlackActionsThatCannotBe(t *testing.T) {
	r, s := slackRig(t)
	for _, a := range []notify.Action{{Name: "", Value: "v"}, {Name: "x", Value: strings.Repeat("v", 2001)}, {Name: strings.Repeat("x", 256)}} {
		m := page()
		m.Actions = []notify.Action{m.Actions[0], a}
		_, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, m)
		if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "actions[1]") || len(s.Messages()) != 0 {
			t.Errorf("%.20s: %v", a.Name, err)
		}
	}
}

// TestSlackLimits makes messages of any shape and length: none may be found
// fault with by a Slack that checks its limits, and nothing in them may live.
func TestSlackLimits(t *testing.T) {
	r, s := slackRig(t)
	w := newWire(t, nil)
	piece := rapid.SampledFrom([]string{"<!channel>", "<@U0ANA>", "<https://evil.example|bank>", "&", "<", ">", "&lt;", "é", "\U0001F525", "\n", "\u202e", "@here", "x"})
	text := func(t *rapid.T, name string) string {
		return strings.Repeat(strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, name), ""), rapid.SampledFrom([]int{1, 3, 100, 700}).Draw(t, name+" times"))
	}
	rapid.Check(t, func(t *rapid.T) {
		m := page()
		m.Title, m.Text, m.Service, m.Organization = text(t, "title"), text(t, "text"), text(t, "service"), text(t, "organization")
		m.Facts, m.Actions = nil, nil
		for range rapid.IntRange(0, 60).Draw(t, "facts") {
			m.Facts = append(m.Facts, notify.Fact{Name: text(t, "name"), Value: text(t, "value")})
		}
		for range rapid.IntRange(0, 40).Draw(t, "actions") {
			m.Actions = append(m.Actions, notify.Action{
				Name: rapid.SampledFrom([]string{"acknowledge", "resolve", "approve"}).Draw(t, "action"), Label: text(t, "label"),
				Style: rapid.SampledFrom([]string{"", "primary", "danger", "hostile"}).Draw(t, "style"),
			})
		}
		before := len(s.Messages())
		_, err := r.kind.Send(t.Context(), w, r.set, r.address, m)
		if refused := errors.Is(err, wire.ErrRefused) && strings.Contains(err.Error(), "too many"); refused {
			return // more buttons than a message can hold
		}
		if err != nil {
			t.Fatal(err)
		}
		got := s.Messages()[before]
		if got.Attachments == nil { // the plain text went out in its place
			log := s.Log()
			t.Fatalf("Slack found fault with the card: %+v", log[len(log)-2])
		}
		for _, live := range got.Live() {
			if live != "<https://muster.example/incidents/42?a=1&amp;b=2|Open the incident>" {
				t.Fatalf("%q is alive", live)
			}
		}
	})
}
