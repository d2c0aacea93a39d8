package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/musterhq/muster/detect"
)

// A Rule watches records for too many bad ones; see DetectRule.
type Rule struct {
	Title        string
	Service      string // slug
	Source       string // logs, or logs:<slug> for one log source
	Ratio        Ratio
	Above        string // a fraction as written, 0.5% or 0.005
	Window       time.Duration
	MinTotal     int64 // 0 is the default of detect
	By           []string
	ResolveAfter time.Duration // 0 is the default of detect
	Lateness     time.Duration // 0 is the default of detect; NoLateness is none
	MaxGroups    int           // 0 is the default of detect
	Severity     string        // critical, error, warning, info
	Runbook      string        // slug; "" is none
}

// A Ratio divides the Bad records by all those of Where; both are conditions
// of detect, and no Where is every record.
type Ratio struct{ Bad, Where string }

// NoLateness is what `lateness: 0s` says: late records are not waited for.
const NoLateness time.Duration = -1

// DefaultSeverity is that of a rule without one.
const DefaultSeverity = "error"

func readRule(n node) Rule {
	o := n.object("title", "service", "source", "ratio", "above", "window", "min_total", "by",
		"resolve_after", "lateness", "max_groups", "severity", "runbook")
	r := Rule{
		Title:        o.line("title"),
		Source:       "logs",
		By:           o.lines("by"),
		ResolveAfter: o.seconds("resolve_after", time.Second, week),
		Lateness:     o.seconds("lateness", 0, time.Hour),
		Severity:     DefaultSeverity,
		Runbook:      o.slug("runbook"),
	}
	if s, ok := o.need("service"); ok {
		r.Service = s.slug()
	}
	if s, ok := o.get("source"); ok {
		r.Source = s.source()
	}
	if ratio, ok := o.need("ratio"); ok {
		r.Ratio = readRatio(ratio)
	}
	if above, ok := o.need("above"); ok {
		r.Above = above.fraction()
	}
	if _, ok := o.need("window"); ok {
		r.Window = o.seconds("window", time.Second, day)
	}
	if m, ok := o.get("min_total"); ok {
		r.MinTotal = m.integer(1, 1e12)
	}
	if m, ok := o.get("max_groups"); ok {
		r.MaxGroups = int(m.integer(1, 100_000))
	}
	if l, ok := o.get("lateness"); ok && r.Lateness == 0 && !l.null() {
		r.Lateness = NoLateness
	}
	if s, ok := o.get("severity"); ok {
		r.Severity = s.oneOf("critical", "error", "warning", "info")
	}
	return r
}

// seconds is a duration of whole seconds: rules count by the second.
func (o object) seconds(key string, low, high time.Duration) time.Duration {
	n, ok := o.get(key)
	if !ok {
		return 0
	}
	d := n.duration(low, high)
	if d%time.Second != 0 {
		n.problemf("wants whole seconds; has %s", FormatDuration(d))
	}
	return d
}

// source reads logs or logs:<slug>.
func (n node) source() string {
	s, ok := n.scalar()
	if !ok {
		return "logs"
	}
	if slug, named := strings.CutPrefix(s, "logs:"); s != "logs" && (!named || !isSlug(slug)) {
		n.problem(fmt.Sprintf("wants logs or logs:NAME; has %s", shown(s)), n.r.suggest(s, []string{"logs"}))
		return "logs"
	}
	return s
}

func readRatio(n node) Ratio {
	o := n.object("bad", "where")
	var r Ratio
	if b, ok := o.need("bad"); ok {
		r.Bad = b.condition()
	}
	if w, ok := o.get("where"); ok {
		r.Where = w.condition()
	}
	return r
}

// condition reads a condition of detect, and keeps it as written.
func (n node) condition() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	if why := badText(s); why != "" {
		n.problem(why, "")
		return ""
	}
	if _, err := detect.ParseCondition(s); err != nil {
		n.syntax("is no condition", s, err)
	}
	return s
}

// fraction reads 0.5% or 0.005, and keeps it as written.
func (n node) fraction() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	f, err := detect.ParseFraction(s)
	switch {
	case err != nil:
		n.syntax(shown(s)+" is no fraction", s, err)
	case f >= 1:
		n.problemf("is never exceeded: no ratio is above 100%%; has %s", shown(s))
	}
	return s
}

// syntax reports an error of detect where it is, if the text stands in the
// file as it was given to detect.
func (n node) syntax(what, text string, err error) {
	var at *detect.SyntaxError
	if !errors.As(err, &at) || at.Offset < 0 || at.Offset > len(text) {
		n.problemf("%s: %v", what, err)
		return
	}
	n.problemf("%s: %s", what, at.Detail)
	if len(n.r.problems) == 0 || n.r.lost > 0 {
		return
	}
	p := &n.r.problems[len(n.r.problems)-1]
	shift := utf8.RuneCountInString(text[:at.Offset])
	switch {
	case strings.ContainsAny(text[:at.Offset], "\n"):
	case n.y.Style == 0:
		p.Column += shift
	case n.y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && !strings.ContainsAny(text[:at.Offset], `"'\`):
		p.Column += shift + 1
	default:
		p.Detail += fmt.Sprintf(" (at character %d)", shift+1)
	}
}

func writeRule(_ writer, r Rule) *yaml.Node {
	m := mapping()
	put(m, "title", text(r.Title))
	put(m, "service", text(r.Service))
	put(m, "source", text(r.Source))
	ratio := mapping()
	put(ratio, "bad", scalar(r.Ratio.Bad))
	put(ratio, "where", text(r.Ratio.Where))
	put(m, "ratio", ratio)
	put(m, "above", text(r.Above))
	put(m, "window", duration(r.Window))
	if r.MinTotal != 0 {
		put(m, "min_total", number(r.MinTotal))
	}
	put(m, "by", texts(r.By))
	put(m, "resolve_after", duration(r.ResolveAfter))
	if r.Lateness == NoLateness {
		put(m, "lateness", scalar("0s"))
	} else {
		put(m, "lateness", duration(r.Lateness))
	}
	if r.MaxGroups != 0 {
		put(m, "max_groups", number(int64(r.MaxGroups)))
	}
	put(m, "severity", text(r.Severity))
	put(m, "runbook", text(r.Runbook))
	return m
}

// DetectRule returns a rule as detect runs it. The only error of a Doc that
// Parse returned is a slug that is not there.
func (d Doc) DetectRule(slug string) (detect.Rule, error) {
	r, ok := d.Rules[slug]
	path := "rules." + slug
	if !ok {
		return detect.Rule{}, Problem{Path: path, Detail: "there is no such rule", Suggestion: suggest(slug, sortedKeys(d.Rules))}
	}
	out := detect.Rule{
		Slug: slug, Window: r.Window, MinTotal: r.MinTotal, By: r.By,
		ResolveAfter: r.ResolveAfter, Lateness: r.Lateness, MaxGroups: r.MaxGroups,
	}
	var err error
	if out.Bad, err = detect.ParseCondition(r.Ratio.Bad); err != nil {
		return detect.Rule{}, d.places.at(path+".ratio.bad", err.Error(), "")
	}
	if r.Ratio.Where != "" {
		if out.Where, err = detect.ParseCondition(r.Ratio.Where); err != nil {
			return detect.Rule{}, d.places.at(path+".ratio.where", err.Error(), "")
		}
	}
	if out.Above, err = detect.ParseFraction(r.Above); err != nil {
		return detect.Rule{}, d.places.at(path+".above", err.Error(), "")
	}
	return out, nil
}
