package gate

// Severity ranks findings; the order is that of Severities.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // memory is corrupted, or the program crashed
	Error    Severity = "error"    // a defect: a leak, a race, a failed test
	Warning  Severity = "warning"  // a defect in all likelihood: a block that is possibly lost
	Info     Severity = "info"     // worth to be seen: a block that is still reachable
)

// Severities are all of them, worst first.
var Severities = []Severity{Critical, Error, Warning, Info}

// Class is the sort of a defect, whatever tool found it. It names the page of
// docs/knowledge that tells how to find and mend it.
type Class string

// The classes.
const (
	Leak              Class = "leak"
	UseAfterFree      Class = "use-after-free"
	OutOfBounds       Class = "out-of-bounds"
	InvalidAccess     Class = "invalid-access" // of memory that nobody can tell more about
	InvalidFree       Class = "invalid-free"
	Uninitialised     Class = "uninitialised"
	DataRace          Class = "data-race"
	LockMisuse        Class = "lock-misuse"
	GoroutineLeak     Class = "goroutine-leak"
	DescriptorLeak    Class = "descriptor-leak"
	UndefinedBehavior Class = "undefined-behavior"
	Crash             Class = "crash"
	TestFailure       Class = "test-failure"
	StaticAnalysis    Class = "static-analysis"
)

// Classes are all classes, in the order of the handbook.
var Classes = []Class{
	Leak, UseAfterFree, OutOfBounds, InvalidAccess, InvalidFree, Uninitialised, DataRace, LockMisuse,
	GoroutineLeak, DescriptorLeak, UndefinedBehavior, Crash, TestFailure, StaticAnalysis,
}

// A Frame is one call of a stack.
type Frame struct {
	Function string `json:"function,omitempty"` // as the tool names it; "" in a stripped program
	File     string `json:"file,omitempty"`     // as the tool names it; in a Verdict: within the repository, if it is there
	Line     int    `json:"line,omitempty"`     // from 1; 0: not known
	Column   int    `json:"column,omitempty"`   // from 1; 0: not known
	Object   string `json:"object,omitempty"`   // program or library
}

// A Stack is a chain of calls, the innermost first.
type Stack struct {
	Title  string  `json:"title,omitempty"` // what it is, for all but a finding's first: "previous write by thread 2"
	Frames []Frame `json:"frames"`
}

// A Finding is one defect as a report tells of it. All its text is hostile.
type Finding struct {
	Tool     string   // memcheck, helgrind, drd, asan, lsan, tsan, ubsan, go-race, goleak, go-test, junit; of SARIF: the driver's name
	Kind     string   // the tool's own name for it: Leak_DefinitelyLost, heap-use-after-free, a rule's id
	Class    Class    //
	Severity Severity //
	Message  string   // one line, without addresses, sizes of heaps and process numbers where that can be had
	Bytes    int64    // lost, in all; 0 where nothing is
	Blocks   int64    // lost, in all
	Stacks   []Stack  // the first is where it happened, or where what leaked was allocated
	At       Frame    // of a finding without a stack: the place; filled by Judge for all others
	Key      string   // names the finding where no stack does: a tool's own fingerprint, the name of a test; "" for none
	Report   string   // name of the report that told first
	Count    int      // how often it was told, at least 1

	Fingerprint string // set by Judge, as is what follows
	Owners      []string
	Standing    Standing
	Known       Known // of a finding that the baseline knows
	Excerpt     Excerpt
	Ticket      bool // the server is asked to keep a ticket of it
}

// Standing says how a finding counts.
type Standing string

// The standings.
const (
	New      Standing = "new"      // the baseline does not know it
	Accepted Standing = "accepted" // the baseline knows it, and until when
	Expired  Standing = "expired"  // the baseline knew it, and its time is over: counts as new
)

// An Excerpt is the source around a finding's place; zero where it is not at hand.
type Excerpt struct {
	First int      // number of the first line
	Lines []string // without ends of lines
}
