package runbook

// A Transition is one move of a state machine. What is not in the table is an
// error, and a final state has no move at all.
type Transition struct {
	Machine string // "run" or "approval"
	From    string // "" is an approval that nobody was asked for yet
	Command string
	To      string
	When    string // the condition, in words
}

// Transitions are all moves of a run and of its approval. They are documentation
// that tests hold to the code; Run.Do decides.
var Transitions = []Transition{
	{"run", "planned", "propose", "awaiting_approval", "the runbook names who approves"},
	{"run", "planned", "propose", "approved", "the runbook asks nobody"},
	{"run", "planned", "refuse", "refused", "budget, cooldown, depth or kill switch"},
	{"run", "planned", "stop", "refused", ""},
	{"run", "awaiting_approval", "approve", "approved", "by one who may, in time, for this very plan"},
	{"run", "awaiting_approval", "reject", "rejected", "by one who may approve, or who asked for the run"},
	{"run", "awaiting_approval", "expire", "expired", "its time is over"},
	{"run", "awaiting_approval", "refuse", "refused", "budget, cooldown, depth or kill switch"},
	{"run", "awaiting_approval", "stop", "refused", ""},
	{"run", "approved", "begin", "running", "the first step, the approved hash, in time"},
	{"run", "approved", "reject", "rejected", "a no wins until the first step begins"},
	{"run", "approved", "expire", "expired", "it was not begun in time"},
	{"run", "approved", "refuse", "refused", "budget, cooldown, depth or kill switch"},
	{"run", "approved", "stop", "refused", ""},
	{"run", "running", "begin", "running", "the next step, if none is in flight and nobody said stop"},
	{"run", "running", "report", "running", "the step is not done, or a further one follows"},
	{"run", "running", "report", "verifying", "the last step is done and there is something to verify"},
	{"run", "running", "report", "ended", "a step was refused, failed or is unknown; or a stop, or nothing to verify"},
	{"run", "running", "postpone", "running", "Apply changed nothing, and there is time for another try"},
	{"run", "running", "postpone", "ended", "there is no time or try left, or a stop"},
	{"run", "running", "expire", "ended", "the next step is overdue by half an hour"},
	{"run", "running", "stop", "running", "a step is in flight and is followed to its end"},
	{"run", "running", "stop", "ended", "between two steps"},
	{"run", "verifying", "judged", "verifying", "too early to tell"},
	{"run", "verifying", "judged", "ended", "recovered, unchanged, worse or unknown"},

	{"approval", "", "propose", "wanted", "the runbook names who approves"},
	{"approval", "", "propose", "not_needed", "the runbook asks nobody"},
	{"approval", "wanted", "approve", "given", "bound to the hash; holds as long again"},
	{"approval", "wanted", "reject", "rejected", ""},
	{"approval", "wanted", "expire", "expired", ""},
	{"approval", "given", "begin", "used", "once"},
	{"approval", "given", "reject", "rejected", "a no wins until the first step begins"},
	{"approval", "given", "expire", "expired", ""},
	{"approval", "not_needed", "begin", "used", "once"},
	{"approval", "not_needed", "reject", "rejected", "by who asked for the run"},
	{"approval", "not_needed", "expire", "expired", ""},
}
