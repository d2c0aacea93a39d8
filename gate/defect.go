package gate

import (
	"fmt"
	"strings"
	"time"
)

// DefectState is where a defect stands.
type DefectState string

// The states of a defect.
const (
	DefectOpen   DefectState = "open"
	DefectClosed DefectState = "closed" // a complete run on the default branch did not show it
)

// A Defect is a finding as the server keeps it: one for each gate, suite and
// fingerprint, however many pipelines report it. All its text is hostile.
type Defect struct {
	ID          string      `json:"id"`
	Org         string      `json:"organization"`
	Gate        string      `json:"gate"` // slug
	Suite       string      `json:"suite"`
	Fingerprint string      `json:"fingerprint"`
	State       DefectState `json:"state"`
	Team        string      `json:"team,omitempty"`  // slug of who owns it
	Owner       string      `json:"owner,omitempty"` // as CODEOWNERS names them, one space between
	Class       Class       `json:"class"`
	Severity    Severity    `json:"severity"`
	Tool        string      `json:"tool"`
	Kind        string      `json:"kind"`
	Message     string      `json:"message"`
	File        string      `json:"file,omitempty"`
	Line        int         `json:"line,omitempty"`
	Function    string      `json:"function,omitempty"`
	Bytes       int64       `json:"bytes,omitempty"`
	Blocks      int64       `json:"blocks,omitempty"`
	Stack       []string    `json:"stack,omitempty"`

	Seen      int       `json:"seen"`    // reports that showed it
	Episode   int       `json:"episode"` // 1 at first, one more each time it returns
	Default   bool      `json:"on_default_branch"`
	OpenedAt  time.Time `json:"opened_at"`
	LastSeen  time.Time `json:"last_seen"`          // when the newest report of it was judged
	ClosedAt  time.Time `json:"closed_at,omitzero"` // when the run that did not show it was judged
	FirstFrom Source    `json:"first_from,omitzero"`
	LastFrom  Source    `json:"last_from,omitzero"`
	FixedFrom Source    `json:"fixed_from,omitzero"` // of a closed one: the run that did not show it

	Asked  time.Time    `json:"asked_at,omitzero"` // when it was last decided that its ticket tells of it; zero: it has none yet
	Ticket DefectTicket `json:"ticket,omitzero"`

	Version int64 `json:"version"`
}

// A DefectTicket is what is known of a defect's ticket: what was done there, not
// what is to be.
type DefectTicket struct {
	ID    string      `json:"id,omitempty"` // as the tracker's API wants it; "": there is none yet
	URL   string      `json:"url,omitempty"`
	State DefectState `json:"state,omitempty"`
	Told  time.Time   `json:"told_at,omitzero"` // the Asked of which it tells
	Error string      `json:"error,omitempty"`  // why the last try was refused

	// Where it was opened: the kind of tracker, the connection and the settings,
	// but for secrets. The configuration may say otherwise for new ones by now.
	Kind       string            `json:"kind,omitempty"`
	Connection string            `json:"connection,omitempty"`
	Settings   map[string]string `json:"settings,omitempty"`
}

// keptStack is how many lines of a reported stack are kept.
const keptStack = 40

// retellAfter is how long after its ticket told of a defect it tells again that
// it was seen.
const retellAfter = 24 * time.Hour

// Closes tells whether a run proves that what it does not list is not there.
func (r Result) Closes() bool { return r.Complete && r.Default && r.Omitted == 0 }

// Opens tells whether a finding that is not known yet becomes a defect.
func (f ResultFinding) Opens() bool { return f.Ticket && f.New }

// See returns the defect after a run that showed it, judged at an instant; the
// zero Defect becomes an open one. It tells whether it is open anew: it was not
// known, or has returned.
//
// A run that was judged before the one that closed the defect says nothing new.
// Nor does one of another branch about what is mended on the default branch:
// that branch lacks the fix.
func (d Defect) See(r Result, f ResultFinding, judged time.Time) (_ Defect, anew bool) {
	if d.State == "" {
		d.OpenedAt, d.FirstFrom = judged, r.Source
	}
	d.Seen++
	stale := d.State == DefectClosed && (!judged.After(d.ClosedAt) || d.Default && !r.Default)
	switch {
	case d.State == DefectOpen:
	case d.State == "" || !stale && f.Opens():
		d.State, d.Episode, anew = DefectOpen, d.Episode+1, true
		d.ClosedAt, d.FixedFrom, d.Default = time.Time{}, Source{}, false
	default:
		return d, false
	}
	d.Default = d.Default || r.Default
	if judged.Before(d.LastSeen) {
		return d, anew
	}
	d.LastSeen, d.LastFrom = judged, r.Source
	d.Owner, d.Class, d.Severity, d.Tool, d.Kind, d.Message = f.Owner, f.Class, f.Severity, f.Tool, f.Kind, f.Message
	d.File, d.Line, d.Function, d.Bytes, d.Blocks = f.File, f.Line, f.Function, f.Bytes, f.Blocks
	d.Stack = f.Stack
	return d, anew
}

// Retell tells whether the ticket of an open defect that was seen has to say so:
// once a day.
func (d Defect) Retell(f ResultFinding, now time.Time) bool {
	return f.Opens() && !now.Before(d.Asked.Add(retellAfter))
}

// Miss returns the defect after a run that did not show it, and tells whether
// that closed it.
func (d Defect) Miss(r Result, judged time.Time) (_ Defect, closed bool) {
	if d.State != DefectOpen || !r.Closes() || judged.Before(d.LastSeen) {
		return d, false
	}
	d.State, d.ClosedAt, d.FixedFrom = DefectClosed, judged, r.Source
	return d, true
}

// Where says where a defect is, for people: function (file:line), as far as it
// is known.
func (d Defect) Where() string {
	file := d.File
	if file != "" && d.Line > 0 {
		file = fmt.Sprintf("%s:%d", file, d.Line)
	}
	switch {
	case d.Function == "" && file == "":
		return "an unknown place"
	case d.Function == "":
		return file
	case file == "":
		return d.Function
	}
	return d.Function + " (" + file + ")"
}

// Title is what a defect is called, on one line.
func (d Defect) Title() string {
	what := d.Message
	if what == "" {
		what = d.Kind
	}
	return strings.Join(strings.Fields(string(d.Class)+" in "+d.Where()+": "+what), " ")
}
