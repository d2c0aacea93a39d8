package engine_test

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
)

// providerFaults are what every provider must survive.
var providerFaults = []string{
	"429 with Retry-After", "500", "refused", "reset", "time-out", "slow-loris", "black hole", "garbage", "half an answer",
	"wrong certificate", "DNS gone", "200 with an error inside",
}

// A provider is a stand-in behind a name, a certificate and a line, all of which
// can fail.
type provider struct {
	name       string            // of its kind, and of its connection
	connection string            // as in the configuration
	contact    string            // of ana; "" of what reaches nobody
	app        map[string]func() // faults that the service itself has, by name
	heal       func()            // of those
	took       func(title string) int
	asked      func() int // requests that it answered, badly or well
	secrets    []string
	// harmless are faults that are none by the provider's contract.
	harmless []string

	line     *vendortest.Line
	dns      *vendortest.DNS
	identity *vendortest.Identity
	roots    *x509.CertPool
}

// breaks lets a fault begin. A fault that nobody knows how to make fails the test.
func (p *provider) breaks(t testing.TB, fault string) {
	t.Helper()
	line := map[string]vendortest.LineFault{
		"refused": vendortest.LineRefused, "reset": vendortest.LineReset, "slow-loris": vendortest.LineSlow, "black hole": vendortest.LineHole,
	}
	breach, isLine := line[fault]
	app := p.app[fault]
	switch {
	case isLine:
		if err := p.line.Break(breach); err != nil {
			t.Fatal(err)
		}
	case fault == "wrong certificate":
		p.identity.Lie(true)
	case fault == "DNS gone":
		p.dns.Break(vendortest.DNSNoName)
	case app != nil:
		app()
	default:
		t.Fatalf("nobody knows how %s fails with %q", p.name, fault)
	}
}

func (p *provider) mends(t testing.TB) {
	t.Helper()
	p.identity.Lie(false)
	p.dns.Break(vendortest.DNSFine)
	p.heal()
	if err := p.line.Break(vendortest.LineFine); err != nil {
		t.Error(err)
	}
}

// wire is a client that resolves, trusts and reaches the provider.
func (p *provider) wire(timeout time.Duration) *wire.Client {
	return wire.New(wire.Options{
		Now: time.Now, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Roots: p.roots, Resolver: p.dns.Resolver(), Timeout: timeout,
	})
}

const providerHost = "provider.example"

// serveProvider puts a stand-in that listens on to behind the way that fails.
func (p *provider) behind(t *testing.T, to string) (port string) {
	t.Helper()
	var err error
	if p.line, err = vendortest.NewLine(to); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.line.Close)
	_, port, _ = net.SplitHostPort(p.line.Addr())
	return port
}

func newProvider(t *testing.T, name string) *provider {
	t.Helper()
	p := &provider{name: name}
	var err error
	if p.dns, err = vendortest.NewDNS(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.dns.Close)
	if p.identity, p.roots, err = vendortest.NewIdentity(time.Now(), providerHost); err != nil {
		t.Fatal(err)
	}
	make := map[string]func(*testing.T, *provider){
		"webhook": webhookProvider, "email": emailProvider, "slack": slackProvider, "gitlab": gitlabProvider,
	}[name]
	if make == nil {
		t.Fatalf("nobody knows a stand-in of %q: write one, with all faults", name)
	}
	make(t, p)
	return p
}

// serveHTTP starts a stand-in over TLS, behind the line; it returns its port.
func (p *provider) serveHTTP(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = p.identity.TLS()
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return p.behind(t, server.Listener.Addr().String())
}

func breaking(stand interface{ Break(vendortest.Fault) }, faults map[string]vendortest.Fault) map[string]func() {
	app := map[string]func(){}
	for name, f := range faults {
		app[name] = func() { stand.Break(f) }
	}
	return app
}

func webhookProvider(t *testing.T, p *provider) {
	const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	s := vendortest.NewWebhook(time.Now, secret)
	port := p.serveHTTP(t, s)
	p.connection = fmt.Sprintf("{webhook: 'https://%s:%s/path-as-password', secret: %s, allow: [127.0.0.0/8]}", providerHost, port, secret)
	p.contact = "{webhook: '', via: faulty}"
	p.secrets = []string{secret, strings.TrimPrefix(secret, "whsec_"), "path-as-password"}
	p.app = breaking(s, map[string]vendortest.Fault{
		"429 with Retry-After":     {Kind: vendortest.FaultStatus, Code: "429", RetryAfter: time.Second},
		"500":                      {Kind: vendortest.FaultStatus, Code: "500"},
		"time-out":                 {Kind: vendortest.FaultHang},
		"garbage":                  {Kind: vendortest.FaultNoise},
		"half an answer":           {Kind: vendortest.FaultHalf},
		"200 with an error inside": {}, // its words mean nothing: it answers 2xx, and that is that
	})
	p.harmless = []string{"200 with an error inside"}
	p.heal = s.Heal
	p.asked = func() int { return len(s.Log()) }
	p.took = func(title string) (n int) {
		for _, r := range s.Requests() {
			if r.Err == nil && strings.Contains(string(r.Body), title) {
				n++
			}
		}
		return n
	}
}

func slackProvider(t *testing.T, p *provider) {
	const token = "xoxb-17-very-secret-token"
	s := vendortest.NewSlack(time.Now, vendortest.SlackOptions{Token: token, Users: []vendortest.SlackUser{{ID: "U0ANA", Name: "ana"}}})
	port := p.serveHTTP(t, s)
	p.connection = fmt.Sprintf("{slack: 'https://%s:%s/api', token: %s, allow: [127.0.0.0/8]}", providerHost, port, token)
	p.contact = "{slack: U0ANA, via: faulty}"
	p.secrets = []string{token}
	p.app = breaking(s, map[string]vendortest.Fault{
		"429 with Retry-After":     {Kind: vendortest.FaultStatus, Code: "429", RetryAfter: time.Second},
		"500":                      {Kind: vendortest.FaultStatus, Code: "500"},
		"time-out":                 {Kind: vendortest.FaultHang},
		"garbage":                  {Kind: vendortest.FaultGarbage},
		"half an answer":           {Kind: vendortest.FaultHalf},
		"200 with an error inside": {Kind: vendortest.FaultAPI, Code: "fatal_error"},
	})
	p.heal = s.Heal
	p.asked = func() int { return len(s.Log()) }
	p.took = func(title string) (n int) {
		for _, m := range s.Messages() {
			if strings.Contains(m.Text+string(m.Attachments)+string(m.Blocks), title) {
				n++
			}
		}
		return n
	}
}

func emailProvider(t *testing.T, p *provider) {
	const password = "hunter2&co+secret"
	s := vendortest.NewSMTP(time.Now, vendortest.SMTPOptions{TLS: p.identity.TLS(), Implicit: true, Users: map[string]string{"muster": password}})
	addr, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	port := p.behind(t, addr)
	p.connection = fmt.Sprintf("{email: 'smtps://%s:%s', from: muster@ops.example, username: muster, password: '%s', allow: [127.0.0.0/8]}", providerHost, port, password)
	p.contact = "{email: ana@shop.example, via: faulty}"
	p.secrets = []string{password}
	at := func(verb string, f vendortest.Fault) func() { return func() { s.Break(verb, f) } }
	p.app = map[string]func(){
		"429 with Retry-After":     at("BODY", vendortest.Fault{Kind: vendortest.FaultAPI, Code: "451 4.7.1 slow down, " + password}),
		"500":                      at("MAIL", vendortest.Fault{Kind: vendortest.FaultAPI, Code: "421 4.3.2 going down"}),
		"time-out":                 at("BODY", vendortest.Fault{Kind: vendortest.FaultHang}),
		"garbage":                  at("EHLO", vendortest.Fault{Kind: vendortest.FaultGarbage}),
		"half an answer":           at("BODY", vendortest.Fault{Kind: vendortest.FaultHalf}),
		"200 with an error inside": at("DATA", vendortest.Fault{Kind: vendortest.FaultAPI, Code: "250 2.0.0 ok, but the queue is full"}),
	}
	p.heal = s.Heal
	p.asked = func() int { return strings.Count(fmt.Sprint(s.Log()), "fault") }
	p.took = func(title string) (n int) {
		for _, m := range s.Mails() {
			if strings.Contains(string(m.Data), title) {
				n++
			}
		}
		return n
	}
}

func gitlabProvider(t *testing.T, p *provider) {
	const token = "glpat-very-secret-token"
	s := vendortest.NewGitLab(time.Now)
	s.AddToken(token, vendortest.GitLabToken{User: "muster-bot"})
	project := s.AddProject("shop/checkout")
	t.Cleanup(s.Close)
	port := p.serveHTTP(t, s)
	p.connection = fmt.Sprintf("{gitlab: 'https://%s:%s', token: %s, allow: [127.0.0.0/8]}", providerHost, port, token)
	p.secrets = []string{token}
	every := func(f vendortest.GitLabFault) func() { return func() { s.Fail("/api/", -1, f) } }
	p.app = map[string]func(){
		"429 with Retry-After": every(vendortest.GitLabTooMany(time.Second)),
		"500":                  every(vendortest.GitLabBroken()),
		"time-out":             every(vendortest.GitLabHang()),
		"garbage":              every(vendortest.GitLabGarbage()),
		"half an answer":       every(vendortest.GitLabLost()),
		"200 with an error inside": every(vendortest.GitLabFault{
			Status: 200, ContentType: "application/json", Body: `{"error": "temporarily unavailable"}`,
		}),
	}
	p.heal = func() { s.Fail("/api/", 0, vendortest.GitLabFault{}) }
	p.asked = func() int { return len(s.Requests()) }
	p.took = func(title string) (n int) {
		for _, i := range s.Issues(project) {
			if strings.Contains(i.Title, title) {
				n++
			}
		}
		return n
	}
}
