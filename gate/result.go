package gate

import "time"

// A Result is a Verdict as JSON: what `muster gate check --json` prints, and
// what a gate reports to the server.
type Result struct {
	ID       string    `json:"id,omitempty"` // made by who reports, the same when it is sent again
	Verdict  string    `json:"verdict"`      // pass, fail
	Reason   string    `json:"reason"`
	Suite    string    `json:"suite"`
	Complete bool      `json:"complete"` // every report is whole: a defect that is not listed was not there
	At       time.Time `json:"at"`       // UTC
	Source
	Findings []ResultFinding `json:"findings"`
	Reports  []ResultReport  `json:"reports"`
	Omitted  int             `json:"omitted,omitempty"` // findings beyond what is listed
}

// A ResultFinding is a Finding as JSON.
type ResultFinding struct {
	Fingerprint string   `json:"fingerprint"`
	Tool        string   `json:"tool"`
	Kind        string   `json:"kind"`
	Class       Class    `json:"class"` // its page of the handbook
	Severity    Severity `json:"severity"`
	Message     string   `json:"message"`
	File        string   `json:"file"` // within the repository, where it is there; "" if not known
	Line        int      `json:"line"` // from 1; 0: not known
	Function    string   `json:"function"`
	Bytes       int64    `json:"bytes"`
	Blocks      int64    `json:"blocks"`
	Count       int      `json:"count"`
	Owner       string   `json:"owner"`           // its owners, one space between them; "" for none
	New         bool     `json:"new"`             // counts against the budget
	Until       string   `json:"until,omitempty"` // YYYY-MM-DD: so long the baseline lets it pass
	Ticket      bool     `json:"ticket"`          // the server keeps a ticket of it
	Stack       []string `json:"stack,omitempty"` // the first stack, a line each
}

// A ResultReport is a Report as JSON.
type ResultReport struct {
	Name       string   `json:"name"`
	Format     string   `json:"format"`
	Digest     string   `json:"sha256"`
	Findings   int      `json:"findings"`
	Suppressed int      `json:"suppressed,omitempty"`
	Tests      int      `json:"tests,omitempty"`
	Broken     []string `json:"broken,omitempty"`
}
