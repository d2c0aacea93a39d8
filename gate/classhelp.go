package gate

// A classHelp says what a class of defect is and how one begins to mend it.
type classHelp struct {
	class Class
	title string
	text  string
}

// classHelps are in the order of Classes. The handbook, docs/knowledge, has a
// page for each.
var classHelps = []classHelp{
	{Leak, "Memory is lost", "Memory was allocated and never freed, and nothing points to it any more, or it grows without end. The stack is where it was allocated; look for the way out on which nobody frees it, an early return above all."},
	{UseAfterFree, "Memory is used after it was freed", "A pointer outlived what it points to. Compare the stack of the use with that of the release, and decide who owns the memory."},
	{OutOfBounds, "Memory is used beyond its end", "An index or a length is larger than what was allocated. Compare the size in the stack of the allocation with the one used at the place."},
	{InvalidAccess, "Memory is used that is nobody's", "An address was read or written that belongs to no allocation: a pointer that was never set, was freed long ago or was computed wrongly."},
	{InvalidFree, "Memory is freed wrongly", "What is freed was not allocated, was freed before, or was allocated by another family: malloc with free, new with delete, new[] with delete[]."},
	{Uninitialised, "A value was never set", "A decision or a system call depends on memory that nobody wrote. Follow the value back to where it was allocated and set it there."},
	{DataRace, "Two threads use a value at once", "One of two threads writes while the other reads or writes, and nothing orders them. Both stacks are at fault as well: guard the value by one lock, or hand it over."},
	{LockMisuse, "A lock is used wrongly", "Locks are taken in different orders, released by who does not hold them, or destroyed while held. Take them in one order everywhere."},
	{GoroutineLeak, "A goroutine never ends", "It waits for a channel, a lock or a connection that nobody will serve. Give it a context or a channel that is closed, and wait for its end."},
	{DescriptorLeak, "A file or a connection is never closed", "It was opened at the stack's place and not closed on some way out. Close it where it was opened, whatever happens in between."},
	{UndefinedBehavior, "The language does not say what happens", "An overflow, a shift, a cast or a null pointer for which the compiler may assume that it never occurs. Check the value before."},
	{Crash, "The program crashed", "It was ended by a signal or a panic. What it would have told after this is not known."},
	{TestFailure, "A test failed", "The test's own message says what it wanted and what it got."},
	{StaticAnalysis, "An analyser warns", "The tool that told of it has a page for the rule."},
}

// help is what to say of a class; of one that is not known, its name.
func (c Class) help() classHelp {
	for _, h := range classHelps {
		if h.class == c {
			return h
		}
	}
	return classHelp{c, string(c), "The tool that told of it says more."}
}
