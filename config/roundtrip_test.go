package config_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/config"
)

// drawing makes random Docs that Parse could have returned.
type drawing struct{ *rapid.T }

// awkward is text that a careless writer of YAML gets wrong.
var awkward = []string{
	"yes", "no", "on", "null", "~", "true", "0x1f", "0o7", "1e3", "1_000", "012", ".5", "12:30", "2026-03-02", "- a", "a: b", "a #b", "# a",
	"<<", "=", "*a", "&a", "!t", "%a", "@a", "`a", "'", `"`, `a"b'c`, "{a}", "[a]", "a,b", "?", "-", ":", "|", ">", " a", "a ", "env:X", "***",
	"é", "日本", "\U0001F525", "a\\b", "...", "---", "\u00a0", "a\u00adb",
}

func (d drawing) text(label string) string {
	if rapid.Bool().Draw(d.T, label+" is awkward") {
		if s := rapid.SampledFrom(awkward).Draw(d.T, label); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return rapid.StringMatching(`[a-zA-Z0-9 ,.:;#'"{}\[\]&*!|>%@_/\\-]{0,20}[a-z]`).Draw(d.T, label)
}

// long may have several lines.
func (d drawing) long(label string) string {
	lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawing{t}.text("line") }), 1, 3).Draw(d.T, label)
	return strings.Join(lines, rapid.SampledFrom([]string{"\n", "\n\n", "\t", "\n ", " \n"}).Draw(d.T, label+" break")) +
		rapid.SampledFrom([]string{"", "\n", "\n\n", " "}).Draw(d.T, label+" end")
}

func (d drawing) slug(label string) string {
	return rapid.StringMatching(`[a-z0-9][a-z0-9-]{0,10}`).Draw(d.T, label)
}

func (d drawing) maybe(label string, s func(string) string) string {
	if rapid.Bool().Draw(d.T, "has "+label) {
		return s(label)
	}
	return ""
}

func (d drawing) list(label string, least int, s func(string) string) []string {
	var out []string
	for range rapid.IntRange(least, 3).Draw(d.T, label+" count") {
		if v := s(label); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (d drawing) words(label string) map[string]string {
	var out map[string]string
	for range rapid.IntRange(0, 3).Draw(d.T, label+" count") {
		if out == nil {
			out = map[string]string{}
		}
		out[d.text(label+" key")] = d.text(label)
	}
	return out
}

func (d drawing) duration(label string, low, high time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(low/time.Second), int64(high/time.Second)).Draw(d.T, label)) * time.Second
}

func (d drawing) reference(label string) string {
	return rapid.SampledFrom([]string{"env:TOKEN", "env:_a1", "file:/run/secrets/a b"}).Draw(d.T, label)
}

func (d drawing) contact() config.Contact {
	switch rapid.IntRange(0, 2).Draw(d.T, "contact kind") {
	case 0:
		return config.Contact{Kind: "sms", Address: d.text("number"), Via: d.maybe("via", d.slug)}
	case 1:
		return config.Contact{Kind: "webhook", Address: d.reference("url"), Secret: true}
	}
	return config.Contact{Kind: "slack", Address: d.text("id")}
}

// settings of the kind http or gitlab of kinds.
func (d drawing) headers(set config.Settings, values func(string) string) {
	for i := range rapid.IntRange(0, 3).Draw(d.T, "headers") {
		key := d.text("header")
		if rapid.Bool().Draw(d.T, "headers are numbers") {
			key = fmt.Sprint(i)
		}
		set["headers."+key] = values("header value")
	}
}

func (d drawing) target(label string) string {
	return rapid.SampledFrom([]string{"user", "team", "schedule"}).Draw(d.T, label+" kind") + ":" + d.slug(label)
}

func (d drawing) doc() config.Doc {
	doc := parse(d.T, "")
	doc.Organization = d.maybe("organization", d.slug)
	some := func(label string, each func(slug string)) {
		for range rapid.IntRange(0, 2).Draw(d.T, label) {
			each(d.slug(label + " slug"))
		}
	}
	some("users", func(slug string) { doc.Users[slug] = d.user() })
	some("teams", func(slug string) {
		t := config.Team{Name: d.maybe("name", d.text), Members: d.list("member", 0, d.slug)}
		if rapid.Bool().Draw(d.T, "room") {
			t.Room = d.contact()
		}
		if rapid.Bool().Draw(d.T, "team ticket") {
			t.Ticket = d.ticket()
		}
		doc.Teams[slug] = t
	})
	some("connections", func(slug string) { doc.Connections[slug] = d.connection() })
	some("integrations", func(slug string) {
		i := config.Integration{Kind: "generic", Key: d.reference("key"), Service: d.maybe("service", d.slug), GroupBy: d.list("group by", 0, d.text),
			Settings: config.Settings{}}
		for k, v := range d.words("labels") {
			i.Settings["labels."+k] = v
		}
		if rapid.Bool().Draw(d.T, "has secret") {
			i.Settings["secret"], i.Secrets = d.reference("secret"), []string{"secret"}
		}
		doc.Integrations[slug] = i
	})
	some("services", func(slug string) { doc.Services[slug] = d.service() })
	some("schedules", func(slug string) {
		s := config.Schedule{Name: d.maybe("name", d.text), Timezone: rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"}).Draw(d.T, "zone")}
		for range rapid.IntRange(1, 3).Draw(d.T, "layers") {
			s.Layers = append(s.Layers, d.layer())
		}
		doc.Schedules[slug] = s
	})
	some("policies", func(slug string) {
		p := config.Policy{Name: d.maybe("name", d.text), Repeat: rapid.IntRange(1, 20).Draw(d.T, "repeat")}
		for range rapid.IntRange(1, 3).Draw(d.T, "steps") {
			p.Steps = append(p.Steps, config.PolicyStep{Notify: d.list("notify", 1, d.target), Wait: d.duration("wait", time.Second, 7*24*time.Hour)})
		}
		doc.Policies[slug] = p
	})
	some("rules", func(slug string) { doc.Rules[slug] = d.rule() })
	some("runbooks", func(slug string) { doc.Runbooks[slug] = d.runbook() })
	some("logs", func(slug string) {
		doc.Logs[slug] = config.Log{Format: rapid.SampledFrom([]string{"", "auto", "access"}).Draw(d.T, "format"), Fields: d.words("fields"),
			Service: d.maybe("service", d.slug), Defaults: d.words("defaults")}
	})
	some("gates", func(slug string) {
		g := config.Gate{Service: d.slug("service"), Alert: rapid.SampledFrom([]string{"", "warning", "info"}).Draw(d.T, "alert"),
			Selftest: rapid.SampledFrom([]time.Duration{0, time.Hour, 7 * 24 * time.Hour}).Draw(d.T, "selftest")}
		for range rapid.IntRange(0, 3).Draw(d.T, "owners") {
			if g.Owners == nil {
				g.Owners = map[string]string{}
			}
			g.Owners[rapid.SampledFrom([]string{"@shop/payments", "@ana", "ana@shop.example", "a b", "$x", "é"}).Draw(d.T, "owner")] = d.slug("team")
		}
		if rapid.Bool().Draw(d.T, "gate ticket") {
			g.Ticket = d.ticket()
		}
		doc.Gates[slug] = g
	})
	if rapid.Bool().Draw(d.T, "operators") {
		doc.Operators = config.Operators{Service: d.maybe("service", d.slug), Emergency: d.list("emergency", 0, func(label string) string { return "user:" + d.slug(label) })}
	}
	doc.Interrupts = rapid.SampledFrom([]config.Interrupts{{}, {Unlimited: true}, {AtMost: 2, Per: time.Minute}, {AtMost: 1000, Per: 90 * time.Minute}}).Draw(d.T, "interrupts")
	return doc
}

func (d drawing) user() config.User {
	u := config.User{Name: d.maybe("name", d.text), Email: rapid.SampledFrom([]string{"", "a@b.example", "o'neil+x@b.example"}).Draw(d.T, "email"),
		Timezone: rapid.SampledFrom([]string{"", "UTC", "Europe/Madrid"}).Draw(d.T, "zone")}
	for range rapid.IntRange(0, 3).Draw(d.T, "contacts") {
		name := d.slug("contact")
		if name == "email" {
			continue
		}
		if u.Contacts == nil {
			u.Contacts = map[string]config.Contact{}
		}
		u.Contacts[name] = d.contact()
	}
	for name := range u.Reachable() {
		for i := range rapid.IntRange(0, 2).Draw(d.T, "rules") {
			r := config.Reach{Wait: time.Duration(i) * time.Minute, By: name}
			u.Notify.High = append(u.Notify.High, r)
			u.Notify.Low = append(u.Notify.Low, r)
		}
	}
	return u
}

func (d drawing) connection() config.Connection {
	if rapid.Bool().Draw(d.T, "is slack") {
		return config.Connection{Kind: "slack", Address: d.maybe("address", d.text), Settings: config.Settings{"token": d.reference("token")}, Secrets: []string{"token"}}
	}
	c := config.Connection{Kind: "gitlab", Address: "https://gitlab.example/a?b=c#d", Settings: config.Settings{"token": d.reference("token")},
		Allow: d.list("allow", 0, func(label string) string {
			return rapid.SampledFrom([]string{"10.0.0.0/8", "fd00::/8", "127.0.0.1/32", "::1/128"}).Draw(d.T, label)
		})}
	d.headers(c.Settings, d.reference)
	for name := range c.Settings {
		c.Secrets = append(c.Secrets, name)
	}
	slices.Sort(c.Secrets)
	if rapid.Bool().Draw(d.T, "has more") {
		c.Settings["timeout"], c.Settings["retries"], c.Settings["verify"] = "1h30m", "2.5e1", "false"
	}
	for i := range rapid.IntRange(0, 12).Draw(d.T, "tags") {
		c.Settings[fmt.Sprintf("tags.%d", i)] = d.long("tag")
	}
	return c
}

func (d drawing) ticket() config.Ticket {
	return config.Ticket{Kind: "jira", Connection: d.slug("connection"), Settings: config.Settings{"project": d.text("project")}}
}

func (d drawing) service() config.Service {
	s := config.Service{Name: d.maybe("name", d.text), Team: d.maybe("team", d.slug), Policy: d.slug("policy"),
		Urgency: rapid.SampledFrom([]string{"", "high", "low"}).Draw(d.T, "urgency"),
		GroupBy: d.list("group by", 0, d.text), Labels: d.words("labels")}
	for range rapid.IntRange(0, 2).Draw(d.T, "environments") {
		if s.Environments == nil {
			s.Environments = map[string]map[string]config.Environment{}
		}
		tools := map[string]config.Environment{}
		if rapid.Bool().Draw(d.T, "has gitlab") {
			tools["gitlab"] = config.Settings{"project": d.text("project")}
		}
		if rapid.Bool().Draw(d.T, "has another") {
			tools["argo"] = config.Settings{}
			for k, v := range d.words("argo") {
				if !strings.ContainsAny(k, ".$") {
					tools["argo"][k+".x"] = v
				}
			}
		}
		s.Environments[d.slug("environment")] = tools
	}
	if rapid.Bool().Draw(d.T, "ticket") {
		s.Ticket = d.ticket()
		s.Ticket.On = rapid.SampledFrom([]string{"opened", "resolved"}).Draw(d.T, "on")
	}
	return s
}

func (d drawing) layer() config.Layer {
	l := config.Layer{Users: []string{d.slug("user")}, Days: rapid.IntRange(1, 366).Draw(d.T, "days"),
		Handoff: rapid.SampledFrom([]string{"", "00:00", "09:30", "23:59"}).Draw(d.T, "handoff"),
		Start:   rapid.SampledFrom([]string{"", "2026-03-02"}).Draw(d.T, "start"),
		From:    rapid.SampledFrom([]string{"", "2026-03-02", "2026-03-02 09:00"}).Draw(d.T, "from"),
		Until:   rapid.SampledFrom([]string{"", "2026-03-03", "2026-03-02 09:01"}).Draw(d.T, "until"),
		Only: d.list("only", 0, func(label string) string {
			return rapid.SampledFrom([]string{"Mon-Fri 09:00-17:00", "Sat,Sun", "22:00-06:00", "00:00-24:00", "Mon,Wed-Fri 10:00-24:00"}).Draw(d.T, label)
		})}
	if l.Days%7 == 0 && l.Handoff != "" {
		l.Handoff = "Mon " + l.Handoff
	}
	if rapid.Bool().Draw(d.T, "twice") && l.Handoff != "" {
		l.Users = append(l.Users, l.Users[0])
	}
	return l
}

func (d drawing) rule() config.Rule {
	r := config.Rule{Title: d.maybe("title", d.text), Service: d.slug("service"), Source: rapid.SampledFrom([]string{"logs", "logs:nginx"}).Draw(d.T, "source"),
		Ratio:  config.Ratio{Bad: `status >= 500 and path != "/he\"alth # x"`, Where: rapid.SampledFrom([]string{"", "not (a == 1)"}).Draw(d.T, "where")},
		Above:  rapid.SampledFrom([]string{"0.5%", "0.005", "0", "99.9%"}).Draw(d.T, "above"),
		Window: d.duration("window", time.Second, 24*time.Hour), MinTotal: rapid.Int64Range(0, 1000).Draw(d.T, "min"),
		By: d.list("by", 0, d.text), ResolveAfter: d.duration("resolve", 0, time.Hour), Lateness: d.duration("lateness", 0, time.Hour),
		MaxGroups: rapid.IntRange(0, 100).Draw(d.T, "groups"), Severity: "warning", Runbook: d.maybe("runbook", d.slug)}
	if rapid.Bool().Draw(d.T, "no lateness") {
		r.Lateness = config.NoLateness
	}
	return r
}

func (d drawing) runbook() config.Runbook {
	r := config.Runbook{Name: d.maybe("name", d.text), Cooldown: d.duration("cooldown", 0, time.Hour)}
	if rapid.Bool().Draw(d.T, "approve") {
		r.Approve = config.Approve{By: d.target("by"), Within: d.duration("within", time.Second, time.Hour)}
	}
	if rapid.Bool().Draw(d.T, "budget") {
		r.Budget = config.Budget{Runs: rapid.IntRange(1, 1000).Draw(d.T, "runs"), Per: d.duration("per", time.Minute, 30*24*time.Hour)}
	}
	if rapid.Bool().Draw(d.T, "verify") {
		r.Verify = config.Verify{Signal: rapid.SampledFrom([]string{"trigger", "rule:r"}).Draw(d.T, "signal"), RecoversWithin: d.duration("recovers", time.Second, time.Hour)}
	}
	for range rapid.IntRange(1, 3).Draw(d.T, "steps") {
		s := config.Step{Kind: "http", Settings: config.Settings{"url": "https://{{target.service}}/x"}}
		if rapid.Bool().Draw(d.T, "note") {
			s = config.Step{Kind: "note", Settings: config.Settings{}}
		} else {
			d.headers(s.Settings, d.long)
			s.Settings["method"] = d.long("method")
			if rapid.Bool().Draw(d.T, "token") {
				s.Settings["token"], s.Secrets = d.reference("token"), []string{"token"}
			}
		}
		r.Steps = append(r.Steps, s)
	}
	return r
}

// TestRoundTrip: what is exported reads as what it was; what is stored, too;
// and neither differs from itself.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawing{t}.doc()
		out, err := d.YAML()
		if err != nil {
			t.Fatal(err)
		}
		back, err := config.Parse([]config.File{{Name: "export.yaml", Body: out}}, kinds())
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := same(d, back); diff != "" {
			t.Fatalf("%s\n%s", diff, out)
		}
		if changes := config.Diff(d, back); changes != nil {
			t.Fatalf("differs from itself: %v", changes)
		}
		stored, err := config.FromResources(d.Organization, d.Resources())
		if err != nil {
			t.Fatal(err)
		}
		if diff := same(d, stored); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestDiffSeesEverything: from nothing to a Doc and back everything is added
// and removed, and a Doc whose diff to another is empty is equal to it.
func TestDiffSeesEverything(t *testing.T) {
	none := parse(t, "")
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawing{t}.doc(), drawing{t}.doc()
		a.Organization, b.Organization = "", ""
		count := func(changes []config.Change, op string) int {
			n := 0
			for _, c := range changes {
				if c.Op != op {
					t.Fatalf("%v, want only %s", c, op)
				}
				n++
			}
			return n
		}
		if got, want := count(config.Diff(none, a), "add"), len(a.Resources()); got != want {
			t.Fatalf("%d of %d resources added", got, want)
		}
		if got, want := count(config.Diff(a, none), "remove"), len(a.Resources()); got != want {
			t.Fatalf("%d of %d resources removed", got, want)
		}
		if equal := same(a, b) == ""; equal != (len(config.Diff(a, b)) == 0) {
			t.Fatalf("equal is %v, but the diff is %v", equal, config.Diff(a, b))
		}
	})
}

func TestSecretsOfADoc(t *testing.T) {
	d := parse(t, string(shop(t)))
	var seen []string
	sealed, err := d.MapSecrets(func(place, value string) (string, error) {
		seen = append(seen, place)
		return "0a1b2c3d:AAAAAAAAAAAAAAAA:" + strings.Repeat("A", 22) + value, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"users/bob/contacts/hook",
		"connections/gitlab/headers.X-Key", "connections/gitlab/headers.X-Team", "connections/gitlab/token",
		"connections/jira/token", "connections/mail/password", "connections/slack/token", "connections/twilio/token",
		"integrations/deploys/key", "integrations/deploys/secret", "integrations/prometheus/key",
		"runbooks/rollback-checkout/steps/2/token",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	if diff := same(parse(t, string(shop(t))), d); diff != "" {
		t.Errorf("the Doc itself has changed:\n%s", diff)
	}
	// Sealed secrets can be stored, read and opened again.
	stored, err := config.FromResources("shop", sealed.Resources())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := stored.MapSecrets(func(_, value string) (string, error) {
		return value[len("0a1b2c3d:AAAAAAAAAAAAAAAA:")+22:], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(d, opened); diff != "" {
		t.Error(diff)
	}
	if err := opened.Check(kinds()); err != nil {
		t.Error(err)
	}
	boom := errors.New("boom")
	if _, err := d.MapSecrets(func(string, string) (string, error) { return "", boom }); !errors.Is(err, boom) || !strings.Contains(err.Error(), "users/bob") {
		t.Errorf("%v", err)
	}
}
