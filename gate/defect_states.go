package gate

// A Transition is one row of a defect's published state machine: a defect in the
// state From goes to the state To when By happens. An empty From means that there
// is none yet. What is not listed changes nothing.
type Transition struct {
	From DefectState
	By   string
	To   DefectState
}

// What happens to a defect.
const (
	bySeen       = "seen"                                // a report shows it, it counts against the budget and is to have a ticket
	byAccepted   = "seen, and accepted"                  // the baseline knows it, or no ticket is wanted
	byOverdue    = "seen by a run judged before"         // the run that closed it was judged later
	byBranch     = "seen on a branch that lacks the fix" // it was mended on the default branch
	byMissed     = "missed by a run that proves it"      // complete, on the default branch, same suite, judged later
	byMissedElse = "missed by another run"
)

// Transitions are all transitions of a defect. docs/state-machines.md shows them;
// a test holds the code to them.
var Transitions = []Transition{
	{"", bySeen, DefectOpen},
	{DefectOpen, bySeen, DefectOpen},
	{DefectOpen, byAccepted, DefectOpen},
	{DefectOpen, byMissed, DefectClosed},
	{DefectOpen, byMissedElse, DefectOpen},
	{DefectClosed, bySeen, DefectOpen},
	{DefectClosed, byAccepted, DefectClosed},
	{DefectClosed, byOverdue, DefectClosed},
	{DefectClosed, byBranch, DefectClosed},
	{DefectClosed, byMissed, DefectClosed},
	{DefectClosed, byMissedElse, DefectClosed},
}
