package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/musterhq/muster/oncall"
)

// A Schedule says who is on call; see the method Schedule of Doc.
type Schedule struct {
	Name     string
	Timezone string // IANA name
	Layers   []Layer
}

// A Layer is one rotation of a schedule. Its times are civil ones, in the
// form in which they are exported.
type Layer struct {
	Users   []string // slugs, in turn
	Days    int      // between handoffs
	Handoff string   // "Mon 09:00", "09:00"; "" is midnight
	Start   string   // the first handoff is on this date or the first such weekday after it: 2026-03-02; "" is Epoch
	Only    []string // "Mon-Fri 09:00-17:00"; none is always
	From    string   // the layer has nobody before it: "2026-03-02" or "2026-03-02 09:00"; "" is no bound
	Until   string   // nor from it on
}

// Epoch is the Monday from which rotations without a start are counted.
func Epoch() oncall.Date { return oncall.Date{Year: 2024, Month: time.January, Day: 1} }

// maxDays is the longest turn.
const maxDays = 366

func readSchedule(n node) Schedule {
	o := n.object("name", "timezone", "layers")
	s := Schedule{Name: o.line("name")}
	if _, ok := o.need("timezone"); ok { // a handoff at nine means nothing without it
		s.Timezone = o.zone("timezone")
	}
	layers, ok := o.need("layers")
	if !ok {
		return s
	}
	items := layers.list()
	switch {
	case len(items) == 0 && (layers.null() || layers.y.Kind == yaml.SequenceNode):
		layers.problemf("has no layer: nobody would ever be on call")
	case len(items) > maxSteps:
		layers.problemf("has %d layers; at most %d make sense", len(items), maxSteps)
	}
	for _, item := range items {
		s.Layers = append(s.Layers, readLayer(item))
	}
	return s
}

func readLayer(n node) Layer {
	o := n.object("users", "rotate", "handoff", "start", "only", "from", "until")
	l := Layer{Days: 7}
	if u, ok := o.need("users"); ok {
		for _, item := range u.list() { // a user may have two turns in a round
			if slug := item.slug(); slug != "" {
				l.Users = append(l.Users, slug)
			}
		}
		if u.null() || u.y.Kind == yaml.SequenceNode && len(u.y.Content) == 0 {
			u.problemf("names nobody")
		}
	}
	if r, ok := o.get("rotate"); ok {
		l.Days = readRotate(r)
	}
	if h, ok := o.get("handoff"); ok {
		l.Handoff = h.handoff(l.Days)
	} else if len(l.Users) > 1 {
		o.need("handoff")
	}
	if s, ok := o.get("start"); ok {
		l.Start = s.civil("a date such as 2026-03-02", time.DateOnly)
	}
	l.From, l.Until = o.moment("from"), o.moment("until")
	if l.From != "" && l.Until != "" && sortable(l.Until) <= sortable(l.From) {
		o.vals["until"].problemf("is not after from")
	}
	if h, ok := o.get("only"); ok {
		l.Only = distinct(h.list(), node.hours)
	}
	return l
}

// readRotate reads daily, weekly or {days: n}.
func readRotate(n node) int {
	if n.y.Kind == yaml.MappingNode {
		if d, ok := n.object("days").need("days"); ok {
			return int(d.integer(1, maxDays))
		}
		return 7
	}
	if n.oneOf("daily", "weekly") == "daily" {
		return 1
	}
	return 7
}

// handoff reads "Mon 09:00" or "09:00".
func (n node) handoff(days int) string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	weekday, hour, minute, err := parseHandoff(s)
	if err != nil {
		n.problem(err.Error(), "")
		return ""
	}
	clock := fmt.Sprintf("%02d:%02d", hour, minute)
	if weekday < 0 {
		return clock
	}
	if days%7 != 0 {
		n.problem("names a weekday, but the turns are not whole weeks; say when to begin with start", clock)
		return ""
	}
	return dayName(weekday) + " " + clock
}

func parseHandoff(s string) (weekday time.Weekday, hour, minute int, err error) {
	weekday = -1
	words := strings.Fields(s)
	if len(words) == 2 {
		weekday = parseDay(words[0])
		if weekday < 0 {
			return 0, 0, 0, fmt.Errorf("wants a handoff such as \"Mon 09:00\" or \"09:00\"; %s is no day of the week", shown(words[0]))
		}
		words = words[1:]
	}
	if len(words) == 1 {
		if minutes, ok := parseClock(words[0]); ok && minutes < 24*60 {
			return weekday, minutes / 60, minutes % 60, nil
		}
	}
	return 0, 0, 0, fmt.Errorf("wants a handoff such as \"Mon 09:00\" or \"09:00\"; has %s", shown(s))
}

// parseClock reads 9:00, 09:00 or 24:00, to minutes after midnight.
func parseClock(s string) (minutes int, ok bool) {
	h, m, ok := strings.Cut(s, ":")
	if !ok || len(h) < 1 || len(h) > 2 || len(m) != 2 || strings.Trim(h+m, "0123456789") != "" {
		return 0, false
	}
	for _, r := range h {
		minutes = minutes*10 + int(r-'0')
	}
	minutes = minutes*60 + int(m[0]-'0')*10 + int(m[1]-'0')
	return minutes, m[0] < '6' && minutes <= 24*60
}

func parseDay(s string) time.Weekday {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(s, d.String()) || strings.EqualFold(s, dayName(d)) {
			return d
		}
	}
	return -1
}

func dayName(d time.Weekday) string { return d.String()[:3] }

const momentForm = "2006-01-02 15:04"

// moment reads a date, or a date and a time of day.
func (o object) moment(key string) string {
	n, ok := o.get(key)
	if !ok {
		return ""
	}
	return n.civil("a date such as 2026-03-02, or 2026-03-02 09:00", time.DateOnly, momentForm)
}

// sortable makes moments of both forms comparable as text.
func sortable(moment string) string {
	if len(moment) == len(time.DateOnly) {
		return moment + " 00:00"
	}
	return moment
}

// civil returns a civil time in one of the forms, which all have fixed width.
func (n node) civil(what string, forms ...string) string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	for _, form := range forms {
		if t, err := time.Parse(form, s); err == nil && t.Format(form) == s {
			if t.Year() < 1970 || t.Year() > 2200 {
				n.problemf("wants a year from 1970 to 2200; has %s", shown(s))
				return ""
			}
			return s
		}
	}
	n.problemf("wants %s; has %s", what, shown(s))
	return ""
}

// zone reads the name of a time zone.
func (o object) zone(key string) string {
	n, ok := o.get(key)
	if !ok {
		return ""
	}
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	if _, err := loadZone(s); err != nil {
		n.problem(err.Error(), "")
		return ""
	}
	return s
}

// loadZone returns a zone of the IANA database. "Local" is none: a schedule
// must mean the same on every machine.
func loadZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("wants a time zone such as Europe/Madrid or UTC; there is no %s", shown(name))
	}
	return zone, nil
}

func writeSchedule(_ writer, s Schedule) *yaml.Node {
	m := mapping()
	put(m, "name", text(s.Name))
	put(m, "timezone", text(s.Timezone))
	layers := sequence()
	for _, l := range s.Layers {
		layer := mapping()
		put(layer, "users", texts(l.Users))
		put(layer, "rotate", writeRotate(l.Days))
		put(layer, "handoff", text(l.Handoff))
		put(layer, "start", text(l.Start))
		put(layer, "from", text(l.From))
		put(layer, "until", text(l.Until))
		put(layer, "only", texts(l.Only))
		layers.Content = append(layers.Content, layer)
	}
	put(m, "layers", layers)
	return m
}

func writeRotate(days int) *yaml.Node {
	switch days {
	case 1:
		return scalar("daily")
	case 7:
		return scalar("weekly")
	}
	m := mapping()
	put(m, "days", number(int64(days)))
	return m
}

// Schedule returns a schedule as oncall computes with it. Users keep their
// slugs. The only error of a Doc that Parse returned is a slug that is not
// there, or a time zone that this machine does not know.
func (d Doc) Schedule(slug string) (oncall.Schedule, error) {
	s, ok := d.Schedules[slug]
	path := "schedules." + slug
	if !ok {
		return oncall.Schedule{}, Problem{Path: path, Detail: "there is no such schedule", Suggestion: suggest(slug, sortedKeys(d.Schedules))}
	}
	zone, err := loadZone(s.Timezone)
	if err != nil {
		return oncall.Schedule{}, d.places.at(path+".timezone", err.Error(), "")
	}
	out := oncall.Schedule{Slug: slug, Zone: zone}
	for i, l := range s.Layers {
		layer, err := l.compile(zone)
		if err != nil {
			return oncall.Schedule{}, d.places.at(fmt.Sprintf("%s.layers[%d]", path, i), err.Error(), "")
		}
		out.Layers = append(out.Layers, layer)
	}
	return out, nil
}

func (l Layer) compile(zone *time.Location) (oncall.Layer, error) {
	out := oncall.Layer{Users: slices.Clone(l.Users), Every: l.Days}
	first := Epoch()
	if l.Start != "" {
		t, err := time.Parse(time.DateOnly, l.Start)
		if err != nil {
			return out, fmt.Errorf("start: wants a date such as 2026-03-02; has %s", shown(l.Start))
		}
		first = oncall.DateOf(t)
	}
	out.Handoff.Date = first
	if l.Handoff != "" {
		weekday, hour, minute, err := parseHandoff(l.Handoff)
		if err != nil {
			return out, fmt.Errorf("handoff: %w", err)
		}
		if weekday >= 0 {
			first = first.Add(int(weekday-first.Weekday()+7) % 7)
		}
		out.Handoff = oncall.Handoff{Date: first, Hour: hour, Minute: minute}
	}
	for _, text := range l.Only {
		hours, err := parseHours(text)
		if err != nil {
			return out, fmt.Errorf("only: %w", err)
		}
		out.Only = append(out.Only, hours)
	}
	var err error
	if out.From, err = instant(l.From, zone); err != nil {
		return out, fmt.Errorf("from: %w", err)
	}
	if out.Until, err = instant(l.Until, zone); err != nil {
		return out, fmt.Errorf("until: %w", err)
	}
	return out, nil
}

// instant returns the instant of a civil moment; "" is the zero time.
func instant(moment string, zone *time.Location) (time.Time, error) {
	if moment == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(momentForm, moment)
	if err != nil {
		t, err = time.Parse(time.DateOnly, moment)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("wants a date such as 2026-03-02, or 2026-03-02 09:00; has %s", shown(moment))
	}
	return oncall.Instant(oncall.DateOf(t), t.Hour(), t.Minute(), zone), nil
}
