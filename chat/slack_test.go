package chat_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/chat"
)

// press is a block_actions payload as Slack sends it, with more fields than we read.
const press = `{"type":"block_actions","team":{"id":"T0MUSTER1","domain":"muster"},
"user":{"id":"U024BE7LH","username":"ana","name":"ana.ruiz","team_id":"T0MUSTER1"},
"api_app_id":"A1","token":"old","container":{"type":"message","message_ts":"1790000000.000100","channel_id":"C0OPS","is_ephemeral":false},
"trigger_id":"12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3","channel":{"id":"C0OPS","name":"ops"},
"message":{"type":"message","ts":"1790000000.000100","text":"x"},"response_url":"https://hooks.slack.example/actions/T0/1/abc",
"actions":[{"type":"button","action_id":"acknowledge","block_id":"b0","value":"opaque-1","text":{"type":"plain_text","text":"Acknowledge"},"action_ts":"1790000001.000000"}]}`

func form(payload string) []byte { return []byte(url.Values{"payload": {payload}}.Encode()) }

func TestReadSlack(t *testing.T) {
	pressed := chat.Action{
		Name: "acknowledge", Value: "opaque-1", UserID: "U024BE7LH", UserName: "ana", Channel: "C0OPS", MessageTS: "1790000000.000100",
		ResponseURL: "https://hooks.slack.example/actions/T0/1/abc", TriggerID: "12321423423.333649436676.d8c1bb837935619ccad0f624c448ffb3",
	}
	edit := func(old, new string) []byte {
		if !strings.Contains(press, old) {
			t.Fatalf("the payload has no %s", old)
		}
		return form(strings.Replace(press, old, new, 1))
	}
	hidden := pressed
	hidden.UserName = "anaexe.gpj"
	tests := []struct {
		name string
		body []byte
		want chat.Action
		err  string // in the error
	}{
		{"a button", form(press), pressed, ""},
		{"a name that reorders text", edit(`"username":"ana"`, `"username":"ana\u202eexe\u0007.gpj"`), hidden, ""},
		{"address check", []byte(`{"token":"t","challenge":"3eZbrw1a","type":"url_verification"}`), chat.Action{Name: chat.URLVerification, Value: "3eZbrw1a"}, ""},
		{"certificate check", []byte("ssl_check=1&token=t"), chat.Action{Name: chat.SSLCheck}, ""},

		{"nothing", nil, chat.Action{}, "payload stands there 0 times"},
		{"two payloads", []byte("payload=%7B%7D&payload=%7B%7D"), chat.Action{}, "2 times"},
		{"bad escapes", []byte("payload=%zz"), chat.Action{}, "form"},
		{"no JSON", form("{"), chat.Action{}, "payload: unexpected end"},
		{"wrong type", form(`{"type":"block_actions","actions":{}}`), chat.Action{}, "payload: json"},
		{"another kind", edit(`"type":"block_actions"`, `"type":"view_submission"`), chat.Action{}, `payload.type: "view_submission"`},
		{"no button", edit(`"actions":[{`, `"actions":[],"x":[{`), chat.Action{}, "payload.actions: 0"},
		{"a menu", edit(`"type":"button"`, `"type":"static_select"`), chat.Action{}, "actions[0].type"},
		{"no action_id", edit(`"acknowledge"`, `""`), chat.Action{}, "actions[0].action_id"},
		{"a button that passes for a check", edit(`"acknowledge"`, `"ssl_check"`), chat.Action{}, "actions[0].action_id"},
		{"value too long", edit(`opaque-1`, strings.Repeat("x", 2001)), chat.Action{}, "actions[0].value"},
		{"no user", edit(`U024BE7LH`, ``), chat.Action{}, "payload.user.id"},
		{"bad user", edit(`U024BE7LH`, `U1' OR 1=1`), chat.Action{}, "payload.user.id"},
		{"bad channel", edit(`"channel":{"id":"C0OPS"`, `"channel":{"id":"../x"`), chat.Action{}, "payload.channel.id"},
		{"bad ts", edit(`1790000000.000100`, `now`), chat.Action{}, "message_ts"},
		{"bad address", edit(`https://hooks.slack.example`, `file://secret`), chat.Action{}, "response_url"},
		{"bad check", []byte(`{"type":"event_callback","challenge":"x"}`), chat.Action{}, `"event_callback"`},
		{"empty check", []byte(`{"type":"url_verification"}`), chat.Action{}, "challenge"},
		{"too large", append([]byte("payload="), make([]byte, 1<<20)...), chat.Action{}, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := chat.ReadSlack(tt.body)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || len(err.Error()) > 300) {
				t.Errorf("error tells too much: %v", err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// The sample of Slack's own Java SDK has all fields there are, most of them
// empty: it must be read, and refused for what is empty, by name.
func TestReadSlackSample(t *testing.T) {
	const path = "../../shared/samples/slack/app-backend__interactive-components__BlockActionPayload.json"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("samples absent: %v", err)
	}
	if _, err := chat.ReadSlack(form(string(text))); err == nil || !strings.Contains(err.Error(), "payload.actions") {
		t.Errorf("as it is: %v", err)
	}
	var p map[string]any
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	p["user"].(map[string]any)["id"] = "U1234567"
	p["channel"].(map[string]any)["id"] = "C1234567"
	p["container"].(map[string]any)["message_ts"] = "1.000001"
	p["response_url"] = "https://hooks.slack.example/x"
	p["actions"] = []any{map[string]any{"type": "button", "action_id": "resolve", "value": "v"}}
	full, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := chat.ReadSlack(form(string(full)))
	want := chat.Action{Name: "resolve", Value: "v", UserID: "U1234567", Channel: "C1234567", MessageTS: "1.000001", ResponseURL: "https://hooks.slack.example/x"}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("filled in: %v\n%s", err, d)
	}
}

func TestRenderEphemeral(t *testing.T) {
	got := string(chat.RenderEphemeral("<!channel> a & b\u202e \x07<https://evil.example|bank>"))
	want := `{"replace_original":false,"response_type":"ephemeral","text":"\u0026lt;!channel\u0026gt; a \u0026amp; b \u0026lt;https://evil.example|bank\u0026gt;"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if long := chat.RenderEphemeral(strings.Repeat("é", 10_000)); !json.Valid(long) || len(long) > 7000 {
		t.Errorf("%d bytes", len(long))
	}
}

func FuzzReadSlack(f *testing.F) {
	f.Add(form(press))
	f.Add([]byte(`{"type":"url_verification","challenge":"x"}`))
	f.Add([]byte("ssl_check=1"))
	f.Add([]byte("payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5Bnull%5D%7D"))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := chat.ReadSlack(body)
		switch {
		case err != nil && a != chat.Action{}:
			t.Errorf("an error and an action: %+v, %v", a, err)
		case err == nil && a.Name == "":
			t.Errorf("an action without a name: %+v", a)
		case err == nil && a.Name != chat.URLVerification && a.Name != chat.SSLCheck && (a.UserID == "" || a.Channel == "" || a.MessageTS == ""):
			t.Errorf("nobody pressed nothing: %+v", a)
		}
	})
}

// FuzzPayload leaves the form aside, which a fuzzer seldom gets through.
func FuzzPayload(f *testing.F) {
	f.Add(press)
	f.Fuzz(func(t *testing.T, payload string) {
		a, err := chat.ReadSlack(form(payload))
		if err == nil && (a.Name == "" || len(a.Value) > 2000 || a.UserID == "") {
			t.Errorf("%+v", a)
		}
	})
}
