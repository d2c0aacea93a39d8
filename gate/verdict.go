package gate

import "time"

// A Verdict is what the gate decides, and on what ground.
type Verdict struct {
	Pass     bool
	Reason   string // one line, for people
	Suite    string // what ran: names the run's findings apart from those of other suites
	Findings []Finding
	Reports  []Report  // without their findings
	Complete bool      // every report is whole: what is not among the findings is not there
	Exit     *Exit     // of the program, if the gate ran it
	Omitted  int       // findings beyond what is kept of reports
	Gone     []Known   // in the baseline, and not found by this complete run
	Budget   Budget    //
	At       time.Time // when it was judged, UTC
	Source   Source
}

// Word is "pass" or "fail".
func (v Verdict) Word() string {
	if v.Pass {
		return "pass"
	}
	return "fail"
}

// A Source says what was judged, as far as it is known.
type Source struct {
	Commit   string `json:"commit,omitempty"`
	Branch   string `json:"branch,omitempty"`
	Default  bool   `json:"default_branch,omitempty"` // Branch is the repository's default branch
	Pipeline string `json:"pipeline,omitempty"`       // address or number
	Project  string `json:"project,omitempty"`        // address or path of the repository
}

// An Exit is how the program that the gate ran ended.
type Exit struct {
	Code   int    // its exit status; -1 if a signal ended it
	Signal string // "segmentation fault"; "" for none
}
