package vendortest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/musterhq/muster/internal/vendortest"
)

// clock is a clock that tests turn by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func startSlack(t *testing.T, edit func(*vendortest.SlackOptions)) (*vendortest.Slack, *slack.Client, *clock, string) {
	t.Helper()
	o := vendortest.SlackOptions{
		Token: "xoxb-right", SigningSecret: "shh",
		Channels: []vendortest.SlackChannel{{ID: "C0OPS", Name: "ops"}, {ID: "C0OLD", Name: "old", Archived: true}},
		Users:    []vendortest.SlackUser{{ID: "U0ANA", Name: "ana", RealName: "Ana Ruiz", Email: "ana@shop.example"}},
	}
	if edit != nil {
		edit(&o)
	}
	c := newClock()
	s := vendortest.NewSlack(c.now, o)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, slack.New("xoxb-right", slack.OptionAPIURL(server.URL+"/api/")), c, server.URL
}

func TestSlackRoundTrip(t *testing.T) {
	s, api, _, url := startSlack(t, nil)
	auth, err := api.AuthTest()
	if err != nil || auth.TeamID == "" || auth.UserID == "" {
		t.Fatalf("auth.test: %+v, %v", auth, err)
	}
	user, err := api.GetUserInfo("U0ANA")
	if err != nil || user.RealName != "Ana Ruiz" || user.Profile.Email != "ana@shop.example" {
		t.Fatalf("users.info: %+v, %v", user, err)
	}
	button := slack.NewActionBlock("row", slack.NewButtonBlockElement("acknowledge", "id-1", slack.NewTextBlockObject("plain_text", "Ack", false, false)))
	channel, ts, err := api.PostMessage("#ops", slack.MsgOptionText("one", false), slack.MsgOptionBlocks(button))
	if err != nil || channel != "C0OPS" || ts == "" {
		t.Fatalf("chat.postMessage: %s %s %v", channel, ts, err)
	}
	if _, _, _, err := api.UpdateMessage(channel, ts, slack.MsgOptionText("two", false)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.PostMessage(channel, slack.MsgOptionText("reply", false), slack.MsgOptionTS(ts), slack.MsgOptionBroadcast()); err != nil {
		t.Fatal(err)
	}
	if _, err := api.PostEphemeral(channel, "U0ANA", slack.MsgOptionText("psst", false)); err != nil {
		t.Fatal(err)
	}
	direct, _, err := api.PostMessage("U0ANA", slack.MsgOptionText("hello", false))
	if err != nil || !strings.HasPrefix(direct, "D") {
		t.Fatalf("to a member: %s, %v", direct, err)
	}
	if _, _, _, err := api.UpdateMessage(direct, s.Messages()[3].TS, slack.MsgOptionText("hello again", false)); err != nil {
		t.Fatal(err)
	}

	type row struct {
		Channel, Text, Thread, Ephemeral string
		Broadcast                        bool
		Edits                            int
	}
	var got []row
	for _, m := range s.Messages() {
		got = append(got, row{m.Channel, m.Text, m.Thread, m.Ephemeral, m.Broadcast, m.Edits})
	}
	want := []row{
		{"C0OPS", "two", "", "", false, 1},
		{"C0OPS", "reply", ts, "", true, 0},
		{"C0OPS", "psst", "", "U0ANA", false, 0},
		{direct, "hello again", "", "", false, 1},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"acknowledge": "id-1"}, s.Messages()[0].Buttons()); d != "" {
		t.Errorf("what was not sent again must stay:\n%s", d)
	}

	// JSON bodies, with the token in the header as Slack wants it for them.
	for token, want := range map[string]string{"Bearer xoxb-right": "", "": "not_authed", "Bearer no": "invalid_auth"} {
		req, _ := http.NewRequest("POST", url+"/api/chat.postMessage", strings.NewReader(`{"channel":"C0OPS","text":"json","token":"xoxb-right","blocks":[{"type":"divider"}]}`))
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		if token != "" {
			req.Header.Set("Authorization", token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var a struct {
			OK    bool
			Error string
		}
		err = json.NewDecoder(resp.Body).Decode(&a)
		resp.Body.Close()
		if err != nil || a.Error != want || a.OK != (want == "") {
			t.Errorf("token %q: %+v, %v", token, a, err)
		}
	}
}

func TestSlackRefuses(t *testing.T) {
	s, api, _, url := startSlack(t, nil)
	foreign := s.Say("C0OPS", "U0ANA", "mine")
	_, ts, err := api.PostMessage("C0OPS", slack.MsgOptionText("ours", false))
	if err != nil {
		t.Fatal(err)
	}
	text := func(n int) slack.MsgOption { return slack.MsgOptionText(strings.Repeat("x", n), false) }
	section := func(n int) *slack.SectionBlock {
		return slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", strings.Repeat("x", n), false, false), nil, nil)
	}
	button := func(id, label, value string) slack.BlockElement {
		return slack.NewButtonBlockElement(id, value, slack.NewTextBlockObject("plain_text", label, false, false))
	}
	many := make([]slack.Block, 51)
	for i := range many {
		many[i] = slack.NewDividerBlock()
	}
	post := func(channel string, o ...slack.MsgOption) error {
		_, _, err := api.PostMessage(channel, o...)
		return err
	}
	update := func(channel, ts string, o ...slack.MsgOption) error {
		_, _, _, err := api.UpdateMessage(channel, ts, o...)
		return err
	}
	_, wrong := slack.New("xoxb-wrong", slack.OptionAPIURL(url+"/api/")).AuthTest()
	_, none := slack.New("", slack.OptionAPIURL(url+"/api/")).AuthTest()
	_, noUser := api.GetUserInfo("U0NOBODY")
	_, notThere := api.PostEphemeral("C0OPS", "U0NOBODY", text(1))
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"wrong token", wrong, "invalid_auth"},
		{"no token", none, "not_authed"},
		{"no such user", noUser, "user_not_found"},
		{"not in the channel", notThere, "user_not_in_channel"},
		{"unknown method", api.AddReaction("x", slack.NewRefToMessage("C0OPS", ts)), "unknown_method"},
		{"no such room", post("#nowhere", text(1)), "channel_not_found"},
		{"archived", post("#old", text(1)), "is_archived"},
		{"nothing to say", post("C0OPS"), "no_text"},
		{"too long", post("C0OPS", text(40_001)), "msg_too_long"},
		{"section too long", post("C0OPS", slack.MsgOptionBlocks(section(3001))), "invalid_blocks"},
		{"section empty", post("C0OPS", slack.MsgOptionBlocks(section(0))), "invalid_blocks"},
		{"too many blocks", post("C0OPS", slack.MsgOptionBlocks(many...)), "invalid_blocks"},
		{"label too long", post("C0OPS", slack.MsgOptionBlocks(slack.NewActionBlock("", button("a", strings.Repeat("x", 76), "")))), "invalid_blocks"},
		{"value too long", post("C0OPS", slack.MsgOptionBlocks(slack.NewActionBlock("", button("a", "A", strings.Repeat("x", 2001))))), "invalid_blocks"},
		{"same id twice", post("C0OPS", slack.MsgOptionBlocks(slack.NewActionBlock("", button("a", "A", ""), button("a", "B", "")))), "invalid_blocks"},
		{"in an attachment", post("C0OPS", slack.MsgOptionAttachments(slack.Attachment{Blocks: slack.Blocks{BlockSet: []slack.Block{section(3001)}}})), "invalid_attachments"},
		{"too many attachments", post("C0OPS", slack.MsgOptionAttachments(make([]slack.Attachment, 101)...)), "too_many_attachments"},
		{"edit by name", update("#ops", ts, text(1)), "channel_not_found"},
		{"edit of nothing", update("C0OPS", "1.000001", text(1)), "message_not_found"},
		{"edit of a member's", update("C0OPS", foreign, text(1)), "cant_update_message"},
		{"edit too long", update("C0OPS", ts, text(4_001)), "msg_too_long"},
		{"fine", update("C0OPS", ts, text(4_000), slack.MsgOptionBlocks(section(3000))), ""},
	}
	for _, tt := range tests {
		got := ""
		if tt.err != nil {
			got = tt.err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if n := len(s.Messages()); n != 2 {
		t.Errorf("%d messages: what was refused was posted", n)
	}
	s.Archive("C0OPS", true)
	if err := update("C0OPS", ts, text(1)); err == nil || err.Error() != "is_archived" {
		t.Errorf("edit in an archived room: %v", err)
	}
	// A reply to a message that is gone stands alone.
	s.Archive("C0OPS", false)
	s.Delete("C0OPS", ts)
	if err := post("C0OPS", text(1), slack.MsgOptionTS(ts)); err != nil || s.Messages()[1].Thread != "" {
		t.Errorf("reply to nothing: %v, %+v", err, s.Messages())
	}
}

func TestSlackRateLimit(t *testing.T) {
	_, api, clock, _ := startSlack(t, func(o *vendortest.SlackOptions) { o.PerChannel = 1500 * time.Millisecond })
	post := func(channel string) error {
		_, _, err := api.PostMessage(channel, slack.MsgOptionText("x", false))
		return err
	}
	if err := post("C0OPS"); err != nil {
		t.Fatal(err)
	}
	var limited *slack.RateLimitedError
	if err := post("C0OPS"); !errors.As(err, &limited) || limited.RetryAfter != 2*time.Second {
		t.Errorf("at once: %v", err)
	}
	if err := post("U0ANA"); err != nil {
		t.Errorf("another channel: %v", err)
	}
	clock.add(1500 * time.Millisecond)
	if err := post("C0OPS"); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestSlackFaults(t *testing.T) {
	s, _, _, url := startSlack(t, nil)
	api := slack.New("xoxb-right", slack.OptionAPIURL(url+"/api/"), slack.OptionHTTPClient(&http.Client{Timeout: 300 * time.Millisecond}))
	for _, tt := range []struct {
		fault  vendortest.Fault
		want   string // in the error
		posted bool
	}{
		{vendortest.Fault{Kind: vendortest.FaultStatus, Code: "429", RetryAfter: 3 * time.Second}, "retry after 3s", false},
		{vendortest.Fault{Kind: vendortest.FaultStatus}, "500", false},
		{vendortest.Fault{Kind: vendortest.FaultAPI, Code: "fatal_error"}, "fatal_error", false},
		{vendortest.Fault{Kind: vendortest.FaultHang}, "Timeout", false},
		{vendortest.Fault{Kind: vendortest.FaultGarbage}, "invalid character", false},
		{vendortest.Fault{Kind: vendortest.FaultHalf}, "unexpected EOF", true},
		{vendortest.Fault{Kind: vendortest.FaultReset}, "", false},
	} {
		before := len(s.Messages())
		s.Fail(1, tt.fault)
		_, _, err := api.PostMessage("C0OPS", slack.MsgOptionText("x", false))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.fault, err)
		}
		if posted := len(s.Messages()) > before; posted != tt.posted {
			t.Errorf("%+v: posted %v", tt.fault, posted)
		}
	}
	s.Fail(5, vendortest.Fault{Kind: vendortest.FaultStatus})
	s.Heal()
	if _, _, err := api.PostMessage("C0OPS", slack.MsgOptionText("x", false)); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// TestSlackClick presses a button; slack-go, as the app, checks the signature,
// reads the payload and uses the response URL.
func TestSlackClick(t *testing.T) {
	s, api, clock, _ := startSlack(t, nil)
	var got slack.InteractionCallback
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		// slack-go compares with the real clock, so the age is not checked here.
		v, err := slack.NewSecretsVerifier(r.Header, "shh")
		if err != nil && !errors.Is(err, slack.ErrExpiredTimestamp) {
			t.Errorf("verifier: %v", err)
		}
		if err == nil {
			_, _ = v.Write(body)
			if err := v.Ensure(); err != nil {
				t.Errorf("signature: %v", err)
			}
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if err := json.Unmarshal([]byte(r.FormValue("payload")), &got); err != nil {
			t.Errorf("payload: %v", err)
		}
		w.WriteHeader(200)
	}))
	defer app.Close()
	s.SetAppURL(app.URL)
	clock.mu.Lock()
	clock.t = time.Now()
	clock.mu.Unlock()

	channel, ts, err := api.PostMessage("#ops", slack.MsgOptionText("alert", false), slack.MsgOptionAttachments(slack.Attachment{
		Color: "#ff0000", Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewActionBlock("row",
			slack.NewButtonBlockElement("resolve", "id-2", slack.NewTextBlockObject("plain_text", "Resolve", false, false)))}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Click(t.Context(), channel, ts, "resolve", "U0ANA")
	if err != nil || answer.Status != 200 {
		t.Fatalf("%+v, %v", answer, err)
	}
	action := got.ActionCallback.BlockActions
	if got.Type != slack.InteractionTypeBlockActions || got.User.ID != "U0ANA" || got.Channel.ID != "C0OPS" ||
		got.Container.MessageTs != ts || len(action) != 1 || action[0].ActionID != "resolve" || action[0].Value != "id-2" || got.TriggerID == "" {
		t.Errorf("callback %+v", got)
	}

	for i := range 6 {
		err := slack.PostWebhook(got.ResponseURL, &slack.WebhookMessage{Text: "done", ResponseType: "ephemeral"})
		if (err == nil) != (i < 5) {
			t.Errorf("use %d of the response URL: %v", i+1, err)
		}
	}
	if last := s.Messages()[1]; last.Ephemeral != "U0ANA" || last.Text != "done" {
		t.Errorf("answer %+v", last)
	}
	if _, err := s.Click(t.Context(), channel, ts, "resolve", "U0ANA"); err != nil {
		t.Fatal(err)
	}
	clock.add(31 * time.Minute)
	if err := slack.PostWebhook(got.ResponseURL, &slack.WebhookMessage{Text: "late"}); err == nil {
		t.Error("an expired response URL was taken")
	}

	for _, tt := range [][3]string{{channel, ts, "approve"}, {channel, "1.000001", "resolve"}, {"C0OLD", ts, "resolve"}} {
		if _, err := s.Click(t.Context(), tt[0], tt[1], tt[2], "U0ANA"); err == nil {
			t.Errorf("clicked %v", tt)
		}
	}
	if _, err := s.Click(t.Context(), channel, ts, "resolve", "U0NOBODY"); err == nil {
		t.Error("nobody clicked")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Click(ended, channel, ts, "resolve", "U0ANA"); err == nil {
		t.Error("a click without an answer is an answer")
	}
}

func TestLive(t *testing.T) {
	for text, want := range map[string][]string{
		"<!channel> &lt;!here&gt; <@U0ANA> <#C1|x>":            {"<!channel>", "<@U0ANA>", "<#C1|x>"},
		"<https://evil.example|bank> <mailto:a@b|c> a < b > c": {"<https://evil.example|bank>", "<mailto:a@b|c>"},
		"<https://evil.example>":                               {"<https://evil.example>"},
		"1 &lt; 2 @channel":                                    nil,
	} {
		if d := cmp.Diff(want, vendortest.SlackMessage{Text: text}.Live()); d != "" {
			t.Errorf("%s\n%s", text, d)
		}
	}
	m := vendortest.SlackMessage{Text: "@here", Lively: true, Blocks: json.RawMessage(
		`[{"type":"section","text":{"type":"mrkdwn","text":"@everyone <!subteam^S1>"}},{"text":{"type":"mrkdwn","text":"@channel","verbatim":true}}]`)}
	if d := cmp.Diff([]string{"@here", "@everyone", "<!subteam^S1>"}, m.Live()); d != "" {
		t.Error(d)
	}
}

// TestSlackSamples compares the shapes of answers with those that Slack's Java
// SDK recorded: whatever we answer must stand there.
func TestSlackSamples(t *testing.T) {
	_, _, _, url := startSlack(t, nil)
	for method, form := range map[string]string{
		"auth.test": "", "users.info": "user=U0ANA", "chat.postEphemeral": "channel=C0OPS&user=U0ANA&text=x",
	} {
		text, err := os.ReadFile("../../../shared/samples/slack/api__" + method + ".json")
		if err != nil {
			t.Skipf("samples absent: %v", err)
		}
		resp, err := http.Post(url+"/api/"+method, "application/x-www-form-urlencoded", strings.NewReader("token=xoxb-right&"+form))
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		err = errors.Join(json.Unmarshal(text, &want), json.NewDecoder(resp.Body).Decode(&got))
		resp.Body.Close()
		if err != nil || got["ok"] != true {
			t.Fatalf("%s: %v, %v", method, got, err)
		}
		inShape(t, method, want, got)
	}
}

func inShape(t *testing.T, at string, want, got any) {
	t.Helper()
	if g, ok := got.(map[string]any); ok {
		w, ok := want.(map[string]any)
		if !ok {
			t.Errorf("%s: an object, where Slack has %T", at, want)
		}
		for k, v := range g {
			if w[k] == nil {
				t.Errorf("%s.%s: Slack has no such field", at, k)
				continue
			}
			inShape(t, at+"."+k, w[k], v)
		}
		return
	}
	if a, b := fmt.Sprintf("%T", want), fmt.Sprintf("%T", got); a != b {
		t.Errorf("%s: %s, where Slack has %s", at, b, a)
	}
}
