package notify_test

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	three    = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
)

const (
	slackToken  = "xoxb-17-very-secret-token"
	slackSecret = "8f742231b10e8888abcd99"
	mailSecret  = "hunter2&co+/="
	hookSecret  = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3" // 24 bytes
)

// page is a message as the engine makes it.
func page() notify.Message {
	return notify.Message{
		Key: "0198c0de-0001/1/1/1/ana/slack", Kind: notify.Page, IncidentID: "0198c0de-0001", Number: "42",
		Organization: "Shop", Service: "checkout", Status: "triggered", Severity: "SEV2",
		Title: "More than 0.5 % of requests fail", Text: "7 of 1,000 requests were answered 5xx in 5 minutes.",
		Facts: []notify.Fact{{Name: "Rule", Value: "checkout-5xx"}, {Name: "Value", Value: "0.7 %"}},
		Actions: []notify.Action{
			{Name: "acknowledge", Label: "Acknowledge", Value: "act-1", Style: "primary"},
			{Name: "resolve", Label: "Resolve", Value: "act-2"},
		},
		URL: "https://muster.example/incidents/42?a=1&b=2", Payload: json.RawMessage(`{"alerts":[1]}`), Now: three,
	}
}

// hostile is a message that attacks everything at once, at any length.
func hostile(length int) notify.Message {
	m := page()
	m.Title = "<!channel> <script>alert(1)</script>\r\nBcc: evil@evil.example\r\n\r\n\u202egnp.exe\u200b <https://evil.example|bank> & \x00\x1b[31m"
	m.Text = "<!here> <@U0ANA>\r\n.\r\nQUIT\n--boundary\n<img src=x onerror=alert(1)> \u2066hidden\u2069 " + strings.Repeat("&<>", length)
	m.Facts = []notify.Fact{
		{Name: "<!everyone>*x*\nX-Evil: 1", Value: "<#C0OPS|general>\x00" + strings.Repeat("<&", length)},
		{Name: "", Value: ""},
		{Name: "invalid", Value: "\xff\xfe"},
	}
	m.Service = "<!subteam^S1|x>\r\nX-Evil: 1"
	m.Organization = "Shop\r\nX-Evil: 1<!channel>"
	m.Number, m.Severity, m.Status = "4\r\n2", "SEV<!channel>", "trig\ngered"
	m.URL = "javascript:alert(1)"
	m.Actions[0].Label = "<!channel>" + strings.Repeat("&", length)
	return m
}

// A rig is a channel with a stand-in at its other end.
type rig struct {
	kind    notify.Kind
	set     config.Settings
	address string
	secrets []string

	// fail makes the next sending go wrong in the channel's own way.
	fail func(how string)
	// taken counts what the other end has taken.
	taken func() int
}

// The ways of failing that every channel must know. "later" is for those whose
// other side can name a time.
var ways = []struct {
	how     string
	refused bool
	later   bool
	taken   bool // the other side has it nevertheless
}{
	{how: "refuse", refused: true},
	{how: "later", later: true},
	{how: "break"}, // the server's own failure
	{how: "reset"},
	{how: "hang"},
	{how: "garbage"},
	{how: "half", taken: true},
	{how: "redirect", refused: true},
}

func newWire(t *testing.T, edit func(*wire.Options)) *wire.Client {
	t.Helper()
	o := wire.Options{Allow: loopback, Now: func() time.Time { return three }, Timeout: 400 * time.Millisecond}
	if edit != nil {
		edit(&o)
	}
	return wire.New(o)
}

func now() time.Time { return three }

// rigs returns one for each kind. A kind without one fails the tests.
func rigs(t *testing.T) []rig {
	t.Helper()
	var out []rig
	for _, k := range notify.Kinds {
		switch k.Name {
		case "webhook":
			out = append(out, webhookRig(t))
		case "email":
			out = append(out, emailRig(t))
		case "slack":
			r, _ := slackRig(t)
			out = append(out, r)
		default:
			t.Errorf("kind %s has no rig", k.Name)
		}
	}
	return out
}

func webhookRig(t *testing.T) rig {
	s := vendortest.NewWebhook(now, hookSecret)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return rig{
		kind: notify.Webhook, secrets: []string{hookSecret, "path-as-password"},
		set: config.Settings{"url": server.URL + "/path-as-password", "secret": hookSecret},
		fail: func(how string) {
			s.Fail(1, map[string]vendortest.Fault{
				"refuse":   {Kind: vendortest.FaultStatus, Code: "410"},
				"later":    {Kind: vendortest.FaultStatus, Code: "429", RetryAfter: 7 * time.Second},
				"break":    {Kind: vendortest.FaultStatus, Code: "502"},
				"reset":    {Kind: vendortest.FaultReset},
				"hang":     {Kind: vendortest.FaultHang},
				"garbage":  {Kind: vendortest.FaultStatus, Code: "500"}, // a webhook's words mean nothing: only its status counts
				"half":     {Kind: vendortest.FaultHalf},
				"redirect": {Kind: vendortest.FaultStatus, Code: "302"},
			}[how])
		},
		taken: func() int { return len(s.Requests()) },
	}
}

func slackRig(t *testing.T) (rig, *vendortest.Slack) {
	s := vendortest.NewSlack(now, vendortest.SlackOptions{
		Token: slackToken, SigningSecret: slackSecret,
		Channels: []vendortest.SlackChannel{{ID: "C0OPS", Name: "ops"}, {ID: "C0OLD", Name: "old", Archived: true}},
		Users:    []vendortest.SlackUser{{ID: "U0ANA", Name: "ana"}},
	})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return rig{
		kind: notify.Slack, secrets: []string{slackToken, slackSecret}, address: "#ops",
		set: config.Settings{"url": server.URL + "/api", "token": slackToken, "signing_secret": slackSecret},
		fail: func(how string) {
			s.Fail(1, map[string]vendortest.Fault{
				"refuse":   {Kind: vendortest.FaultAPI, Code: "is_archived"},
				"later":    {Kind: vendortest.FaultStatus, Code: "429", RetryAfter: 7 * time.Second},
				"break":    {Kind: vendortest.FaultAPI, Code: "fatal_error"},
				"reset":    {Kind: vendortest.FaultReset},
				"hang":     {Kind: vendortest.FaultHang},
				"garbage":  {Kind: vendortest.FaultGarbage},
				"half":     {Kind: vendortest.FaultHalf},
				"redirect": {Kind: vendortest.FaultStatus, Code: "302"},
			}[how])
		},
		taken: func() int { return len(s.Messages()) },
	}, s
}

func emailRig(t *testing.T) rig {
	r, _ := emailRigWith(t, nil)
	return r
}

// testPool trusts the certificate of the mail server, see newWire.
func emailRigWith(t *testing.T, edit func(*vendortest.SMTPOptions)) (rig, *vendortest.SMTP) {
	t.Helper()
	o := vendortest.SMTPOptions{}
	if edit != nil {
		edit(&o)
	}
	s := vendortest.NewSMTP(now, o)
	addr, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return rig{
		kind: notify.Email, secrets: []string{mailSecret}, address: "ana@shop.example",
		set: config.Settings{"url": "smtp://" + addr, "from": "Muster <muster@ops.example>", "password": mailSecret, "starttls": "optional"},
		fail: func(how string) {
			verb, f := "BODY", vendortest.Fault{Kind: vendortest.FaultAPI}
			switch how {
			case "refuse", "redirect": // a mail server has no redirects: 551 says where else, and is final
				verb, f.Code = "RCPT", "551 5.7.1 user not local; please try <elsewhere> with "+mailSecret
			case "later", "break":
				f.Code = "451 4.3.0 try later, " + mailSecret
			case "reset":
				f.Kind = vendortest.FaultReset
			case "hang":
				f.Kind = vendortest.FaultHang
			case "garbage":
				f.Kind = vendortest.FaultGarbage
			case "half":
				f.Kind = vendortest.FaultHalf
			}
			s.Fail(1, verb, f)
		},
		taken: func() int { return len(s.Mails()) },
	}, s
}

// tlsOptions returns a certificate for the stand-in and a client that trusts it.
func tlsOptions(t *testing.T, hosts ...string) (*tls.Config, *wire.Client) {
	t.Helper()
	cert, pool, err := vendortest.TestCertificate(time.Now(), hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, newWire(t, func(o *wire.Options) { o.Roots = pool; o.Timeout = 5 * time.Second })
}

// nobody returns the address of a port that nobody listens on.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// echo answers 403 with everything it was sent.
func echo(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_ = r.ParseForm()
		for k, v := range r.Form {
			_, _ = w.Write([]byte(k + "=" + strings.Join(v, " ") + "\n"))
		}
		_, _ = w.Write([]byte(r.URL.String() + "\n"))
		_ = r.Header.Write(w)
	}))
	t.Cleanup(server.Close)
	return server
}
