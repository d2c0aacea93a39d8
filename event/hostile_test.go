package event_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/event"
)

// What a source does with a hostile body.
const (
	refused  = "refused"  // Errors, that say what follows ": " in the case
	warned   = "warned"   // events, and a warning that says what follows ": "
	accepted = "accepted" // events without warnings, or none
)

// A hostileCase is a body, and what each of the sources does with it. The body
// of a source is made of the template for one event of it.
type hostileCase struct {
	name, source, body, want string
}

// Templates of one good event. %s takes more members of the event itself.
const (
	ownBody   = `{"action":"trigger","key":"k","title":"Disk full","severity":"critical"%s}`
	amBody    = `{"version":"4","groupKey":"{}:{a=\"b\"}","status":"firing","alerts":[{"status":"firing","fingerprint":"f1","startsAt":"2026-11-22T13:11:35Z","labels":{"alertname":"A","severity":"critical"},"annotations":{"summary":"s"}%s}]}`
	pdBody    = `{"routing_key":"secret-routing-key","dedup_key":"k","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"critical"}%s}`
	secretKey = "secret-routing-key"
)

// everywhere are bodies that every source takes in the same way: what follows
// the template's own members, or what is done to the whole body.
func everywhere() []struct{ name, members, want string } {
	many := strings.Repeat
	return []struct{ name, members, want string }{
		{"good", ``, accepted},
		{"truncated in a string", `,"x":"abc`, refused + ": within a string"},
		{"trailing comma", `,`, refused + ": name in double"},
		{"comment", `/* x */`, refused},
		{"single quotes", `,'x':1`, refused},
		{"NaN", `,"x":NaN`, refused + ": value"},
		{"Infinity", `,"x":-Infinity`, refused},
		{"hexadecimal", `,"x":0x10`, refused},
		{"leading zero", `,"x":007`, refused},
		{"plus sign", `,"x":+1`, refused},
		{"bare decimal point", `,"x":.5`, refused},
		{"raw line feed", ",\"x\":\"a\nb\"", refused + ": U+000A"},
		{"raw NUL", ",\"x\":\"a\x00b\"", refused},
		{"bad escape", `,"x":"\x41"`, refused},
		{"half an escape", `,"x":"\u12"`, refused + ": hexadecimal"},
		{"unquoted name", `,x:1`, refused},
		{"no colon", `,"x" 1`, refused},
		{"two colons", `,"x"::1`, refused},
		{"unbalanced", `,"x":[1,2`, refused},
		{"mismatched", `,"x":[1}`, refused},
		{"depth 33", `,"x":` + many("[", 33) + many("]", 33), refused + ": 32 deep"},
		{"depth bomb", `,"x":` + many("[", 100_000), refused + ": 32 deep"},
		{"object bomb", `,"x":` + many(`{"a":`, 100_000), refused + ": 32 deep"},
		{"10,001 names", `,"x":{` + many(`"a":1,`, 10_000) + `"a":1}`, refused + ": 10000 names"},
		{"too many values", `,"x":[` + many(`0,`, 500_000) + `0]`, refused + ": more than"},
		{"bad UTF-8 out of strings", ",\xff\"x\":1", refused},
		{"wrong case of a word", `,"x":True`, refused},
		{"bad UTF-8", ",\"x\":\"\xff\xfe\"", warned + ": bad UTF-8"},
		{"overlong UTF-8", ",\"x\":\"\xc0\x80\"", warned + ": bad UTF-8"},
		{"surrogate in UTF-8", ",\"x\":\"\xed\xa0\x80\"", warned + ": bad UTF-8"},
		{"lone surrogate", `,"x":"\ud800"`, warned + ": surrogate"},
		{"swapped surrogates", `,"x":"\ude00\ud83d"`, warned + ": surrogate"},
		{"duplicate name", `,"x":1,"x":2`, warned + ": more than once"},
		{"duplicates within", `,"x":{"a":1,"a":2}`, warned + ": more than once"},
		{"a name written in two ways", `,"xy":1,"\u0078y":2`, warned + ": more than once"},
		{"5,000 duplicates", `,"x":{` + many(`"a":1,`, 5_000) + `"a":1}`, warned + ": more oddities"},
	}
}

// hostile returns the corpus.
func hostile() []hostileCase {
	many := strings.Repeat
	var cases []hostileCase
	add := func(source, name, body, want string) {
		cases = append(cases, hostileCase{name, source, body, want})
	}
	templates := map[string]string{"muster": ownBody, "alertmanager": amBody, "pagerduty": pdBody}
	for _, s := range event.Sources {
		template := templates[s.Name]
		for _, c := range everywhere() {
			add(s.Name, c.name, fmt.Sprintf(template, c.members), c.want)
		}
		good := fmt.Sprintf(template, "")
		for _, c := range []struct{ name, body, want string }{
			{"empty", "", refused + ": the text is empty"},
			{"white space", " \r\n\t", refused},
			{"null", "null", refused},
			{"true", "true", refused},
			{"a number", "42", refused},
			{"a string", `"trigger"`, refused},
			{"an array of null", "[null]", refused},
			{"an array of arrays", "[[[]]]", refused},
			{"half", good[:len(good)/2], refused},
			{"all but the last byte", good[:len(good)-1], refused},
			{"twice", good + good, refused},
			{"twice, one a line", good + "\n" + good, refused},
			{"trailing garbage", good + "x", refused + ": nothing after the value"},
			{"trailing NUL", good + "\x00", refused},
			{"leading garbage", ")]}',\n" + good, refused},
			{"form", "payload=%7B%7D&a=b", refused},
			{"HTML", "<!DOCTYPE html><p>busy</p>", refused},
			{"YAML", "action: trigger\nkey: k\n", refused},
			{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00", refused + ": gzip"},
			{"UTF-16", "\xff\xfe{\x00}\x00", refused},
			{"binary", "\x00\x01\x02\x03", refused},
			{"byte order mark", "\xef\xbb\xbf" + good, warned + ": byte order mark"},
			{"white space around", " \n" + good + "\r\n ", accepted},
			{"over 16 MiB", good + many(" ", event.MaxBody), refused},
		} {
			add(s.Name, c.name, c.body, c.want)
		}
	}
	own := func(name, members, want string) { add("muster", name, fmt.Sprintf(ownBody, members), want) }
	own("unknown action", `,"action":"explode"`, refused+": unknown action")
	own("action of a wrong type", `,"action":1`, refused+": a number")
	own("action is an array", `,"action":["trigger"]`, refused+": an array")
	own("unknown status", `,"action":null,"status":"burning"`, refused+": unknown status")
	own("title is an object", `,"title":{"a":1}`, refused+": an object")
	own("title is null", `,"title":null`, refused+": null")
	own("blank title", `,"title":" \u0000\u00a0"`, refused+": blank")
	own("resolve without a key", `,"action":"resolve","key":null`, refused+": null")
	own("resolve with a blank key", `,"action":"resolve","key":"  "`, refused+": blank")
	own("status says otherwise", `,"status":"resolved"`, warned+": says otherwise")
	own("no key", `,"key":null`, warned+": made one")
	own("key is a number", `,"key":12345678901234567890123456789`, warned+": taken as text")
	own("key is an object", `,"key":{}`, warned+": an object")
	own("256 bytes of key", `,"key":"`+many("k", 256)+`"`, warned+": hash")
	own("key with a line feed", `,"key":"a\nb"`, warned+": hash")
	own("1 MB title", `,"title":"`+many("x", 1<<20)+`"`, warned+": cut to 1024")
	own("title of wide characters", `,"title":"`+many("🚨", 257)+`"`, warned+": cut to 1024")
	own("10 MB description", `,"description":"`+many("x", 10<<20)+`"`, warned+": cut to 65536")
	own("10 MB details", `,"details":"`+many("x", 10<<20)+`"`, warned+": left out")
	own("600 KB details", `,"details":"`+many("x", 600<<10)+`"`, warned+": /details: 614402 bytes long")
	own("until is before time", `,"time":1774744200,"until":1774744200`, warned+": /until: not after")
	own("severity page", `,"severity":"page"`, warned+": taken as error")
	own("severity P1", `,"severity":"P1"`, warned+": taken as critical")
	own("empty severity", `,"severity":""`, warned+": empty severity")
	own("severity is an object", `,"severity":{}`, warned+": an object")
	own("bad time", `,"time":"yesterday"`, warned+": not an instant")
	own("time out of range", `,"time":"9999-12-31T23:59:59Z"`, warned+": not an instant")
	own("time of a million digits", `,"time":`+many("9", 1<<20), warned+": Unix time")
	own("time is 1e400", `,"time":1e400`, warned+": Unix time")
	own("labels is an array", `,"labels":["a"]`, warned+": an array")
	own("1,000 labels", `,"labels":{`+labels(1000)+`}`, warned+": 872 labels left out")
	own("label without a name", `,"labels":{"":"x"}`, warned+": left out")
	own("label is an object", `,"labels":{"a":{"b":["c"]}}`, warned+": taken as text")
	own("1 MB label", `,"labels":{"a":"`+many("x", 1<<20)+`"}`, warned+": cut to 4096")
	own("1 MB label name", `,"labels":{"`+many("x", 1<<20)+`":"a"}`, warned+": left out")
	own("control characters in labels", `,"labels":{"a\u0000b":"c\u001b[31m"}`, warned+": control characters")
	own("links is an object", `,"links":{}`, warned+": an object")
	own("javascript link", `,"links":["javascript:alert(1)"]`, warned+": neither http")
	own("10,000 links", `,"links":["http://a.example/`+many(`1","http://a.example/`, 10_000)+`"]`, accepted)
	own("100 different links", `,"links":[`+addresses(100)+`]`, warned+": more than 32 links")
	own("unknown fields", `,"sumary":"x","tittle":"y"`, warned+": did you mean")
	own("9,000 unknown fields", `,`+labels(9000), warned+": more warnings")
	own("controls in details", `,"details":{"a":"\u0000\u0007"}`, warned+": control characters")
	own("NUL in the title", `,"title":"a\u0000b"`, warned+": control characters")
	own("terminal escapes", `,"title":"\u001b]0;owned\u0007Disk","description":"\u009b31m"`, warned+": control characters")
	own("huge number in details", `,"details":{"n":1e999999,"m":`+many("9", 1000)+`}`, accepted)
	add("muster", "5,000 events of mistyped fields", `[`+many(`{"key":"k","title":"t",`+labels(30)+`},`, 4_999)+`{"key":"k","title":"t"}]`, warned+": ")
	add("muster", "5,000 events of odd fields", `[`+many(`{"key":"k","title":1,"severity":1,"source":1,"time":"x","labels":{"a":1,"b":{},"c":"\u0000"},"links":["x","y"]},`, 4_999)+`{"key":"k","title":"t"}]`, warned+": taken as text")
	add("muster", "no events", `{"events":[]}`, accepted)
	add("muster", "events is an object", `{"events":{}}`, refused)
	add("muster", "an event is a number", `[{"title":"t","key":"k"},7]`, refused)
	add("muster", "5,001 events", `[`+many(`{},`, 5_000)+`{}]`, refused+": 5001 events")
	add("muster", "nothing in it", `{}`, refused+": missing")

	am := func(name, members, want string) { add("alertmanager", name, fmt.Sprintf(amBody, members), want) }
	am("no alerts", `]}`, refused)
	add("alertmanager", "empty object", `{}`, refused+": missing")
	add("alertmanager", "alerts is an object", `{"alerts":{}}`, refused)
	add("alertmanager", "alerts is null", `{"alerts":null}`, accepted)
	add("alertmanager", "no alert", `{"alerts":[]}`, accepted)
	add("alertmanager", "empty alert", `{"alerts":[{}]}`, warned+": neither a summary")
	add("alertmanager", "alert is null", `{"alerts":[null]}`, refused)
	add("alertmanager", "5,001 alerts", `{"alerts":[`+many(`{},`, 5_000)+`{}]}`, refused+": 5001 events")
	add("alertmanager", "5,000 empty alerts", `{"alerts":[`+many(`{},`, 4_999)+`{}]}`, warned)
	add("alertmanager", "the API's own form", `[{"labels":{"alertname":"A"}}]`, refused+": API v2")
	add("alertmanager", "truncated alerts", `{"truncatedAlerts":3,"alerts":[{"status":"firing","fingerprint":"f","labels":{"alertname":"A","severity":"info"}}]}`, warned+": left out by max_alerts")
	am("labels is a string", `,"labels":"x"`, warned+": a string")
	am("label is a number", `,"labels":{"alertname":"A","severity":"info","n":1e400}`, warned+": taken as text")
	am("annotations is an array", `,"annotations":[]`, warned+": an array")
	am("unknown status", `,"status":"melting"`, warned+": unknown status")
	am("severity page", `,"labels":{"alertname":"A","severity":"page"}`, warned+": taken as error")
	am("bad start", `,"startsAt":"0000-00-00"`, warned+": not an instant")
	am("start is a boolean", `,"startsAt":false`, warned+": a boolean")
	am("empty fingerprint", `,"fingerprint":""`, warned+": made one")
	am("fingerprint is an object", `,"fingerprint":{"a":1}`, warned+": made one")
	am("file link", `,"generatorURL":"file:///etc/passwd"`, warned+": neither http")
	am("link with a password", `,"generatorURL":"https://bank.example:pw@evil.example/"`, warned+": password")
	am("300 labels", `,"labels":{`+labels(300)+`}`, warned+": 172 labels")
	am("unknown members", `,"notification_reason":"x","routeLabels":{"a":["b"]}`, accepted)

	pd := func(name, members, want string) { add("pagerduty", name, fmt.Sprintf(pdBody, members), want) }
	pd("no routing key", `,"routing_key":null`, refused+": 'routing_key' is missing")
	pd("routing key is a number", `,"routing_key":5`, refused+": 'routing_key' is a number")
	pd("unknown action", `,"event_action":"boil"`, refused+": must be one of")
	pd("action is null", `,"event_action":null`, refused+": 'event_action' is missing")
	pd("payload is a string", `,"payload":"x"`, refused+": must be an object")
	pd("payload is null", `,"payload":null`, refused+": 'payload' is missing")
	pd("empty payload", `,"payload":{}`, refused+": 'payload.source' is missing")
	pd("source is an array", `,"payload":{"summary":"s","source":[],"severity":"info"}`, refused+": 'payload.source' is an array")
	pd("acknowledge without a key", `,"event_action":"acknowledge","dedup_key":""`, refused+": 'dedup_key' is missing")
	pd("over 512 KB", `,"x":"`+many("x", 512<<10)+`"`, refused+": 524288")
	pd("empty severity", `,"payload":{"summary":"s","source":"h","severity":""}`, warned+": empty severity")
	pd("no severity", `,"payload":{"summary":"s","source":"h"}`, warned+": no severity")
	pd("details are text", `,"payload":{"summary":"s","source":"h","severity":"info","custom_details":"text"}`, warned+": wants an object")
	pd("summary of 400 KB", `,"payload":{"summary":"`+many("s", 400<<10)+`","source":"h","severity":"info"}`, warned+": cut to 1024")
	pd("links is a string", `,"links":"http://a.example"`, warned+": an array")
	pd("link without an address", `,"links":[{"text":"x"}]`, warned+": without")
	pd("more links than fit", `,"client_url":"http://c.example","links":[`+addresses(31)+`],"images":[{"src":"http://i.example","href":"http://j.example"}]`, warned+": too many")
	pd("image is data", `,"images":[{"src":"data:text/html,<script>"}]`, warned+": neither http")
	pd("resolve with a bad payload", `,"event_action":"resolve","payload":7`, warned+": want an object")
	pd("resolve without a payload", `,"event_action":"resolve","payload":null`, accepted)
	add("pagerduty", "version 1", `{"service_key":"`+secretKey+`","event_type":"trigger","description":"x"}`, refused+": Events API v1")
	return cases
}

// class says what was made of a body, and what was told about it. A template's
// member that a case overrides is there twice, which does not count unless it is
// what the case is about; neither does that our own JSON has no member "x", which cases use.
func class(events []event.Event, err error, want string) (class, told string) {
	if err != nil {
		return refused, err.Error()
	}
	var all strings.Builder
	for _, e := range events {
		for _, w := range e.Warnings {
			beside := strings.Contains(w.Detail, "more than once") && !strings.Contains(want, "more than once") ||
				strings.HasPrefix(w.Detail, "unknown field: ignored") && strings.HasSuffix(w.Pointer, "/x")
			if !beside {
				all.WriteString(w.Pointer + ": " + w.Detail + "\n")
			}
		}
	}
	if all.Len() > 0 {
		return warned, all.String()
	}
	return accepted, ""
}

// labels returns n members with text values.
func labels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"l%d":"v"`, i)
	}
	return b.String()[1:]
}

// addresses returns n different addresses.
func addresses(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"https://a.example/%d"`, i)
	}
	return b.String()[1:]
}

func TestHostileBodies(t *testing.T) {
	cases := hostile()
	if len(cases) < 60 {
		t.Fatalf("only %d cases", len(cases))
	}
	var longest time.Duration
	for _, c := range cases {
		t.Run(c.source+"/"+c.name, func(t *testing.T) {
			body := []byte(c.body)
			begin := time.Now()
			events, err := event.Read(c.source, http.Header{}, body)
			took := time.Since(begin)
			longest = max(longest, took)
			judge(t, c.source, body, events, err)
			got, told := class(events, err, c.want)
			if want, detail, _ := strings.Cut(c.want, ": "); got != want || !strings.Contains(told, detail) {
				t.Errorf("%s: %.900s\nwant %s", got, told, c.want)
			}
			if strings.Contains(told, secretKey) {
				t.Error("the routing key is told")
			}
			if took > 10*time.Second { // it takes 50 ms at most on a quiet machine; a quadratic way takes minutes
				t.Errorf("took %v", took)
			}
		})
	}
	t.Logf("%d cases, the longest took %v", len(cases), longest)
}
